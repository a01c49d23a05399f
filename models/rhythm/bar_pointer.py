"""Beats, bars and tempo in a stream of activations: what is said of now, and what is decided for good some seconds later.

The bar pointer is `bar_lattice`; here activations become likelihoods, and its two answers beats. What is said now is where the forward
algorithm finds most of the likelihood, and it may change its mind; what is decided is on the best path `lag_seconds` later and stays.
Times are places among the frames: frame k is the (k + 1)th that was heard. Causal, deterministic, bounded.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import floor

import numpy as np

from models.events import Transport
from models.rhythm.bar_lattice import BarLattice

FIRST_POSITION = 120  # where beats begin to be counted: nothing that was heard lies before 0
LEAST, MOST = 0.02, 0.97  # activations beyond these say no more
TRUST = 1.0  # in a beat's activation, as a power
BEAT_SHARE = 0.2  # of a beat's activation, where it is as likely a beat as none: ears are taught to miss none
DOWN_TRUST = 0.5
DOWN_SHARE = 0.4  # of a beat's activation, where it is as likely to begin a bar as any other
LEAST_DOWN, MOST_DOWN = 0.03, 0.95
LOCK, UNLOCK = 0.99, 0.3  # how likely it must be that there is a beat, and that there still is one
EVERY_FRAMES = 3  # it says and decides something new so often
AROUND_FRAMES, AROUND_TEMPI = 2, 4  # what counts as the same beat
MEMORY_SECONDS = 12.0  # more than the lag, in which the first beats are found again once it is locked
APART, ANEW = 0.6, 3.0  # beats: nearer ones are the same, and those further off begin anew
MOST_UNASKED = 4096  # beats


@dataclass(frozen=True, slots=True)
class Beat:
    """A beat that is decided. frame: its place among the frames. place: in the bar, 0 is a downbeat. beats_a_bar: of its bar."""

    frame: float
    place: int
    beats_a_bar: int


@dataclass(frozen=True, slots=True)
class _Said:
    """What is said now. frame: of a beat. period: frames. position: beats counted. bar: from 1."""

    frame: float
    period: float
    position: int
    bar: int
    place: int
    beats_a_bar: int


class BarPointer:
    """One stream of activations. Feed frames in order; owns its state."""

    def __init__(self, frame_rate: float, bars: tuple[int, ...] = (4, 3), lag_seconds: float = 3.0) -> None:
        """Args: frame_rate: Hz. bars: beats that a bar may have, the likeliest first. lag_seconds: after which a beat is decided.

        Raises:
            ValueError: a number is out of range.
        """
        if not 20 <= frame_rate <= 400:
            raise ValueError(f"frame_rate is {frame_rate:g} Hz; allowed: 20 to 400")
        if not bars or any(not 2 <= bar <= 16 for bar in bars) or len(set(bars)) < len(bars):
            raise ValueError(f"bars is {bars}; allowed: different numbers of beats, 2 to 16")
        if not 0 <= lag_seconds <= 30:
            raise ValueError(f"lag_seconds is {lag_seconds:g}; allowed: 0 to 30")
        self._rate, self._lag = frame_rate, round(lag_seconds * frame_rate)
        self._memory = self._lag + round(MEMORY_SECONDS * frame_rate)
        self._lattice = BarLattice(frame_rate, bars, self._memory)
        self._first = np.array([place == 0 for place, _ in self._lattice.rows])
        self.reset()

    def reset(self) -> None:
        """Have heard nothing."""
        self._lattice.reset()
        self._strengths = np.zeros(self._memory)
        self._locked = False
        self._unlocked = 0  # the frame from which on there was no beat
        self._said: _Said | None = None
        self._last: Beat | None = None
        self._apart = 0.0  # frames after it in which there is no other
        self._looked = -1  # the last frame whose beats are decided
        self._pending: deque[Beat] = deque(maxlen=MOST_UNASKED)

    @property
    def locked(self) -> bool:
        """Whether there is a beat: music whose beat is found."""
        return self._locked

    def hear(self, beat: float, downbeat: float) -> None:
        """Take one frame. beat, downbeat: activations 0..1, the first of any beat; what is no number counts as 0."""
        beat, downbeat = (value if value >= 0 else 0.0 for value in (beat, downbeat))
        any_beat = min(max(beat, downbeat, LEAST), MOST)
        share = min(max(downbeat / any_beat, LEAST_DOWN), MOST_DOWN)
        odds = TRUST * (np.log(any_beat / (1 - any_beat)) - np.log(BEAT_SHARE / (1 - BEAT_SHARE)))
        down = DOWN_TRUST * np.log(share / DOWN_SHARE)
        other = DOWN_TRUST * np.log((1 - share) / (1 - DOWN_SHARE))
        self._lattice.hear(odds + np.where(self._first, down, other))
        frame = self._lattice.frame
        self._strengths[frame % self._memory] = odds
        if frame % EVERY_FRAMES == 0:
            self._say()
            self._decide(frame - self._lag)

    def decided(self) -> tuple[Beat, ...]:
        """Return the beats decided for good since last asked: each later than the one before, and none is ever taken back.

        Places count on, bar after bar. Only where it turns out that bars begin elsewhere is one cut short: then place 0 comes early.
        Music that begins anew after a time without beats begins at any place.
        """
        beats = tuple(self._pending)
        self._pending.clear()
        return beats

    def flush(self) -> tuple[Beat, ...]:
        """Return the rest: the song ends here."""
        self._say()
        self._decide(self._lattice.frame)
        return self.decided()

    def transport(self, sample: float, rate: float) -> Transport:
        """Return what is said now of a sample at `rate` Hz; frame k lies k / frame_rate seconds from sample 0.

        Raises:
            ValueError: it is not locked and was not before.
        """
        said = self._said
        if said is None:
            raise ValueError("no beat is found yet; ask only once it is locked")
        beats = (sample / rate * self._rate - said.frame) / said.period
        bars = floor((said.place + beats) / said.beats_a_bar)
        return Transport(
            sample, True, round(sample), 60 * self._rate / said.period, said.position + beats, said.bar + bars,
            said.place + beats - bars * said.beats_a_bar, float(said.beats_a_bar),
        )  # fmt: skip

    def _say(self) -> None:
        """Look where the beat is now, and whether there is one."""
        going, none = self._lattice.now()
        if self._locked and 1 - none < UNLOCK:
            self._locked, self._unlocked = False, self._lattice.frame
        self._locked = self._locked or 1 - none > LOCK
        if not self._locked:
            return
        age, row = divmod(int(going.sum(2).argmax()), going.shape[1])
        first = max(0, age - AROUND_FRAMES)
        near = going[first : age + AROUND_FRAMES + 1, row]
        tempo = int(near.sum(0).argmax())
        least = max(0, tempo - AROUND_TEMPI)
        near = near[:, least : tempo + AROUND_TEMPI + 1]
        whole = float(near.sum())
        period = float(near.sum(0) @ self._lattice.periods[least : tempo + AROUND_TEMPI + 1]) / whole
        began = float(near.sum(1) @ np.arange(len(near))) / whole
        frame = self._lattice.frame - len(going) + 1 + first + began
        self._said = self._counted(frame, period, *self._lattice.rows[row])

    def _counted(self, frame: float, period: float, place: int, beats_a_bar: int) -> _Said:
        """Return a beat with its numbers: the nearest to those that were said."""
        said = self._said
        if said is None:
            return _Said(frame, period, FIRST_POSITION, 1, place, beats_a_bar)
        passed = round((frame - said.frame) / said.period)
        bars = round((said.place + passed - place) / said.beats_a_bar)
        return _Said(frame, period, said.position + passed, said.bar + bars, place, beats_a_bar)

    def _decide(self, until: int) -> None:
        """Decide the beats up to frame `until`. What was heard before a lock is looked at once there is one."""
        nothing = not self._locked and self._looked >= self._unlocked
        if nothing or until <= self._looked or (self._last is not None and until < self._last.frame + self._apart):
            return
        for frame, row, tempo in reversed(self._lattice.path(self._looked + 1)):
            if frame <= until and (self._locked or frame < self._unlocked):
                self._take(frame + self._between(frame), float(self._lattice.periods[tempo]), row)
        self._looked = until

    def _take(self, frame: float, period: float, row: int) -> None:
        """Count a beat on, or begin a bar where the path does."""
        place, beats_a_bar = self._lattice.rows[row]
        last, self._apart = self._last, APART * period
        if last is not None:
            if frame < last.frame + self._apart:
                return
            if place and frame < last.frame + ANEW * period:
                place = (last.place + 1) % last.beats_a_bar
                beats_a_bar = last.beats_a_bar if place else beats_a_bar
        self._last = Beat(frame, place, beats_a_bar)
        self._pending.append(self._last)

    def _between(self, frame: int) -> float:
        """Return how far from a frame the peak of activations lies, -0.5..0.5 frames: of the parabola through three."""
        if not 0 < frame < self._lattice.frame:
            return 0.0
        before, here, after = (self._strengths[(frame + step) % self._memory] for step in (-1, 0, 1))
        bend = before - 2 * here + after
        return float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) if bend < 0 else 0.0
