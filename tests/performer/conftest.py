"""What the tests of the performer share: a made-up bowed tone."""

from collections.abc import Callable

import numpy as np
import pytest


@pytest.fixture(scope="session")
def bowed() -> Callable[..., np.ndarray]:
    """A function (notes, seconds, rate, bend=None) -> (samples,) float32: harmonics that rise within 10 ms.

    bend: seconds -> semitones, of all notes.
    """

    def play(
        notes: np.ndarray, seconds: float, rate: int, bend: Callable[[np.ndarray], np.ndarray] | None = None
    ) -> np.ndarray:
        time = np.arange(round(seconds * rate)) / rate
        moved = bend(time) if bend else np.zeros(len(time))
        sound = np.random.default_rng(1).normal(0, 1e-4, len(time))
        for onset, offset, pitch, velocity in notes:
            since = time - onset
            level = np.clip(since / 0.01, 0, 1) * np.exp(-np.maximum(time - offset, 0) / 0.05) * velocity / 1000
            phase = 2 * np.pi * np.cumsum(440 * 2 ** ((pitch + moved - 69) / 12)) / rate
            for number in range(1, 13):
                if number * 440 * 2 ** ((pitch - 69) / 12) < 0.45 * rate:
                    sound += level * np.sin(number * phase + number) / number
        return sound.astype(np.float32)

    return play
