"""Onsets and Frames (Hawthorne et al. 2018), the piano transcriber that begins the audio encoder: a log mel spectrum -> onsets, frames and
velocities of 88 keys. Called by `network`."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.arranger.published.config import BANDS, KEYS, PublishedConfig
from models.arranger.published.corrections import Corrections


class Convolutions(nn.Module):
    """Three convolutions that leave a quarter of the bands, and a linear layer over what is left of each frame."""

    def __init__(self, size: int, bands: int) -> None:
        super().__init__()
        narrow, wide = size // 16, size // 8
        self.convolutions = nn.Sequential(
            nn.Conv2d(1, narrow, 3, padding=1), nn.BatchNorm2d(narrow), nn.ReLU(),
            nn.Conv2d(narrow, narrow, 3, padding=1), nn.BatchNorm2d(narrow), nn.ReLU(), nn.MaxPool2d((1, 2)), nn.Dropout(0.25),
            nn.Conv2d(narrow, wide, 3, padding=1), nn.BatchNorm2d(wide), nn.ReLU(), nn.MaxPool2d((1, 2)), nn.Dropout(0.25),
        )  # fmt: skip
        self.linear = nn.Sequential(nn.Linear(wide * (bands // 4), size), nn.Dropout(0.5))

    def forward(self, spectrum: Tensor) -> Tensor:
        """(batch, frames, bands) -> (batch, frames, size)."""
        x = self.convolutions(spectrum[:, None])  # (batch, wide, frames, bands // 4)
        return self.linear(x.transpose(1, 2).flatten(2))


class Recurrent(nn.Module):
    """A two-way LSTM and a linear layer to the keys."""

    def __init__(self, inputs: int, size: int) -> None:
        super().__init__()
        self.unit, self.linear = nn.LSTM(inputs, size // 2, batch_first=True, bidirectional=True), nn.Linear(size, KEYS)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, frames, inputs) -> (batch, frames, KEYS) before the sigmoid."""
        return self.linear(self.unit(x)[0])


class Transcriber(nn.Module):
    """Four stacks over the spectrum; frames are decided from three of them together."""

    def __init__(self, config: PublishedConfig, corrections: Corrections, bands: int = BANDS) -> None:
        super().__init__()
        size, self.still_offsets = config.transcriber, corrections.still_offsets
        self.onset = nn.Sequential(Convolutions(size, bands), Recurrent(size, size))
        self.offset = nn.Sequential(Convolutions(size, bands), Recurrent(size, size))
        self.frame = nn.Sequential(Convolutions(size, bands), nn.Linear(size, KEYS))
        self.combined = Recurrent(3 * KEYS, size)
        self.velocity = nn.Sequential(Convolutions(size, bands), nn.Linear(size, KEYS))

    def train(self, mode: bool = True) -> Transcriber:
        """As torch's, but the offset stack, which gets no gradient, stays as it is."""
        super().train(mode)
        if self.still_offsets:
            self.offset.eval()
        return self

    def forward(self, spectrum: Tensor) -> Tensor:
        """(batch, bands, frames) -> (batch, 3, frames, KEYS): onsets and frames 0..1, velocities without bounds."""
        x = spectrum.transpose(1, 2)
        onset, frame = torch.sigmoid(self.onset(x)), torch.sigmoid(self.frame(x))
        with torch.no_grad():
            offset = torch.sigmoid(self.offset(x))
        combined = torch.sigmoid(self.combined(torch.cat([onset.detach(), offset, frame], -1)))
        return torch.stack([onset, combined, self.velocity(x)], 1)
