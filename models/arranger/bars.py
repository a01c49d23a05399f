"""Where bars lie: what a host's transport says, or a beat that was heard, as bars of at most four beats.

    transport -> Course: bars in song positions, those to come as well
    beats as they pass, by a course or heard -> Passed -> bars in samples

Two bars of two beats count as one, four of one beat too; longer bars than four beats are divided. Of a bar that is no whole number
of quarters the last beat is short.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, floor, inf

import numpy as np

from models.arranger.config import BEATS_A_BAR, SIXTEENTHS
from models.arranger.grid import sixteenths
from models.events import Transport

FASTEST_BPM, LONGEST_BAR = 1000.0, 64.0  # that are taken from a host
NEARLY = 1e-6  # of a beat: what arithmetic may put before a place that is on it


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of 1 to BEATS_A_BAR beats. metre: beats of a bar as the host counts them. number: from the song's beginning, in that metre.

    beats: where each begins and where the last one ends, (beats + 1) song positions or samples. since, until: in the same unit, between
    which it is played: it may be entered and left amid.
    """

    metre: int
    number: int
    beats: tuple[float, ...]
    since: float = -inf
    until: float = inf

    @property
    def steps(self) -> int:
        """How many sixteenths it has."""
        return SIXTEENTHS * (len(self.beats) - 1)

    def places(self) -> np.ndarray:
        """Return where its sixteenths begin and where the last one ends: (steps + 1,)."""
        return sixteenths(np.array(self.beats))

    def place(self, step: float) -> float:
        """Return where a step lies; after the bar's end it goes on as the last beat."""
        beat = step / SIXTEENTHS
        last = len(self.beats) - 2
        first = min(floor(beat), last)
        return self.beats[first] + (beat - first) * (self.beats[first + 1] - self.beats[first])


class Course:
    """A transport that rolls at a tempo, on a clock of `rate` samples a second."""

    def __init__(self, transport: Transport, rate: float) -> None:
        self.transport = transport
        self.samples_a_beat = 60 * rate / min(transport.tempo_bpm, FASTEST_BPM)
        self._length = min(max(1.0, transport.beats_a_bar), LONGEST_BAR)
        self._beats = ceil(self._length - NEARLY)
        self._bar_start = transport.position - transport.beat

    def position(self, sample: float) -> float:
        """Return the song position at a sample, in quarter notes."""
        return self.transport.position + (sample - self.transport.sample) / self.samples_a_beat

    def sample(self, position: float) -> float:
        """Return the sample of a song position."""
        return self.transport.sample + (position - self.transport.position) * self.samples_a_beat

    def bar(self, position: float) -> Bar:
        """Return the bar that a song position lies in, in song positions."""
        bars = floor((position - self._bar_start) / self._length + NEARLY)
        start, number = self._bar_start + bars * self._length, self.transport.bar - 1 + bars
        together = max(1, BEATS_A_BAR // self._beats)
        if together > 1:
            start -= number % together * self._length
            beats = [start + bar * self._length + beat for bar in range(together) for beat in range(self._beats)]
            return Bar(self._beats, number // together, (*beats, start + together * self._length))
        sizes = divided(self._beats)
        part, first = 0, 0
        while part < len(sizes) - 1 and position - start > first + sizes[part] - NEARLY:
            first, part = first + sizes[part], part + 1
        places = [start + min(first + beat, self._length) for beat in range(sizes[part] + 1)]
        return Bar(self._beats, number * len(sizes) + part, tuple(places))


def divided(beats: int) -> tuple[int, ...]:
    """Return the lengths of the bars that a bar of so many beats is written as: (4, 3) for seven, (3, 2) for five."""
    if beats <= BEATS_A_BAR:
        return (beats,)
    parts = ceil(beats / BEATS_A_BAR)
    return tuple(len(part) for part in np.array_split(np.arange(beats), parts))


class Passed:
    """Bars as their beats pass, in samples. One owner; beats come in order."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Have seen no beat."""
        self._bars: deque[Bar] = deque()
        self._key = (0, 0)
        self._places: dict[int, float] = {}
        self._since = -inf
        self._size = BEATS_A_BAR

    def take(self) -> Iterator[Bar]:
        """Yield the bars that are over, once each."""
        while self._bars:
            yield self._bars.popleft()

    def begin(self, sample: float) -> None:
        """The music starts here, perhaps amid a bar."""
        self._since = sample

    def beat(self, sample: float, metre: int, number: int, place: int, size: int) -> None:
        """Take a beat: number `place` of a bar that should have `size` of them."""
        again = (metre, number) == self._key and self._places and place > max(self._places)
        if not again:
            self._close(sample)
            self._key, self._size, self._places = (metre, number), size, {}
        self._places[place] = sample

    def end(self, sample: float, beat: float) -> None:
        """The music stops, perhaps amid a bar, or jumps. beat: how long one is, in samples."""
        if self._places:
            last = max(self._places)
            known = self._places[last]
            self._places |= {place: known + (place - last) * beat for place in range(last + 1, self._size)}
            self._close(known + (self._size - last) * beat, sample)
        self._since = -inf

    def open(self, beat: float) -> Bar | None:
        """Return the bar that lasts, if there is one, as it would end with beats of that many samples."""
        if not self._places:
            return None
        last = max(self._places)
        places = {place: self._places[last] + (place - last) * beat for place in range(last + 1, self._size + 1)}
        return self._bar(self._places | places, inf)

    def _close(self, sample: float, until: float = inf) -> None:
        if self._places:
            self._bars.append(self._bar(self._places | {max(self._places) + 1: sample}, until))
            self._places, self._since = {}, -inf

    def _bar(self, known: dict[int, float], until: float) -> Bar:
        """Return the bar of beats that are known, the last of them its end; what is missing goes on evenly."""
        there = np.array(sorted(known))
        samples = np.array([known[place] for place in there])
        beats = np.interp(np.arange(there[-1] + 1), there, samples)
        first = there[0]
        beats[:first] = samples[0] - (first - np.arange(first)) * (samples[1] - samples[0]) / (there[1] - there[0])
        return Bar(*self._key, tuple(beats.tolist()), self._since, until)
