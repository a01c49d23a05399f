"""The room that the kit stands in: a decaying noise, convolved with the sound hop by hop, with no delay.

Uniformly partitioned convolution (Gardner 1995, without its non-uniform part): the response is cut into pieces of one hop, and a hop's
spectrum meets each piece once, in the frequency domain.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

SECONDS = 0.8  # in which what rings falls by 60 dB
EMPTY_SECONDS = 0.006  # before the first wall answers
DULL_HZ = 4000.0  # walls and air take what lies higher, 6 dB an octave
SEED = 7
SILENT = 1e-5  # of full scale: -100 dB


class Room:
    """One stream's room. hop: samples at a time; rate: Hz."""

    def __init__(self, rate: int, hop: int) -> None:
        self._hop, self._pieces = hop, _pieces(rate, hop)
        self.reset()

    @property
    def idle(self) -> bool:
        """Whether nothing rings any more that could be heard."""
        return self._quiet > len(self._pieces)

    def reset(self) -> None:
        """Forget what rings."""
        self._spectra = np.zeros_like(self._pieces)  # of the last hops, each with the one before it; a ring
        self._newest, self._last = 0, np.zeros(self._hop, np.float32)
        self._quiet = len(self._pieces) + 1  # hops since something was played

    def answer(self, sound: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what the room adds to a hop of sound, (hop,); its energy is the sound's."""
        if np.abs(sound).max(initial=0) > SILENT:
            self._quiet = 0
        elif self.idle:
            return np.zeros(self._hop, np.float32)
        else:
            self._quiet += 1
        self._newest = (self._newest - 1) % len(self._pieces)
        self._spectra[self._newest] = np.fft.rfft(np.concatenate([self._last, sound]))
        self._last = sound.copy()
        split = len(self._pieces) - self._newest
        whole = np.einsum("pf,pf->f", self._spectra[self._newest :], self._pieces[:split])
        whole += np.einsum("pf,pf->f", self._spectra[: self._newest], self._pieces[split:])
        return np.fft.irfft(whole)[self._hop :].astype(np.float32)


@cache
def _pieces(rate: int, hop: int) -> NDArray[np.complex64]:
    """Return the spectra of the response's pieces, (pieces, hop + 1)."""
    count = -(-round(SECONDS * rate) // hop)
    times = np.arange(count * hop) / rate
    noise = np.random.default_rng(SEED).normal(0, 1, len(times)) * 10 ** (-3 * times / SECONDS)
    noise[: round(EMPTY_SECONDS * rate)] = 0
    frequencies = np.fft.rfftfreq(len(times), 1 / rate)
    response = np.fft.irfft(np.fft.rfft(noise) / np.sqrt(1 + (frequencies / DULL_HZ) ** 2), len(times))
    response /= np.sqrt(np.sum(response**2))
    padded = np.concatenate([response.reshape(count, hop), np.zeros((count, hop))], axis=1)
    pieces: NDArray[np.complex64] = np.fft.rfft(padded).astype(np.complex64)
    return pieces
