"""How far a spectrum is from a recording's, in decibels over mel bands: the loss in training and the figure of validation."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from models.performer.config import PerformerConfig

MEL = ((64, 30.0, 10000.0), (160, 30.0, 16000.0))  # bands, lowest and highest Hz
FLOOR_DB = 60.0  # under the loudest band of the recording


class MelLevels(nn.Module):
    """Power (..., bins) -> levels in dB (..., bands), of each bank in MEL."""

    def __init__(self, config: PerformerConfig) -> None:
        super().__init__()
        import librosa

        for index, (bands, lowest, highest) in enumerate(MEL):
            highest = min(highest, config.sample_rate / 2)
            bank = librosa.filters.mel(
                sr=config.sample_rate, n_fft=config.n_fft, n_mels=bands, fmin=lowest, fmax=highest, norm=None
            )
            bank = bank[bank.sum(1) > 0]  # the lowest may lie between two bins
            self.register_buffer(f"bank{index}", torch.from_numpy(bank.astype(np.float32)))

    def forward(self, power: Tensor, floor: Tensor) -> list[Tensor]:
        """floor: power (batch, 1, 1) that nothing lies below."""
        banks = [getattr(self, f"bank{index}") for index in range(len(MEL))]
        return [10 * torch.log10(power @ bank.t() + floor) for bank in banks]


def recorded_power(audio: Tensor, config: PerformerConfig) -> Tensor:
    """Samples (batch, samples) -> power (batch, frames, bins), frame k from sample k * hop on; a sinusoid of amplitude 1 is 1."""
    frames = audio.unfold(-1, config.n_fft, config.hop)
    window = torch.hann_window(config.n_fft)
    return (torch.fft.rfft(frames * window) * (4 / config.n_fft)).abs().square()
