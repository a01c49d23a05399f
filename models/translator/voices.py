"""The notes that are played, a slot each, and what is said of each in a hop beside its symbols.

`describe` is the same for training and for playing. A note holds its slot from its start until it has rung for RING_SECONDS.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass

import numpy as np

from models.phase.sounding import Begin
from models.translator.config import FEATURES, TranslatorConfig
from models.translator.symbols import dynamics_of

RING_SECONDS = 0.7
FAST, SLOW = 0.04, 0.3  # s, of the two clocks of a note's age
SKIPPED = 0.016  # s of a learnt attack, which a hand would hear as delay: recordings are cut where their first noise is
_COLUMN = {name: index for index, name in enumerate(FEATURES)}


def describe(age: np.ndarray, released: np.ndarray, new: np.ndarray) -> np.ndarray:
    """FEATURES (…, n) float32. age: seconds since the note began, at the hop's end. released: since it ended, not a number while it
    is held. new: whether it began in this hop."""
    row = np.zeros((*np.shape(age), len(FEATURES)), np.float32)
    held = ~(released > 0)
    row[..., _COLUMN["held"]] = held
    row[..., _COLUMN["new"]] = new
    row[..., _COLUMN["age"]] = np.log1p(np.minimum(age, 8.0) / 0.02) / 5
    row[..., _COLUMN["age_fast"]] = np.exp(-age / FAST)
    row[..., _COLUMN["age_slow"]] = np.exp(-age / SLOW)
    row[..., _COLUMN["released"]] = np.where(held, 0.0, 0.1 + np.log1p(np.where(held, 0.0, released) / 0.02) / 5)
    return row


@dataclass(slots=True)
class Voice:
    """One note: its number counts the stream's notes; onset and offset in samples, offset None while it is held."""

    number: int
    pitch: int
    dynamics: float
    onset: float
    channel: int = 0
    offset: float | None = None


class Voices:
    """Notes arrive by `start` and `stop` with their samples, in time order. One owner."""

    def __init__(self, config: TranslatorConfig) -> None:
        self._hop, self._rate = config.hop, config.sample_rate
        self.slots: list[Voice | None] = [None] * config.voices
        self._coming: list[tuple[float, int, Voice]] = []
        self._held: dict[int, Voice] = {}
        self._count = 0

    def start(self, sample: float, pitch: int, velocity: float, channel: int = 0) -> None:
        """A note starts; one of its pitch that is still held ends there."""
        self.stop(sample, pitch)
        voice = Voice(self._count, pitch, dynamics_of(velocity), sample, channel)
        self._count += 1
        self._held[pitch] = voice
        insort(self._coming, (sample, voice.number, voice))

    def stop(self, sample: float, pitch: int) -> None:
        """The held note of that pitch ends; nothing happens if there is none."""
        voice = self._held.pop(pitch, None)
        if voice is not None:
            voice.offset = max(sample, voice.onset + 1)

    def hop(self, start: int) -> np.ndarray:
        """FEATURES (voices, …) float32 of the hop from sample `start` on; zeros where a slot is free."""
        end = start + self._hop
        for index, voice in enumerate(self.slots):
            if voice is not None and voice.offset is not None and start - voice.offset > RING_SECONDS * self._rate:
                self.slots[index] = None
        while self._coming and self._coming[0][0] < end:
            self.slots[self._free(start)] = self._coming.pop(0)[2]
        features = np.zeros((len(self.slots), len(FEATURES)), np.float32)
        for index, voice in enumerate(self.slots):
            if voice is not None:
                ended = voice.offset is not None and voice.offset < end
                released = (end - voice.offset) / self._rate if ended and voice.offset is not None else np.nan
                age = np.array((end - voice.onset) / self._rate + SKIPPED)
                features[index] = describe(age, np.array(released), np.array(voice.onset >= start))
        return features

    def begins(self) -> list[Begin | None]:
        """Number and onset of each slot's note; all rise as soon as they begin."""
        return [None if voice is None else (voice.number, voice.onset, False) for voice in self.slots]

    def _free(self, start: float) -> int:
        """A free slot, else that of the note that ended first, else that of the oldest."""

        def rank(index: int) -> tuple[int, float]:
            voice = self.slots[index]
            if voice is None:
                return 0, index
            ended = voice.offset is not None and voice.offset <= start
            return (1, voice.offset or 0.0) if ended else (2, voice.onset)

        return min(range(len(self.slots)), key=rank)
