"""Finds tempo, beat and bar in onsets as they come, where no host tells them: causal, and it says nothing until it is sure.

How well a beat fits is how far the onsets of late, each weighted by its strength and its age, fall in with its beats, halves and
quarters: the sum of three harmonics of its period (after the comb filters of Scheirer 1998), times how usual the tempo is. Which
of several multiples is the beat is decided by that alone. Once locked it follows by small steps: the nearest sixteenths' line by
least squares. It begins anew only where another beat fits clearly better for some time. Bars are of four beats, or of three where
that is clear, unless the metre is told; they begin where the strongest onsets and the changes of pitch are. A beat of three parts,
as in 6/8, is looked for only where it is told: what divides a beat into three divides three beats into two as well.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import floor

import numpy as np

from models.events import Transport

SLOWEST_BPM, FASTEST_BPM, STEP = 48.0, 224.0, 1.005  # candidates
USUAL_BPM, SPREAD_OCTAVES = 110.0, 0.6
HARMONICS, WEIGHTS = np.array([1, 2, 4]), np.array([0.3, 0.5, 0.6])  # beats, halves, quarters
TERNARY_BPM, TERNARY, TERNARY_WEIGHTS = 75.0, np.array([1, 3]), np.array([0.5, 0.8])  # and of a beat of three parts
PHASES = 36
MEMORY_SECONDS, LONGEST_SECONDS = 6.0, 16.0
MOST_ONSETS = 96
EVERY_SECONDS = 0.2  # it thinks at most so often
FEWEST_ONSETS = 6
FIRST_POSITION = 120  # where counting begins: nothing that was heard lies before 0
SOON_BEATS, LATEST_BEATS = 5.0, 13.0  # heard before it locks, where the fit is good, and where it is only fair
GOOD_FIT, FAIR_FIT = 0.5, 0.2  # of the largest there can be
SAME_TEMPO = 0.03
STEADY = 3  # times thought in a row that it must be the same tempo
BETTER, BETTER_TIMES = 1.2, 9  # another beat must fit so much better, and so many times
TRUST = np.array([1.0, 0.5, 0.8, 0.5])  # in an onset's place, by its sixteenth: swing moves those between
TERNARY_TRUST = np.array([1.0, 0.8, 0.8])
PULL, TEMPO_PULL = 0.35, 0.1  # of an error, each time
BARS = (4, 3)  # beats; the first is taken where nothing speaks for another
OTHER_BAR = 1.4  # times as clear as the first that another must be
FEWEST_BEATS = 12  # that must be heard before another is believed
BAR_TIMES = 12  # that bars must seem to begin elsewhere
FIRST_ONSET = 0.3  # what speaks for a bar where the music begins
NEAR_BEAT = 0.15  # of a beat
AS_GOOD = 0.9  # of a fit: another that says the same
PITCH_CHANGE = 0.4  # what a change of pitch adds to an onset's strength where bars begin


@dataclass(slots=True)
class Onset:
    """seconds: on the finder's clock. weight: of its strength. accent: how much it speaks for a bar's beginning."""

    seconds: float
    weight: float
    accent: float


class BeatFinder:
    """One stream of onsets on a clock of `rate` samples a second."""

    def __init__(self, rate: int, bars: tuple[int, ...] = BARS, ternary: bool = False) -> None:
        """Args: bars: beats that a bar may have, the likeliest first. ternary: whether a beat has three parts."""
        self._rate, self._bars = rate, bars
        self._harmonics, self._weights = (TERNARY, TERNARY_WEIGHTS) if ternary else (HARMONICS, WEIGHTS)
        self._trust = TERNARY_TRUST if ternary else TRUST
        usual = TERNARY_BPM if ternary else USUAL_BPM
        self._parts = 3 if ternary else 2  # into which even notes divide a beat
        count = int(np.log(FASTEST_BPM / SLOWEST_BPM) / np.log(STEP)) + 1
        tempos = SLOWEST_BPM * STEP ** np.arange(count)
        self._periods = 60 / tempos
        self._usual = np.exp(-0.5 * (np.log2(tempos / usual) / SPREAD_OCTAVES) ** 2)
        turn = 2j * np.pi * self._harmonics[:, None] * np.arange(PHASES) / PHASES
        self._turns = self._weights[:, None] * np.exp(turn)  # (harmonics, phases)
        self.reset()

    def reset(self) -> None:
        """Know nothing again."""
        self._onsets: deque[Onset] = deque(maxlen=MOST_ONSETS)
        self._pitch = 0.0
        self._thought = -np.inf
        self._fresh = False
        self._steady: deque[float] = deque(maxlen=STEADY)
        self._others = 0
        self._period = 0.0  # 0 until locked
        self._beat = 0.0  # seconds of the beat with position `_position`
        self._position = 0
        self._bar = self._bars[0]
        self._first = 0  # a position that begins a bar
        self._other_bars = 0

    @property
    def locked(self) -> bool:
        """Whether it knows a beat."""
        return self._period > 0

    def hear(self, sample: float, strength: float, pitch: float) -> None:
        """Take an onset. pitch: MIDI, 0 where it is not known."""
        self._onsets.append(Onset(sample / self._rate, 0.3 + strength, strength))
        self._fresh = True
        self.name(sample, pitch)

    def name(self, sample: float, pitch: float) -> None:
        """Take the pitch of an onset that was heard."""
        changed = pitch > 0 and self._pitch > 0 and round(pitch) != round(self._pitch)
        self._pitch = pitch or self._pitch
        for onset in self._onsets:
            if changed and onset.seconds == sample / self._rate:
                onset.accent += PITCH_CHANGE

    def think(self, sample: float) -> bool:
        """Take in what was heard until `sample`; return whether what it says has changed."""
        now = sample / self._rate
        if not self._fresh or now - self._thought < EVERY_SECONDS:
            return False
        self._thought, self._fresh = now, False
        while self._onsets and now - self._onsets[0].seconds > LONGEST_SECONDS:
            self._onsets.popleft()
        if len(self._onsets) < FEWEST_ONSETS:
            return False
        times = np.array([onset.seconds for onset in self._onsets])
        weights = np.array([onset.weight for onset in self._onsets]) * np.exp((times - now) / MEMORY_SECONDS)
        fits = self._fits(times - now, weights)  # (periods, phases)
        ranked = fits.max(1) * self._usual
        best = int(np.argmax(ranked))
        self._steady.append(float(self._periods[best]))
        if not self.locked:
            return self._lock(times, weights, fits, best, now)
        own = int(np.argmin(np.abs(self._periods - self._period)))
        near = slice(max(0, own - 2), own + 3)
        away = (self._beat - now) / self._period % 1 * PHASES
        phases = (np.arange(-2, 3) + round(away)) % PHASES
        mine = float((fits[near][:, phases].max(1) * self._usual[near]).max())
        self._others = self._others + 1 if ranked[best] > BETTER * max(mine, 1e-9) else 0
        if self._others >= BETTER_TIMES:
            self._others = 0
            self._begin(times, weights, fits, best, now)
        else:
            self._follow(times, weights)
            self._count(times)
        return True

    def transport(self, sample: float) -> Transport:
        """Return what it says of a sample. Ask only once it is locked."""
        position = self._position + (sample / self._rate - self._beat) / self._period
        bars = floor((position - self._first) / self._bar)
        beat = position - self._first - bars * self._bar
        return Transport(sample, True, round(sample), 60 / self._period, position, bars + 1, beat, float(self._bar))

    def _fits(self, ages: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return how well each period fits at each phase, -1..1: (periods, phases). ages: seconds from now, negative."""
        first = np.exp(-2j * np.pi * ages / self._periods[:, None])  # (periods, onsets)
        sums = np.stack([first**harmonic @ weights for harmonic in self._harmonics], 1)  # (periods, harmonics)
        return (sums @ self._turns).real / (weights.sum() * self._weights.sum())

    def _lock(self, times: np.ndarray, weights: np.ndarray, fits: np.ndarray, best: int, now: float) -> bool:
        period = float(self._periods[best])
        beats = (now - times[0]) / period
        fit = float(fits[best].max())
        alike = len(self._steady) == STEADY and max(self._steady) < (1 + SAME_TEMPO) * min(self._steady)
        soon = alike and beats >= SOON_BEATS and fit >= GOOD_FIT
        if not (soon or (beats >= LATEST_BEATS and fit >= FAIR_FIT)):
            return False
        self._begin(times, weights, fits, best, now)
        return True

    def _begin(self, times: np.ndarray, weights: np.ndarray, fits: np.ndarray, best: int, now: float) -> None:
        """Take the beat that fits best; positions go on from where they were."""
        was = self._position + (now - self._beat) / self._period if self.locked else 0.0
        self._period = float(self._periods[best])
        phase = int(np.argmax(fits[best]))
        between = [(phase + part * PHASES // self._parts) % PHASES for part in range(self._parts)]
        alike = [one for one in between if fits[best, one] > AS_GOOD * fits[best, phase]]
        if not was and len(alike) > 1:  # even eighths: most music begins with a beat
            first = round((times[0] - now) / self._period * PHASES)
            phase = min(alike, key=lambda one: abs((one - first + PHASES // 2) % PHASES - PHASES // 2))
        self._beat = now + phase / PHASES * self._period
        self._position = floor(was) + 1 if was else FIRST_POSITION
        for _ in range(2):
            self._follow(times, weights, 1.0, 1.0)
        self._bar, first = self._likely_bars(times)
        self._first = self._position + first
        self._other_bars = 0

    def _follow(
        self, times: np.ndarray, weights: np.ndarray, pull: float = PULL, tempo_pull: float = TEMPO_PULL
    ) -> None:
        """Move towards the line of sixteenths, or of thirds, that the onsets lie nearest to."""
        lines = len(self._trust)
        line = self._period / lines
        places = np.round((times - self._beat) / line)
        errors = times - self._beat - places * line
        near = weights * np.exp(-((errors / (0.25 * line)) ** 2)) * self._trust[places.astype(int) % lines]
        if (near > 0.01).sum() < 3:
            return
        # least squares of error over place: how much is phase now, and how much is tempo
        mean = float(near @ places / near.sum())
        spread = float(near @ (places - mean) ** 2)
        slope = float(near @ ((places - mean) * errors) / spread) if spread > 1 else 0.0
        newest = float(places[-1])
        error = float(near @ errors / near.sum()) + slope * (newest - mean)
        self._period *= 1 + np.clip(tempo_pull * lines * slope / self._period, -0.02, 0.02)
        beats = floor(newest / lines)
        self._position += beats
        self._beat += beats * self._period + float(np.clip(pull * error, -line, line))

    def _count(self, times: np.ndarray) -> None:
        """Begin bars elsewhere, or count others, where the bass has said so for some time."""
        bar, first = self._likely_bars(times)
        accents = self._accents(times, bar)
        now = (self._first - self._position) % bar
        others = bar != self._bar or accents[first] > BETTER * accents[now]
        self._other_bars = self._other_bars + 1 if others else 0
        if self._other_bars >= BAR_TIMES:
            self._bar, self._first, self._other_bars = bar, self._position + first, 0

    def _likely_bars(self, times: np.ndarray) -> tuple[int, int]:
        """Return how many beats a bar has, and how many beats after the one at `_beat` one begins."""
        found = []
        for bar in self._bars if times[-1] - times[0] >= FEWEST_BEATS * self._period else self._bars[:1]:
            accents = self._accents(times, bar)
            clear = float(accents.max() - accents.mean()) / max(1e-9, float(accents.mean()))
            found.append((clear if bar == self._bars[0] else clear / OTHER_BAR, bar, int(np.argmax(accents))))
        _, bar, first = max(found)
        return bar, first

    def _accents(self, times: np.ndarray, bar: int) -> np.ndarray:
        """Return how strong the bass is on the beat at `_beat` and on those that follow in a bar, (bar,)."""
        accents = np.zeros(bar)
        for onset in self._onsets:
            beats = (onset.seconds - self._beat) / self._period
            if abs(beats - round(beats)) < NEAR_BEAT:
                accents[round(beats) % bar] += onset.accent
        first = (times[0] - self._beat) / self._period
        if abs(first - round(first)) < NEAR_BEAT:
            accents[round(first) % bar] += FIRST_ONSET
        return accents
