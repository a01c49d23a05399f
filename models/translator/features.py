"""From samples to a variable-Q spectrum of bounded windows: what the translator hears. It sits in the graph.

A bin is asked of every window that can tell something there: 128 ms for the low notes, down to 16 ms for what is high and soon.
Called by `network`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from models.layers.spectrum import CausalSpectrum, JointSpectra
from models.translator.config import LOWEST_PITCH, TranslatorConfig

GAIN = 2e4  # log1p(GAIN * magnitude) bends at -86 dB: silence and faint noise are both near 0
SCALE = 0.25  # brings the features to about 0..2


class VariableQ(nn.Module):
    """Audio -> (…, windows, bins), 0 in silence and where a window is not asked."""

    def __init__(self, config: TranslatorConfig) -> None:
        super().__init__()
        self.hop, self.longest, self.shape = config.hop, max(config.windows), (len(config.windows), config.bins)
        self.spectra = nn.ModuleList(
            CausalSpectrum(n, fall) for n, fall in zip(config.windows, config.falls, strict=True)
        )
        self.joint = JointSpectra(list(self.spectra))
        pooled = [_pooling(config, size, ends) for size, ends in zip(config.windows, config.reach_hz, strict=True)]
        width = max(near.shape[1] for near, _ in pooled)
        taps, weights = [], []
        for number, ((near, weight), places) in enumerate(zip(pooled, self.joint.places, strict=True)):
            matrix = np.zeros((len(places), config.bins), np.float32)
            np.add.at(matrix, (near, np.arange(config.bins)[:, None]), weight)
            self._constant(f"matrix{number}", torch.from_numpy(matrix))
            wider = ((0, 0), (0, width - near.shape[1]))
            taps.append(np.pad(places[near], wider))
            weights.append(np.pad(weight, wider))
        self._constant("taps", torch.from_numpy(np.stack(taps, 0).transpose(2, 0, 1).reshape(-1).astype(np.int64)))
        self._constant(
            "weights", torch.from_numpy(np.stack(weights, 0).transpose(2, 0, 1).copy())
        )  # (taps, windows, bins)

    def _constant(self, name: str, values: Tensor) -> None:
        self.register_buffer(name, values, persistent=False)

    def forward(self, audio: Tensor, every: int) -> Tensor:
        """(batch, samples) -> (batch, windows, frames, bins), a frame after every so many samples."""
        pooled = [s(audio, every) @ getattr(self, f"matrix{number}") for number, s in enumerate(self.spectra)]
        return SCALE * torch.log1p(GAIN * torch.stack(pooled, 1))

    def initial_state(self, batch: int) -> Tensor:
        """(batch, longest window - hop) samples of silence."""
        return torch.zeros(batch, self.longest - self.hop)

    def step(self, audio: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, hop) and the state -> (batch, windows, bins) and the new state."""
        heard = torch.cat([state, audio], 1)
        magnitude = self.joint(heard)
        tapped = torch.gather(magnitude, 1, self.taps.expand(magnitude.shape[0], -1))
        pooled = (tapped.reshape(-1, *self.weights.shape) * self.weights).sum(1)
        return SCALE * torch.log1p(GAIN * pooled), heard[:, self.hop :]


def _pooling(config: TranslatorConfig, size: int, ends: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Return taps (bins, most) into a window's magnitudes and their weights, which sum to 1, or to 0 beyond the window's `ends`.

    A bin is a triangle as wide as its neighbours' distance, and never narrower than one Fourier bin either side.
    """
    frequency = 440 * 2 ** ((LOWEST_PITCH - 69 + np.arange(config.bins) / config.bins_per_semitone) / 12)
    asked = (frequency >= ends[0]) & (frequency <= ends[1])
    centre = frequency * size / config.sample_rate
    reach = np.maximum(1.0, centre * (2 ** (1 / (12 * config.bins_per_semitone)) - 1))
    first = np.maximum(0, np.floor(centre - reach).astype(int))
    most = int(np.max((np.ceil(centre + reach) - first)[asked])) + 1
    taps = np.minimum(first[:, None] + np.arange(most), size // 2 - 1)
    weights = np.maximum(0, 1 - np.abs(first[:, None] + np.arange(most) - centre[:, None]) / reach[:, None])
    weights *= asked[:, None] / weights.sum(1, keepdims=True).clip(1e-9)
    return taps.astype(np.int64), weights.astype(np.float32)
