"""Right-aligned windows of the newest samples, and their magnitude spectra.

`CausalSpectrum` uses the library's FFT over a whole signal. `JointSpectra` computes one hop of several windows at once as
two small matrix products with a twiddle between them (Cooley-Tukey, size = columns x block), because that runs fast
everywhere a network runs and its constants stay small: a dense transform of 4096 samples would need 67 MB.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

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
    """Magnitudes of a window that ends at the newest sample; a full-scale sine has magnitude 1."""

    def __init__(self, size: int, fall: int) -> None:
        super().__init__()
        self.size = size
        window = asymmetric_window(size, fall)
        self.register_buffer("window", torch.from_numpy(window * 2 / window.sum()), persistent=False)

    def forward(self, audio: Tensor, hop: int) -> Tensor:
        """(batch, samples) -> (batch, frames, size // 2): frame t ends with hop t; silence before the first."""
        padded = functional.pad(audio, (self.size - hop, 0))
        windows = padded.unfold(1, self.size, hop) * self.window  # (batch, frames, size)
        return torch.fft.rfft(windows)[..., : self.size // 2].abs()


class JointSpectra(nn.Module):
    """The same magnitudes, of the same windows, for the newest samples alone.

    Sample n = block * j + i of a window lies in row j, bin k = columns * q + p: transform over j, twiddle by p and i,
    transform over i. Since samples are real, p up to half the columns tells all. The windows' rows and their p stand
    one below the other, so that all windows share each product.
    """

    def __init__(self, spectra: Sequence[CausalSpectrum]) -> None:
        super().__init__()
        longest, shortest = (pick(spectrum.size for spectrum in spectra) for pick in (max, min))
        self.block = min(2 ** (int(math.log2(longest)) // 2), shortest // 2)
        i, q = np.arange(self.block), np.arange(self.block)
        rows, windows, inner, twiddle, self.places = [], [], [], [], []
        before = 0
        for spectrum in spectra:
            columns = spectrum.size // self.block
            j, p = np.arange(columns), np.arange(columns // 2 + 1)
            rows.append(longest // self.block - columns + j)
            windows.append(spectrum.window.numpy().reshape(columns, self.block))
            inner.append(-2 * np.pi * np.outer(p, j) / columns)
            twiddle.append(-2 * np.pi * np.outer(p, i) / spectrum.size)
            bins = np.arange(spectrum.size // 2)
            mirrored = bins % columns > columns // 2
            bins = np.where(mirrored, spectrum.size - bins, bins)
            self.places.append((before + bins % columns) * self.block + bins // columns)
            before += len(p)
        self.size = before * self.block
        self.register_buffer("rows", torch.from_numpy(np.concatenate(rows)), persistent=False)
        self._constant("window", np.concatenate(windows))  # (rows, i)
        self._constant("inner", np.concatenate([_side_by_side(inner, np.cos), _side_by_side(inner, np.sin)]))
        self._constant("twiddle_real", np.cos(np.concatenate(twiddle)))  # (p, i)
        self._constant("twiddle_imaginary", np.sin(np.concatenate(twiddle)))
        outer = -2 * np.pi * np.outer(i, q) / self.block
        real, imaginary = np.cos(outer), np.sin(outer)
        self._constant("outer", np.block([[real, imaginary], [-imaginary, real]]))  # (real and imaginary i, … q)

    def _constant(self, name: str, values: np.ndarray) -> None:
        self.register_buffer(name, torch.tensor(values, dtype=torch.float32), persistent=False)

    def forward(self, heard: Tensor) -> Tensor:
        """(batch, longest window), the newest samples -> (batch, `size`) magnitudes; `places` tell a window's bins."""
        grid = heard.unflatten(1, (-1, self.block))
        windows = torch.index_select(grid, 1, self.rows) * self.window
        real, imaginary = (self.inner @ windows).chunk(2, 1)  # (batch, p, i)
        turned_real = real * self.twiddle_real - imaginary * self.twiddle_imaginary
        turned_imaginary = real * self.twiddle_imaginary + imaginary * self.twiddle_real
        both = torch.cat([turned_real, turned_imaginary], 2) @ self.outer  # (batch, p, real and imaginary q)
        real, imaginary = (both * both).chunk(2, 2)
        return torch.sqrt(real + imaginary).flatten(1)


def _side_by_side(angles: Sequence[np.ndarray], part: np.ufunc) -> np.ndarray:
    """Return one matrix with the cosines or sines of `angles` along its diagonal and zeros elsewhere."""
    matrix = np.zeros((sum(len(a) for a in angles), sum(a.shape[1] for a in angles)))
    row = column = 0
    for block in angles:
        matrix[row : row + len(block), column : column + block.shape[1]] = part(block)
        row, column = row + len(block), column + block.shape[1]
    return matrix
