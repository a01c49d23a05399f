"""The drummer's own sound: a sampled kit, struck at exact samples and mixed hop by hop.

A stroke is one recording, or two between which its velocity decides. A pair of hats has one sound: the next stroke or tread chokes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

Sound = NDArray[np.float32]

SOUNDS = Path(__file__).parent / "sounds"
HATS = (42, 44, 46)  # closed, pedal, open: one pair, which chokes itself
CYMBALS = (49, 51)  # ring on when they are struck again; a skin is damped by the next stroke
MOST_RINGING = 32
SOFT, HARD = 40, 100  # velocities at which the soft and the hard recording sound alone
STEEPNESS = 1.6  # level grows with velocity to this power
HEADROOM = 0.6  # a kick, a snare and a crash together stay below full scale
KNEE = 0.85  # of full scale, from which on a peak is bent so that it never reaches it
FADE_SECONDS = 0.03  # of what is choked

_KIT: dict[int, tuple[tuple[str, ...], float]] = {
    35: (("kick_soft", "kick_hard"), 0.7), 36: (("kick_soft", "kick_hard"), 0.7), 37: (("stick",), 0.35),
    38: (("snare_soft", "snare_hard"), 0.55), 40: (("snare_soft", "snare_hard"), 0.55), 42: (("hat_closed",), 0.4),
    44: (("hat_pedal",), 0.3), 46: (("hat_open",), 0.3), 45: (("tom_low",), 0.5), 47: (("tom_middle",), 0.5),
    50: (("tom_high",), 0.5), 49: (("crash",), 0.4), 51: (("ride",), 0.4),
}  # fmt: skip
"""General MIDI note -> recordings from soft to hard, and its level in the mix."""


@dataclass(slots=True)
class _Ringing:
    """A stroke that still sounds. start: its first sample."""

    start: int
    note: int
    sound: Sound


class SampledKit:
    """One stream's kit at `rate`, the rate of its recordings."""

    def __init__(self, rate: int) -> None:
        self._fade = round(FADE_SECONDS * rate)
        self._recordings = {
            note: ([_recording(name, rate) for name in names], level) for note, (names, level) in _KIT.items()
        }
        self.reset()

    def reset(self) -> None:
        """Sound no more."""
        self._ringing: list[_Ringing] = []

    @property
    def idle(self) -> bool:
        """Whether nothing rings."""
        return not self._ringing

    def strike(self, sample: int, note: int, velocity: int) -> None:
        """A drum is struck; a note that the kit does not have is silent. sample: not before the next one that is mixed."""
        if note not in self._recordings:
            return
        for damped in HATS if note in HATS else () if note in CYMBALS else (note,):
            self._choke(sample, damped)
        sounds, level = self._recordings[note]
        gain = HEADROOM * level * (velocity / 127) ** STEEPNESS
        hard = min(1.0, max(0.0, (velocity - SOFT) / (HARD - SOFT)))
        if len(sounds) == 1:
            sound = gain * sounds[0]
        else:
            soft, loud = sounds
            sound = np.zeros(max(len(soft), len(loud)), np.float32)
            sound[: len(soft)] += gain * (1 - hard) * soft
            sound[: len(loud)] += gain * hard * loud
        self._ringing = [*self._ringing[1 - MOST_RINGING :], _Ringing(sample, note, sound)]

    def take_back(self, sample: int) -> None:
        """Strike nothing that was to be struck at `sample` or later."""
        self._ringing = [each for each in self._ringing if each.start < sample]

    def stop(self, sample: int) -> None:
        """Fade what rings from `sample` on."""
        for note in {each.note for each in self._ringing}:
            self._choke(sample, note)

    def mix(self, start: int, count: int) -> Sound:
        """Return samples start .. start + count - 1, (count,), and let go of what is over."""
        out = np.zeros(count, np.float32)
        for each in self._ringing:
            first, last = max(start, each.start), min(start + count, each.start + len(each.sound))
            if first < last:
                out[first - start : last - start] += each.sound[first - each.start : last - each.start]
        self._ringing = [each for each in self._ringing if each.start + len(each.sound) > start + count]
        return bent(out)

    def _choke(self, sample: int, note: int) -> None:
        for each in self._ringing:
            place = sample - each.start
            if each.note == note and place < len(each.sound):
                kept = each.sound[: max(0, place) + self._fade].copy()
                ending = kept[max(0, place) :]
                ending *= np.linspace(1, 0, len(ending), dtype=np.float32)
                each.sound = kept


def bent(sound: Sound) -> Sound:
    """Return the sound with its peaks bent so that they stay below full scale."""
    over = np.abs(sound) > KNEE
    rest = 1 - KNEE
    sound[over] = np.sign(sound[over]) * (KNEE + rest * np.tanh((np.abs(sound[over]) - KNEE) / rest))
    return sound


@cache
def _recording(name: str, rate: int) -> Sound:
    sound, own = soundfile.read(str(SOUNDS / f"{name}.flac"), dtype="float32")
    if own != rate:
        raise ValueError(f"{name}.flac is at {own} Hz, the drummer at {rate}")
    return np.ascontiguousarray(sound, np.float32)
