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

    def depth(self, power: Tensor, floor: Tensor) -> Tensor:
        """Power (..., bins) -> the mean level in dB of a band's bins (..., bands), of the first bank."""
        bank = self.bank0 / self.bank0.sum(1, keepdim=True)
        return (10 * torch.log10(power + floor)) @ bank.t()


def heard_power(partials: Tensor, noise: Tensor, config: PerformerConfig) -> Tensor:
    """Powers (batch, frames, bins) of partials and noise at a frame's middle -> the power that a whole window hears of them.

    What a window sees is its neighbours' too: of partials the weighted mean of amplitudes, whose phases go on; of noise that of
    powers. So the network may say how loud it is now, and not how loud it is within the 64 ms around.
    """
    reach = config.n_fft // config.hop // 2 - 1
    window = torch.hann_window(config.n_fft)[config.n_fft // 2 + config.hop * torch.arange(-reach, reach + 1)]
    amplitude = _over_frames(torch.sqrt(partials + 1e-14), window / window.sum())
    return amplitude.square() + _over_frames(noise, window.square() / window.square().sum())


def _over_frames(values: Tensor, weights: Tensor) -> Tensor:
    reach = len(weights) // 2
    padded = torch.cat([values[:, :1].expand(-1, reach, -1), values, values[:, -1:].expand(-1, reach, -1)], 1)
    parts = (weight * padded[:, i : i + values.shape[1]] for i, weight in enumerate(weights.tolist()))
    return sum(parts)  # type: ignore[return-value]


def recorded_power(audio: Tensor, config: PerformerConfig) -> Tensor:
    """Samples (batch, samples) -> power (batch, frames, bins), frame k from sample k * hop on; a sinusoid of amplitude 1 is 1."""
    frames = audio.unfold(-1, config.n_fft, config.hop)
    window = torch.hann_window(config.n_fft)
    return (torch.fft.rfft(frames * window) * (4 / config.n_fft)).abs().square()
