"""Two bars are encoded, and notes written sixteenth by sixteenth: a draft, a few steps at a time, so that no hop takes long.

encode: what was heard, chords, what was played before, a texture -> latent and features
write:  latent, feature, what it has just written -> the notes of a sixteenth
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.arranger.config import BAR, BEATS_A_BAR, CHORD, HEARD, KEYS, LOWEST_KEY, PITCHES, WINDOW
from models.arranger.grid import Written, roll
from models.step import Step, Tensors

STEPS_A_HOP = 8  # that are written in one hop, and encoding takes one of its own: a bar is there after three


@dataclass(frozen=True, slots=True)
class Window:
    """What two bars are written from. heard: (WINDOW, len(HEARD), PITCHES). chords: (2 * BEATS_A_BAR, CHORD).

    prompt: notes of the two bars before, None where nothing was played yet. texture: (WINDOW, KEYS) notes as `grid.roll` whose manner
    is taken over, None without.
    plan: the notes are of the two bars that come after what was heard. melody: whether the voice is played too.
    """

    heard: np.ndarray
    chords: np.ndarray
    prompt: tuple[Written, ...] | None = None
    texture: np.ndarray | None = None
    plan: bool = False
    melody: bool = False

    def inputs(self) -> dict[str, np.ndarray]:
        """Return what `encode` takes, a batch of one."""
        mode = [self.plan, self.melody, self.prompt is not None, self.texture is not None]
        rows = {
            "heard": self.heard,
            "chords": self.chords,
            "prompt": roll(self.prompt or (), WINDOW),
            "texture": roll((), WINDOW) if self.texture is None else self.texture,
            "mode": np.array(mode, np.float32),
        }
        return {name: np.ascontiguousarray(values[None], np.float32) for name, values in rows.items()}


ENCODE_INPUTS: Mapping[str, tuple[int, ...]] = {
    "heard": (WINDOW, len(HEARD), PITCHES),
    "chords": (2 * BEATS_A_BAR, CHORD),
    "prompt": (WINDOW, KEYS),
    "texture": (WINDOW, KEYS),
    "mode": (4,),
}


class Draft:
    """Notes of one window, written until bar `bar` of the two (0 or 1) is there."""

    def __init__(self, encode: Step, write: Step, window: Window, steps: Sequence[int], bar: int = 0) -> None:
        """Args: steps: how many sixteenths the two bars have; those behind stay empty."""
        self._encode, self._write, self._window, self._bar = encode, write, window, bar
        self._steps = steps
        self._next = -1
        self._notes: list[Written] = []

    @property
    def done(self) -> bool:
        """Whether the bar is there."""
        return self._next >= BAR * self._bar + self._steps[self._bar]

    @property
    def notes(self) -> tuple[Written, ...]:
        """The notes of the bar, as far as they are written."""
        return tuple(self._notes)

    def go_on(self) -> None:
        """Do a hop's share."""
        if self._next < 0:
            self._begin()
            return
        for _ in range(STEPS_A_HOP):
            if self.done:
                return
            self._step()

    def finish(self) -> None:
        """Do all that is left."""
        while not self.done:
            self.go_on()

    def _begin(self) -> None:
        outputs, _ = self._encode(self._window.inputs(), self._encode.initial_state())
        self._latent, self._features = outputs["z"].copy(), outputs["features"].copy()
        self._state: Tensors = self._write.initial_state()
        self._next = 0

    def _step(self) -> None:
        number, step = divmod(self._next, BAR)
        inside = step < self._steps[number]
        outputs, state = self._write(
            {
                "z": self._latent,
                "feature": np.ascontiguousarray(self._features[:, self._next]),
                "first": np.full((1, 1), self._next == 0, np.float32),
                "allowed": np.full((1, KEYS), inside, np.float32),
            },
            self._state,
        )
        if number == self._bar and inside:
            self._notes += _written(outputs, step)
        self._state = {name: values.copy() for name, values in state.items()}
        self._next += 1


def _written(outputs: Tensors, step: int) -> list[Written]:
    """Return the notes of a step, each key once, from the lowest up."""
    found = {}
    for key, length, sure in zip(*(outputs[name][0].tolist() for name in ("pitch", "length", "sure")), strict=True):
        if 0 <= round(key) < KEYS:
            found[round(key)] = Written(step, max(1, round(length)), LOWEST_KEY + round(key), sure)
    return [found[key] for key in sorted(found)]
