"""Carries the phase of each voice from one frame's centre to the next; who draws the frames has no time of its own."""

import numpy as np
from numpy.typing import NDArray


class Oscillators:
    """A bank of voices, of any number, each with a frequency that moves evenly between frames.

    Give it fundamentals and multiply: harmonic h of a voice is at h times its phase, modulo 1.
    """

    def __init__(self, voices: int, hop: int, sample_rate: float) -> None:
        self._seconds = hop / sample_rate
        self._phase, self._frequency = np.zeros(voices), np.zeros(voices)
        self.reset()

    def advance(self, frequency: np.ndarray, begins: np.ndarray | None = None) -> NDArray[np.float64]:
        """Go to the next frame's centre, where the voices have `frequency` (voices,) Hz; return their phases in cycles.

        begins: (voices,) the phase, in cycles at this centre, of a voice that begins anew; not a number where it goes on.
        What is no finite frequency holds the last one.
        """
        frequency = np.where(np.isfinite(frequency), frequency, self._frequency)
        self._phase += self._seconds * (self._frequency + frequency) / 2
        if begins is not None:
            np.copyto(self._phase, begins, where=np.isfinite(begins))
        self._phase %= 1.0
        self._frequency[:] = frequency
        return self._phase.copy()

    def reset(self) -> None:
        """Begin anew: every phase and frequency 0."""
        self._phase[:] = 0
        self._frequency[:] = 0
