"""Right-aligned windows of the newest samples, and their magnitude spectra.

`forward` uses the library's FFT over a whole signal. `step` computes the same transform as two small matrix products
with a twiddle between them (Cooley-Tukey, size = rows x columns), because that runs fast everywhere a network runs and
its constants stay small: a dense transform of 4096 samples would need 67 MB.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional


def asymmetric_window(size: int, fall: int) -> np.ndarray:
    """Return (size,) float32: a long rise and a short fall of half Hann windows; the newest samples count early."""
    rise = 0.5 - 0.5 * np.cos(np.pi * (np.arange(size - fall) + 0.5) / (size - fall))
    drop = 0.5 + 0.5 * np.cos(np.pi * (np.arange(fall) + 0.5) / fall)
    return np.concatenate([rise, drop]).astype(np.float32)


class CausalSpectrum(nn.Module):
    """Magnitudes of a window that ends at the newest sample; a full-scale sine has magnitude 1.

    The state, (batch, size - hop) samples, is the audio before the hop; a caller may keep more and pass its newest part.
    """

    def __init__(self, size: int, fall: int) -> None:
        super().__init__()
        self.size = size
        self.columns = 2 ** (int(math.log2(size)) // 2)
        self.rows = size // self.columns
        window = asymmetric_window(size, fall)
        self._constant("window", window * 2 / window.sum())
        # sample n = columns * i + j, bin k = rows * q + p: transform over i, twiddle by p and j, transform over j
        i, p = np.arange(self.rows), np.arange(self.rows)
        j, q = np.arange(self.columns), np.arange(self.columns // 2)
        inner = -2 * np.pi * np.outer(p, i) / self.rows
        twiddle = -2 * np.pi * np.outer(p, j) / size
        outer = -2 * np.pi * np.outer(j, q) / self.columns
        self._constant("inner", np.concatenate([np.cos(inner), np.sin(inner)]))  # (real and imaginary p, i)
        self._constant("twiddle_real", np.cos(twiddle))
        self._constant("twiddle_imaginary", np.sin(twiddle))
        real, imaginary = np.cos(outer), np.sin(outer)
        self._constant("outer", np.block([[real, imaginary], [-imaginary, real]]))  # (real and imaginary j, … q)

    def _constant(self, name: str, values: np.ndarray) -> None:
        self.register_buffer(name, torch.tensor(values, dtype=torch.float32), persistent=False)

    def forward(self, audio: Tensor, hop: int) -> Tensor:
        """(batch, samples) -> (batch, frames, size // 2): frame t ends with hop t; silence before the first."""
        padded = functional.pad(audio, (self.size - hop, 0))
        windows = padded.unfold(1, self.size, hop) * self.window  # (batch, frames, size)
        return torch.fft.rfft(windows)[..., : self.size // 2].abs()

    @property
    def places(self) -> np.ndarray:
        """(size // 2,) where `step` puts each bin."""
        bins = np.arange(self.size // 2)
        return bins % self.rows * (self.columns // 2) + bins // self.rows

    def step(self, window: Tensor) -> Tensor:
        """(batch, size), the newest samples -> (batch, size // 2) squared magnitudes, in the order of `places`."""
        grid = (window * self.window).reshape(-1, self.rows, self.columns)  # (batch, i, j)
        real, imaginary = (self.inner @ grid).chunk(2, 1)  # (batch, p, j)
        turned_real = real * self.twiddle_real - imaginary * self.twiddle_imaginary
        turned_imaginary = real * self.twiddle_imaginary + imaginary * self.twiddle_real
        both = torch.cat([turned_real, turned_imaginary], 2) @ self.outer  # (batch, p, real and imaginary q)
        real, imaginary = (both * both).chunk(2, 2)
        return (real + imaginary).reshape(-1, self.size // 2)
