"""From samples to spectra on a logarithmic frequency axis: what the transcriber network eats. It sits in the graph.

Three magnitudes per bin, from a short, a middle and a long window that all end at the newest sample: the short one
knows when, the long one knows which pitch. Called by `network`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from models.layers.spectrum import CausalSpectrum
from models.transcriber.config import LOWEST_PITCH, TranscriberConfig

GAIN = 2e4  # log1p(GAIN * magnitude): bends at -86 dB, so that digital silence and faint noise are both near 0
SCALE = 0.25  # brings the features to about 0..2


class LogFrequencySpectrum(nn.Module):
    """Audio -> (…, windows, bins), 0 in silence."""

    def __init__(self, config: TranscriberConfig) -> None:
        super().__init__()
        self.hop, self.longest = config.hop, max(config.windows)
        self.spectra = nn.ModuleList(
            CausalSpectrum(size, config.hop, fall) for size, fall in zip(config.windows, config.falls, strict=True)
        )
        for number, size in enumerate(config.windows):
            taps, weights = _pooling(config, size)
            self.register_buffer(f"taps{number}", torch.from_numpy(taps), persistent=False)
            self.register_buffer(f"weights{number}", torch.from_numpy(weights), persistent=False)
            self.register_buffer(
                f"matrix{number}", torch.from_numpy(_dense(taps, weights, size // 2)), persistent=False
            )

    def forward(self, audio: Tensor) -> Tensor:
        """(batch, samples) -> (batch, windows, frames, bins), whole hops only."""
        pooled = [spectrum(audio) @ getattr(self, f"matrix{number}") for number, spectrum in enumerate(self.spectra)]
        return SCALE * torch.log1p(GAIN * torch.stack(pooled, 1))

    def initial_state(self, batch: int) -> Tensor:
        """(batch, longest window - hop) samples of silence."""
        return torch.zeros(batch, self.longest - self.hop)

    def step(self, audio: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, hop) and the state -> (batch, windows, bins) and the new state."""
        heard = torch.cat([state, audio], 1)
        pooled = []
        for number, spectrum in enumerate(self.spectra):
            magnitude = spectrum.step(heard[:, self.longest - spectrum.size :])
            taps, weights = getattr(self, f"taps{number}"), getattr(self, f"weights{number}")
            gathered = torch.index_select(magnitude, 1, taps.reshape(-1)).reshape(-1, *taps.shape)
            pooled.append((gathered * weights).sum(-1))
        return SCALE * torch.log1p(GAIN * torch.stack(pooled, 1)), heard[:, self.hop :]


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
