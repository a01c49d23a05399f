"""Where the beats of a song lie: what a transport says, from one sample to the next and from bar to bar.

A beat is a quarter note. Its number counts on from bar to bar, so that beats of one metre that follow each other have numbers that do;
songs in several metres have a range of numbers for each. Of a bar that is no whole number of beats the last is cut short.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor

from models.drummer.config import LONGEST_BAR
from models.events import Transport

NEARLY = 1e-6  # of a beat: what arithmetic may put before a place that is on it
RANGE = 1 << 20  # numbers of each metre; bars before the song's origin are within it


@dataclass(frozen=True, slots=True)
class Beat:
    """start, end: positions in quarter notes. place, bar: which beat it is, from 0, of how many that are thought of together."""

    number: int
    start: float
    end: float
    place: int
    bar: int


class Course:
    """A transport that rolls at a tempo, on a clock of `rate` samples a second."""

    def __init__(self, transport: Transport, rate: float) -> None:
        self.transport = transport
        self.samples_a_beat = 60 * rate / transport.tempo_bpm
        self._length = max(1.0, transport.beats_a_bar)
        self._beats = ceil(self._length - NEARLY)
        self._bar_start = transport.position - transport.beat
        self._together = beats_together(self._beats)

    def position(self, sample: float) -> float:
        """Return the song position at a sample, in quarter notes."""
        return self.transport.position + (sample - self.transport.sample) / self.samples_a_beat

    def sample(self, position: float) -> float:
        """Return the sample of a song position."""
        return self.transport.sample + (position - self.transport.position) * self.samples_a_beat

    def beat(self, position: float) -> Beat:
        """Return the beat that a position lies in."""
        bars = floor((position - self._bar_start) / self._length + NEARLY)
        start = self._bar_start + bars * self._length
        inside = min(max(0, floor(position - start + NEARLY)), self._beats - 1)
        number = self._beats * RANGE + (self.transport.bar - 1 + bars) * self._beats + inside
        end = min(start + inside + 1, start + self._length)
        return Beat(number, start + inside, end, inside % self._together, self._together)

    def count(self, position: float) -> float:
        """Return a position as the number of its beat and how far into it: what beats are remembered by."""
        beat = self.beat(position)
        return beat.number + position - beat.start


def beats_together(beats: int) -> int:
    """Return how many beats of a bar are thought of together: all of them, or the largest share of a long bar that divides it."""
    if beats <= LONGEST_BAR:
        return beats
    return next((share for share in range(LONGEST_BAR, 1, -1) if beats % share == 0), LONGEST_BAR)
