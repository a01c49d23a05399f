"""Phases without iteration or look-ahead: a spectral peak is a sinusoid that went on, and what lies around it follows it.

From one frame to the next a peak's phase advances by its frequency, as in Beauregard, Harish and Wyse's single pass
spectrogram inversion (2015). From a peak to the valleys beside it the phase follows the growth of the magnitudes in time, as in
Prusa and Sondergaard's real-time phase gradient heap integration (2016). What takes the place of their heap, which visits bins
one by one, is a running sum over the bins of each peak.
"""

import numpy as np
from numpy.typing import NDArray

from models.phase.frames import Frames, OverlapAdd
from models.phase.stream import Hint

GAUSSIAN = 0.25645  # times n_fft^2: the width of the Gaussian window that is most like a Hann window
FLOOR = 1e-7  # of a frame's largest magnitude: 140 dB below it growth means nothing
TINY = 1e-9


class PeakGradient:
    """A stream of no latency, at about the cost of a forward and an inverse transform."""

    def __init__(self, frames: Frames) -> None:
        self._frames, self._overlap_add = frames, OverlapAdd(frames)
        self._bin_advance = 2 * np.pi * frames.hop / frames.n_fft  # radians a hop, per bin of frequency
        self._to_radians = -GAUSSIAN * frames.n_fft / frames.hop  # growth in a hop -> radians a bin
        self._phase, self._level = np.zeros(frames.bins), np.zeros(frames.bins)
        self._begun = False

    @property
    def latency(self) -> int:
        """Samples: call k returns the samples that begin at k * hop - latency."""
        return 0

    def frame(self, magnitude: np.ndarray | None, hint: Hint | None = None) -> NDArray[np.float32]:
        """Return the next samples (hop,) for the next magnitude (bins,)."""
        magnitude = self._frames.accept(magnitude)
        phase = self._advance(np.log(magnitude + (FLOOR * magnitude.max() + TINY)))
        spectrum = np.empty(self._frames.bins, np.complex128)
        np.multiply(magnitude, np.cos(phase), out=spectrum.real)
        np.multiply(magnitude, np.sin(phase), out=spectrum.imag)
        return self._overlap_add.add(np.fft.irfft(spectrum, self._frames.n_fft))

    def _advance(self, level: np.ndarray) -> NDArray[np.float64]:
        """Return the phases (bins,) of the frame whose log magnitude is `level`."""
        growth = level - self._level if self._begun else np.zeros_like(level)
        self._level, self._begun = level, True
        left, middle, right = level[:-2], level[1:-1], level[2:]
        peaks = np.flatnonzero((middle > left) & (middle >= right)) + 1
        if not peaks.size:
            return self._phase
        advanced = self._phase[peaks] + self._bin_advance * (peaks + off_bin((right - left)[peaks - 1]))
        # Between two peaks there is one valley: it begins the later peak's bins.
        owner = np.zeros(self._frames.bins, np.int64)
        owner[np.flatnonzero((middle <= left) & (middle < right)) + 1] = 1
        owner[: peaks[0] + 1] = 0
        owner = np.minimum(np.cumsum(owner), peaks.size - 1)
        step = self._to_radians * growth - np.pi  # a frame's time begins n_fft / 2 before its centre: pi a bin
        path = np.empty(self._frames.bins)
        path[0] = 0
        np.cumsum((step[1:] + step[:-1]) / 2, out=path[1:])
        self._phase = ((advanced - path[peaks])[owner] + path) % (2 * np.pi)
        return self._phase

    def reset(self) -> None:
        """Forget everything."""
        self._overlap_add.reset()
        self._phase[:] = 0
        self._begun = False


def off_bin(slope: np.ndarray) -> NDArray[np.float64]:
    """Return how many bins above a peak's bin its sinusoid lies, from log magnitude one bin above less one bin below.

    Exact for a Hann window, whose transform gives the ratio (1 + d)(2 + d) / (1 - d)(2 - d).
    """
    odd = np.tanh(slope / 2)
    return np.clip(4 * odd / (3 + np.sqrt(9 - 8 * odd**2)), -0.5, 0.5)
