"""What is played besides notes, forward in time: the sustain pedal of a piano, the bend of a string, wind or voice.

Called by `processor` once a hop. Places are model samples.
"""

import numpy as np

from models.events import ControlChange, Event, PitchBend
from models.step import Tensors
from models.transcriber.decode import Clock

SUSTAIN = 64  # the controller's number
PEDAL_HYSTERESIS = 0.1  # of the activation, either side of the threshold
BEND_RANGE = 2.0  # semitones either way, what a synthesiser does unless told otherwise
FULL_BEND = 8191
SMALLEST_BEND = 0.04  # semitones; less than what is heard
BEND_AFTER_SECONDS = 0.03  # a note's first milliseconds tell nothing about its pitch


class PedalTracker:
    """The sustain pedal: down or up, by the mean of the last hop of every phase."""

    def __init__(self, head: int, threshold: float, clock: Clock) -> None:
        self._head, self._threshold, self._clock = head, threshold, clock
        self._recent = [0.0] * clock.phases
        self.down = False

    def step(self, end: int, outputs: Tensors) -> list[Event]:
        """Take the outputs of the hop that ends before sample `end`; return a change of the pedal, if there is one."""
        self._recent = [*self._recent[1:], float(outputs["pedal"][0, self._head])]
        limit = self._threshold + (-PEDAL_HYSTERESIS if self.down else PEDAL_HYSTERESIS)
        place = self._clock.frame_start(end, self._head) + self._clock.frame / 2
        return self.move(place, sum(self._recent) / len(self._recent) >= limit)

    def move(self, place: float, down: bool) -> list[Event]:
        """Put the pedal where it is not yet."""
        if down == self.down:
            return []
        self.down = down
        return [ControlChange(place, SUSTAIN, 127 if down else 0)]


class BendTracker:
    """The bend of the one note that sounds; 0 while several or none do."""

    def __init__(self, head: int, clock: Clock) -> None:
        self._head, self._clock = head, clock
        self._bend, self._smooth = 0.0, 0.0  # where the wheel is, and what is heard, semitones

    def step(self, end: int, outputs: Tensors, sounding: np.ndarray, onset: np.ndarray) -> list[Event]:
        """Take a hop's outputs, which keys sound (88,) and since which sample (88,); return a move of the wheel, if any."""
        place = self._clock.frame_start(end, self._head) + self._clock.frame / 2
        keys = np.flatnonzero(sounding)
        if len(keys) == 1 and place - onset[keys[0]] >= BEND_AFTER_SECONDS * self._clock.sample_rate:
            heard = float(outputs["bend"][0, self._head, keys[0]])
            self._smooth = 0.5 * (self._smooth + heard)
            return self.move(place, self._smooth)
        self._smooth = self._bend if len(keys) == 1 else 0.0
        return self.move(place, self._smooth)

    def move(self, place: float, semitones: float) -> list[Event]:
        """Bend to `semitones`, if that is another place."""
        near_home = abs(semitones) < SMALLEST_BEND / 2 and self._bend != 0
        if abs(semitones - self._bend) < SMALLEST_BEND and not near_home:
            return []
        self._bend = 0.0 if near_home else semitones
        value = round(np.clip(self._bend / BEND_RANGE, -1, 1) * FULL_BEND)
        return [PitchBend(place, int(value))]


class InputGate:
    """Shuts out what is softer than a level: no note starts while it is shut."""

    def __init__(self, hold_samples: float) -> None:
        self._hold, self._open_until = hold_samples, -1.0
        self.level = 0.0  # full scale

    def is_open(self, end: int, samples: np.ndarray) -> bool:
        """Take the hop that ends before sample `end`."""
        if self.level <= 0:
            return True
        if samples.max() >= self.level or samples.min() <= -self.level:
            self._open_until = end + self._hold
        return end <= self._open_until
