"""What is known of a segment becomes latents: what the transcriber heard, the chords, and notes of a score. Called by `network`."""

from __future__ import annotations

from torch import Tensor, nn

from models.arranger.published.config import KEYS, PITCHES, PublishedConfig
from models.arranger.published.recurrence import Gaussian, Summary, ToGaussian


class FrameEncoder(nn.Module):
    """Onsets, frames and velocities -> the audio-texture latent."""

    def __init__(self, config: PublishedConfig, dimensions: int) -> None:
        super().__init__()
        self.convolution = nn.Sequential(
            nn.Conv2d(3, config.frame_channels, (4, 12), stride=(2, 1), padding=(0, 1)), nn.ReLU(), nn.MaxPool2d(2)
        )
        places = (KEYS + 2 - 12 + 1) // 2
        self.summary = Summary(config.frame_channels * places, config.frame_hidden)
        self.latent = ToGaussian(2 * config.frame_hidden, dimensions)

    def forward(self, heard: Tensor) -> Gaussian:
        """(batch, 3, frames, KEYS) -> Gaussian of (batch, dimensions)."""
        x = self.convolution(heard)  # (batch, channels, frames / 4, KEYS / 2)
        return self.latent(self.summary(x.transpose(1, 2).flatten(2)))


class ChordEncoder(nn.Module):
    """Chords of the beats -> the chord latent."""

    def __init__(self, config: PublishedConfig, dimensions: int, chord_size: int) -> None:
        super().__init__()
        self.summary = Summary(chord_size, config.chord_hidden)
        self.latent = ToGaussian(2 * config.chord_hidden, dimensions)

    def forward(self, chords: Tensor) -> Gaussian:
        """(batch, BEATS, chord_size) -> Gaussian of (batch, dimensions)."""
        return self.latent(self.summary(chords))


class SymbolEncoder(nn.Module):
    """A piano roll, its cells steps that a note lasts -> the symbolic-texture latent."""

    def __init__(self, config: PublishedConfig, dimensions: int) -> None:
        super().__init__()
        self.convolution = nn.Sequential(
            nn.Conv2d(1, config.symbol_channels, (4, 12), stride=(4, 1)), nn.ReLU(), nn.MaxPool2d((1, 4))
        )
        places = (PITCHES - 12 + 1) // 4
        self.inner = nn.Linear(config.symbol_channels * places, config.symbol_inner)
        self.embedding = nn.Linear(config.symbol_inner, config.symbol_embedding)
        self.summary = Summary(config.symbol_embedding, config.symbol_hidden)
        self.latent = ToGaussian(2 * config.symbol_hidden, dimensions)

    def forward(self, roll: Tensor) -> Gaussian:
        """(batch, STEPS, PITCHES) -> Gaussian of (batch, dimensions)."""
        x = self.convolution(roll[:, None])  # (batch, channels, BEATS, places)
        x = self.embedding(self.inner(x.transpose(1, 2).flatten(2)))
        return self.latent(self.summary(x))
