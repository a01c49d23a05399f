"""From samples to spectra on a logarithmic frequency axis: what the transcriber network eats. It sits in the graph.

A magnitude for every bin and window. All windows end at the newest sample: the shortest knows when, the longest knows
which pitch. Called by `network`.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from models.layers.spectrum import CausalSpectrum, JointSpectra
from models.transcriber.config import LOWEST_PITCH, TranscriberConfig
from models.transcriber.tuning import TUNING_TAPS

GAIN = 2e4  # log1p(GAIN * magnitude): bends at -86 dB, so that digital silence and faint noise are both near 0
TAP_GROUPS = (2, 10, 33, 80)
"""`step` gathers the Fourier bins of a logarithmic one in groups of as many: one group would be 77 wide, nearly all zeros."""
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
        self.joint = JointSpectra(list(self.spectra))
        taps, weights = [], []  # of every window's bins, one below the other
        for number, (size, places) in enumerate(zip(config.windows, self.joint.places, strict=True)):
            near, weight = _pooling(config, size)
            self._constant(f"matrix{number}", torch.from_numpy(_dense(near, weight, size // 2)))
            taps.append(_widened(places[near], WIDEST))
            weights.append(_widened(weight, WIDEST))
        self.groups, order, near, weight = _grouped(np.concatenate(taps), np.concatenate(weights))
        self._constant("taps", torch.from_numpy(near))
        self._constant("weights", torch.from_numpy(weight))
        place = np.argsort(order).reshape(len(config.windows), config.bins)
        around = np.arange(config.bins) + np.arange(TUNING_TAPS)[:, None] - TUNING_TAPS // 2
        around = place[:, np.clip(around, 0, config.bins - 1)].transpose(1, 0, 2).reshape(-1)
        self._constant("order", torch.from_numpy(around))
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
        magnitude = self.joint(heard)
        tapped = (_gathered(magnitude, self.taps) * self.weights).split([w * n for w, n in self.groups], 1)
        pooled = [part.unflatten(1, group).sum(1) for part, group in zip(tapped, self.groups, strict=True)]
        around = _gathered(torch.cat(pooled, 1), self.order).unflatten(1, (TUNING_TAPS, -1))
        tuned = (tuning.unsqueeze(1) @ around).reshape(-1, *self.shape)
        return SCALE * torch.log1p(GAIN * tuned), heard[:, self.hop :]


def _gathered(values: Tensor, places: Tensor) -> Tensor:
    """(batch, n) and places (m,) -> (batch, m)."""
    return torch.gather(values, 1, places.expand(values.shape[0], -1))  # of single values much faster than index_select


def _grouped(taps: np.ndarray, weights: np.ndarray) -> tuple[list[tuple[int, int]], np.ndarray, np.ndarray, np.ndarray]:
    """Lay taps and weights (bins, WIDEST) out in groups, each as wide as its bins need it.

    Return the groups' shapes (taps, bins), the bins in the order of the groups, and all taps and weights in a row.
    """
    shapes, order = [], []
    parts: tuple[list[np.ndarray], list[np.ndarray]] = [], []
    counts = (weights > 0).sum(1)
    for fewer, most in pairwise((0, *TAP_GROUPS)):
        chosen = np.flatnonzero((counts > fewer) & (counts <= most))
        nearest = np.argsort(weights[chosen] <= 0, axis=1, kind="stable")[:, :most]  # what counts, first
        for part, values in zip(parts, (taps, weights), strict=True):
            part.append(np.take_along_axis(values[chosen], nearest, 1).T.reshape(-1))
        shapes.append((most, len(chosen)))
        order.append(chosen)
    return shapes, np.concatenate(order), np.concatenate(parts[0]), np.concatenate(parts[1])


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
