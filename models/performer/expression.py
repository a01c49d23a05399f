"""What a player adds to the written pitch and strength: vibrato, the bend wheel, and the expression pedal (CC11).

The vibrato is that of the recordings, measured: depth, rate and how long after a note's start it sets in; the modulation
wheel (CC1) deepens it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from models.events import ControlChange, PitchBend
from models.performer.score import Voice

BEND_SEMITONES = 2.0  # of the whole bend wheel
WHEEL_DEPTH = 4.0  # how much deeper the modulation wheel makes the vibrato
EXPRESSION_RANGE = 0.8  # of velocity / 127: what CC11 takes away when it is down
GOLDEN = 0.618034  # of a cycle: no two notes begin their vibrato alike


class Expression:
    """Of one stream, channel by channel. own: `vibrato_semitones`, `vibrato_hertz`, `vibrato_delay` (seconds) of the instrument."""

    def __init__(self, own: Mapping[str, Any], sample_rate: int) -> None:
        self._depth, self._hertz = float(own["vibrato_semitones"]), float(own["vibrato_hertz"])
        self._delay, self._rate = float(own["vibrato_delay"]), sample_rate
        self._bend: dict[int, float] = {}  # channel -> semitones
        self._wheel: dict[int, float] = {}  # channel -> share of its way
        self._pedal: dict[int, float] = {}  # channel -> what it adds to velocity / 127

    def take(self, event: ControlChange | PitchBend) -> None:
        """A controller or the bend wheel moves."""
        if isinstance(event, PitchBend):
            self._bend[event.channel] = BEND_SEMITONES * event.value / 8192
        elif event.control == 1:
            self._wheel[event.channel] = event.value / 127
        elif event.control == 11:
            self._pedal[event.channel] = EXPRESSION_RANGE * (event.value / 127 - 1)

    def dynamics(self, voices: Sequence[Voice | None]) -> np.ndarray:
        """(voices,) float32: what the expression pedal of its channel adds to each voice's velocity / 127."""
        return np.array([self._pedal.get(voice.channel, 0.0) if voice else 0.0 for voice in voices], np.float32)

    def semitones(self, voices: Sequence[Voice | None], sample: float, vibrato: float) -> np.ndarray:
        """(voices,) float64: how far each voice lies from its pitch at a sample; `vibrato` multiplies the depth."""
        moved = np.zeros(len(voices))
        for slot, voice in enumerate(voices):
            if voice is None:
                continue
            depth = self._depth * (vibrato + WHEEL_DEPTH * self._wheel.get(voice.channel, 0.0))
            age = (sample - voice.onset) / self._rate
            grown = min(1.0, max(0.0, (age - self._delay) / max(self._delay, 1e-3)))
            turn = self._hertz * age + GOLDEN * voice.number
            moved[slot] = self._bend.get(voice.channel, 0.0) + depth * grown * math.sin(2 * math.pi * turn)
        return moved
