"""From samples to spectra on a logarithmic frequency axis: what the transcriber network eats. It sits in the graph.

Four magnitudes per bin, from windows of 32 to 256 ms that all end at the newest sample: the shortest knows when, the
longest knows which pitch. Called by `network`.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from models.layers.spectrum import CausalSpectrum
from models.transcriber.config import LOWEST_PITCH, TranscriberConfig
from models.transcriber.tuning import TUNING_TAPS

GAIN = 2e4  # log1p(GAIN * magnitude): bends at -86 dB, so that digital silence and faint noise are both near 0
TAP_GROUPS = (3, 6, 14, 32, 96)
"""`step` gathers the Fourier bins of a logarithmic one in groups of as many: one group would be 79 wide, nearly all zeros."""
WIDEST = TAP_GROUPS[-1]
SCALE = 0.25  # brings the features to about 0..2


class LogFrequencySpectrum(nn.Module):
    """Audio -> (…, windows, bins), 0 in silence."""

    def __init__(self, config: TranscriberConfig) -> None:
        super().__init__()
        self.hop, self.longest = config.hop, max(config.windows)
        self.spectra = nn.ModuleList(
            CausalSpectrum(size, fall) for size, fall in zip(config.windows, config.falls, strict=True)
        )
        first, groups = 0, []  # of each window's squared magnitudes, side by side
        for number, (size, spectrum) in enumerate(zip(config.windows, self.spectra, strict=True)):
            taps, weights = _pooling(config, size)
            self._constant(f"matrix{number}", torch.from_numpy(_dense(taps, weights, size // 2)))
            groups.append((first + spectrum.places[taps], weights))
            first += size // 2
        order = []
        taps, weights = (
            np.concatenate([_widened(part, WIDEST) for part in parts]) for parts in zip(*groups, strict=True)
        )
        counts = (weights > 0).sum(1)
        for number, (fewer, most) in enumerate(pairwise((0, *TAP_GROUPS))):
            chosen = np.flatnonzero((counts > fewer) & (counts <= most))
            nearest = np.argsort(weights[chosen] <= 0, axis=1, kind="stable")[:, :most]  # what counts, first
            self._constant(f"taps{number}", torch.from_numpy(np.take_along_axis(taps[chosen], nearest, 1)))
            self._constant(f"weights{number}", torch.from_numpy(np.take_along_axis(weights[chosen], nearest, 1)))
            order.append(chosen)
        place = np.argsort(np.concatenate(order)).reshape(len(config.windows), config.bins)
        around = np.arange(config.bins)[:, None] + np.arange(TUNING_TAPS) - TUNING_TAPS // 2
        self._constant("order", torch.from_numpy(place[:, np.clip(around, 0, config.bins - 1)].reshape(-1)))
        self.shape = len(config.windows), config.bins

    def _constant(self, name: str, values: Tensor) -> None:
        self.register_buffer(name, values, persistent=False)

    def forward(self, audio: Tensor, every: int) -> Tensor:
        """(batch, samples) -> (batch, windows, frames, bins), a frame after every so many samples."""
        pooled = [
            spectrum(audio, every) @ getattr(self, f"matrix{number}") for number, spectrum in enumerate(self.spectra)
        ]
        return SCALE * torch.log1p(GAIN * torch.stack(pooled, 1))

    def initial_state(self, batch: int) -> Tensor:
        """(batch, longest window - hop) samples of silence."""
        return torch.zeros(batch, self.longest - self.hop)

    def step(self, audio: Tensor, tuning: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, hop), `tuning_taps` (batch, taps) and the state -> (batch, windows, bins) and the new state."""
        heard = torch.cat([state, audio], 1)
        squares = [spectrum.step(heard[:, self.longest - spectrum.size :]) for spectrum in self.spectra]
        magnitude = torch.sqrt(torch.cat(squares, 1))
        pooled = []
        for number in range(len(TAP_GROUPS)):
            taps, weights = getattr(self, f"taps{number}"), getattr(self, f"weights{number}")
            gathered = torch.index_select(magnitude, 1, taps.reshape(-1)).reshape(-1, *taps.shape)
            pooled.append((gathered * weights).sum(-1))
        around = torch.index_select(torch.cat(pooled, 1), 1, self.order).reshape(
            -1, self.shape[0] * self.shape[1], TUNING_TAPS
        )
        tuned = (around @ tuning.unsqueeze(2)).reshape(-1, *self.shape)
        return SCALE * torch.log1p(GAIN * tuned), heard[:, self.hop :]


def _pooling(config: TranscriberConfig, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return taps (bins, most) int64 into the magnitudes and their weights (bins, most) float32.

    A log-frequency bin is a triangle as wide as its neighbours' distance, but never narrower than one Fourier bin on
    either side, where it interpolates linearly. Weights sum to 1.
    """
    frequency = 440 * 2 ** ((LOWEST_PITCH - 69 + np.arange(config.bins) / config.bins_per_semitone) / 12)
    centre = frequency * size / config.sample_rate
    reach = np.maximum(1.0, centre * (2 ** (1 / (12 * config.bins_per_semitone)) - 1))
    first = np.maximum(0, np.floor(centre - reach).astype(int))
    most = int(np.max(np.ceil(centre + reach) - first)) + 1
    taps = np.minimum(first[:, None] + np.arange(most), size // 2 - 1)
    weights = np.maximum(0, 1 - np.abs(first[:, None] + np.arange(most) - centre[:, None]) / reach[:, None])
    weights /= weights.sum(1, keepdims=True)
    return taps.astype(np.int64), weights.astype(np.float32)


def _dense(taps: np.ndarray, weights: np.ndarray, magnitudes: int) -> np.ndarray:
    matrix = np.zeros((magnitudes, len(taps)), np.float32)
    np.add.at(matrix, (taps, np.arange(len(taps))[:, None]), weights)
    return matrix


def _widened(rows: np.ndarray, width: int) -> np.ndarray:
    return np.pad(rows, ((0, 0), (0, width - rows.shape[1])))
