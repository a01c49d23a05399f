"""The clock of a spectrogram: frame k covers the samples from k * hop to k * hop + n_fft, and nothing is centred or padded.

`Frames` is what every method shares; `OverlapAdd` is the only place where frames become samples in a stream.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

LEAST_SHARE = 0.05  # of a full overlap: where fewer windows than that lie on a sample, a stream fades in
LOUDEST = 1e6  # a magnitude above this is no sound: 32 bits of float would overflow later


@dataclass(frozen=True)
class Frames:
    """Transform size and hop in samples, with periodic Hann windows on both sides."""

    n_fft: int = 2048
    hop: int = 256

    def __post_init__(self) -> None:
        """Raise ValueError where windows would not overlap evenly."""
        if self.n_fft < 16 or self.n_fft % 2:
            raise ValueError(f"n_fft is {self.n_fft}; allowed: even, 16 or more")
        if self.hop < 1 or self.n_fft % (2 * self.hop):
            raise ValueError(f"hop is {self.hop}; allowed with n_fft {self.n_fft}: what divides {self.n_fft // 2}")

    @property
    def bins(self) -> int:
        """How many frequencies a frame has."""
        return self.n_fft // 2 + 1

    @property
    def overlap(self) -> int:
        """How many frames lie on a sample."""
        return self.n_fft // self.hop

    @cached_property
    def window(self) -> NDArray[np.float64]:
        """Return the periodic Hann window (n_fft,), symmetrical about sample n_fft / 2."""
        return hann(self.n_fft)

    @cached_property
    def power(self) -> NDArray[np.float64]:
        """Return the sum (hop,) of squared windows on each sample of a hop, all frames there."""
        return np.sum(self.window.reshape(-1, self.hop) ** 2, axis=0)

    def count(self, samples: int) -> int:
        """Return how many whole frames lie in that many samples."""
        return max(0, 1 + (samples - self.n_fft) // self.hop)

    def length(self, frames: int) -> int:
        """Return how many samples that many frames cover."""
        return (frames - 1) * self.hop + self.n_fft if frames else 0

    def analyse(self, samples: np.ndarray) -> NDArray[np.complex128]:
        """Return the windowed spectra (frames, bins) of samples (n,)."""
        places = range(self.count(len(samples)))
        if not places:
            return np.zeros((0, self.bins), np.complex128)
        spans = np.lib.stride_tricks.sliding_window_view(samples, self.n_fft)[:: self.hop]
        return np.fft.rfft(spans * self.window)

    def synthesise(self, spectra: np.ndarray) -> NDArray[np.float64]:
        """Return the samples (n,) whose spectra are nearest to `spectra` (frames, bins), in least squares."""
        count = len(spectra)
        samples, weight = np.zeros(self.length(count)), np.zeros(self.length(count))
        parts = np.fft.irfft(spectra, self.n_fft) * self.window
        square = self.window**2
        for k, span in enumerate(self._spans(count)):
            samples[span] += parts[k]
            weight[span] += square
        return samples / np.maximum(weight, LEAST_SHARE * np.resize(self.power, len(weight)))

    def accept(self, magnitude: np.ndarray | None) -> NDArray[np.float64]:
        """Return a magnitude (bins,) that can be trusted: not a number and negative are 0, too loud is cut.

        Raises ValueError where it is missing or of another shape.
        """
        if magnitude is None or np.shape(magnitude) != (self.bins,):
            shape = "missing" if magnitude is None else f"of shape {np.shape(magnitude)}"
            raise ValueError(f"the magnitude is {shape}; allowed: ({self.bins},)")
        return np.clip(np.nan_to_num(np.asarray(magnitude, np.float64), nan=0.0), 0.0, LOUDEST)

    def _spans(self, count: int) -> Iterator[slice]:
        return (slice(k * self.hop, k * self.hop + self.n_fft) for k in range(count))


class OverlapAdd:
    """Adds windowed frames, in order, and hands out each hop that no later frame reaches.

    reach: samples on each side of a frame's centre that it contributes to, a multiple of hop; the whole frame unless
    told otherwise. A short reach resolves more in time; it is right only for frames that are what they say all over.
    A frame before the first counts as absent, not as silent: a steady sound has its level from about the second hop.
    """

    def __init__(self, frames: Frames, reach: int | None = None) -> None:
        reach = frames.n_fft // 2 if reach is None else reach
        if not frames.hop <= reach <= frames.n_fft // 2 or reach % frames.hop:
            raise ValueError(f"reach is {reach}; allowed: multiples of {frames.hop} up to {frames.n_fft // 2}")
        self.hop, self.first = frames.hop, frames.n_fft // 2 - reach
        self._span = slice(self.first, self.first + 2 * reach)
        whole = reach == frames.n_fft // 2
        share = frames.window**2 if whole else hann(2 * reach)  # what a frame contributes, both windows together
        self._window = frames.window if whole else share / frames.window[self._span]
        ages = share.reshape(-1, self.hop)  # of a sample's frames, the newest first
        full, partial = ages.sum(axis=0), np.cumsum(ages, axis=0)
        self._gains = 1 / np.maximum(partial, LEAST_SHARE * full)
        self._sum = np.zeros(2 * reach)
        self._seen = 0

    def add(self, frame: np.ndarray) -> NDArray[np.float32]:
        """Add a frame (n_fft,) that carries the analysis window; return the hop (hop,) that begins `first` after it."""
        self._sum += frame[self._span] * self._window
        done = (self._sum[: self.hop] * self._gains[self._seen]).astype(np.float32)
        self._sum[: -self.hop] = self._sum[self.hop :]
        self._sum[-self.hop :] = 0
        self._seen = min(self._seen + 1, len(self._gains) - 1)
        return done

    def reset(self) -> None:
        """Forget all frames."""
        self._sum[:] = 0
        self._seen = 0


def hann(length: int) -> NDArray[np.float64]:
    """Return a periodic Hann window (length,)."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
