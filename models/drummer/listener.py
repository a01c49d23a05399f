"""The bass of a stream, from audio and from MIDI alike, as onsets at exact samples of the stream.

audio -> a third of the rate -> ear -> strokes, and a little later their pitch
MIDI -> notes, and later their ends
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.block import Samples
from models.drummer.ear import HOP, RATE, BassEar, Stroke
from models.events import DRUM_CHANNEL, NoteOff, NoteOn

TAPS = 61  # of the filter before the ear; linear phase
CUTOFF_HZ = 7000.0
ATTACK_SECONDS = 0.01  # a plucked string is heard so long after it began: 0 to 25 ms, the lower the longer


@dataclass(frozen=True, slots=True)
class Heard:
    """A note of the bass. pitch: MIDI, 0 where it is not known. again: it was told before, and now its pitch is known."""

    sample: float
    strength: float
    pitch: float
    again: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """A note of the bass that was told is over."""

    began: float
    sample: float


class BassListener:
    """One stream's. Feed hops in order."""

    def __init__(self, rate: int) -> None:
        self._step = rate // RATE
        if self._step * RATE != rate:
            raise ValueError(f"the rate is {rate}; allowed: multiples of {RATE}")
        self._attack = round(ATTACK_SECONDS * rate)
        middle = np.arange(TAPS) - TAPS // 2
        taps = np.sinc(2 * CUTOFF_HZ / rate * middle) * np.hamming(TAPS)
        self._taps = (taps / taps.sum()).astype(np.float32)
        self._ear = BassEar()
        self.delay = BassEar.delay * self._step + TAPS // 2
        self.reset()

    def reset(self) -> None:
        """Know nothing again."""
        self._ear.reset()
        self._past = np.zeros(TAPS - 1, np.float32)
        self._held: dict[tuple[int, int], float] = {}

    @property
    def sounding(self) -> bool:
        """Whether the bass sounds."""
        return bool(self._held) or self._ear.sounding

    @property
    def held(self) -> tuple[float, ...]:
        """The samples at which the MIDI notes began that still sound."""
        return tuple(self._held.values())

    def hop(self, samples: Samples) -> list[Heard]:
        """Take the next (1, hop) of audio; return what is known of strokes now."""
        heard = np.concatenate([self._past, samples[0]])
        self._past = heard[1 - TAPS :]
        low = np.lib.stride_tricks.sliding_window_view(heard, TAPS)[:: self._step] @ self._taps
        out: list[Heard] = []
        for start in range(0, len(low), HOP):
            strokes, known = self._ear.hop(low[start : start + HOP])
            out += [self._told(stroke, False) for stroke in strokes]
            out += [self._told(stroke, True) for stroke in known if stroke.pitch]
        return out

    def take(self, event: NoteOn | NoteOff) -> Heard | Ended | None:
        """Take a MIDI note's start or end; return what it says of the bass. Drums say nothing of it."""
        key = event.channel, event.pitch
        began = self._held.pop(key, None)
        if isinstance(event, NoteOff):
            return None if began is None else Ended(began, event.sample)
        if event.channel == DRUM_CHANNEL:
            return None
        self._held[key] = event.sample
        return Heard(event.sample, event.velocity / 127, float(event.pitch))

    def _told(self, stroke: Stroke, again: bool) -> Heard:
        place = stroke.sample * self._step - TAPS // 2 - self._attack
        return Heard(max(0.0, place), stroke.strength, stroke.pitch, again)
