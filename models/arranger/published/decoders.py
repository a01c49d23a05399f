"""Latents become chords and symbolic features again, step by step: the two decoders that keep their latents from being ignored.

The notes are `pianotree`'s. Called by `network`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.arranger.published.config import BEATS, FEATURES, STEPS, PublishedConfig
from models.arranger.published.recurrence import step


class ChordDecoder(nn.Module):
    """The chord latent -> root, chroma and bass of every beat."""

    def __init__(self, config: PublishedConfig, dimensions: int, roots: int) -> None:
        super().__init__()
        size, self.roots = 2 * roots + 12, roots
        self.to_hidden = nn.Linear(dimensions, config.chord_decoder)
        self.to_input = nn.Linear(dimensions, config.chord_input)
        self.unit = nn.GRU(size + config.chord_input, config.chord_decoder, batch_first=True)
        self.first = nn.Parameter(torch.rand(size))
        self.root, self.bass = nn.Linear(config.chord_decoder, roots), nn.Linear(config.chord_decoder, roots)
        self.chroma = nn.Linear(config.chord_decoder, 24)

    def forward(self, z: Tensor, chords: Tensor | None = None, taught: list[bool] | None = None) -> tuple[Tensor, ...]:
        """(batch, dimensions), the true chords and after which beats they are told -> logits.

        Returns root (batch, BEATS, roots), chroma (batch, BEATS, 12, 2) and bass (batch, BEATS, roots).
        """
        hidden, given = self.to_hidden(z), self.to_input(z)
        token = self.first.expand(len(z), -1)
        said: list[tuple[Tensor, Tensor, Tensor]] = []
        for beat in range(BEATS):
            hidden = step(self.unit, torch.cat([token, given], -1), hidden)
            said.append((self.root(hidden), self.chroma(hidden).unflatten(-1, (12, 2)), self.bass(hidden)))
            token = chords[:, beat] if chords is not None and taught and taught[beat] else self._token(*said[-1])
        return tuple(torch.stack(parts, 1) for parts in zip(*said, strict=True))

    def _token(self, root: Tensor, chroma: Tensor, bass: Tensor) -> Tensor:
        roots, basses = (functional.one_hot(one.argmax(-1), self.roots).float() for one in (root, bass))
        return torch.cat([roots, chroma.argmax(-1).float(), basses], -1)


class FeatureDecoder(nn.Module):
    """The audio latent -> bass and melody onsets, 0..1, and intensity of every sixteenth."""

    def __init__(self, config: PublishedConfig, dimensions: int) -> None:
        super().__init__()
        self.to_hidden = nn.Linear(dimensions, config.feature_hidden)
        self.to_input = nn.Linear(dimensions, config.feature_input)
        self.unit = nn.GRU(len(FEATURES) + config.feature_input, config.feature_hidden, batch_first=True)
        self.first = nn.Parameter(torch.rand(len(FEATURES)))
        self.linear = nn.Linear(config.feature_hidden, len(FEATURES))

    def forward(self, z: Tensor, features: Tensor | None = None, taught: list[bool] | None = None) -> Tensor:
        """(batch, dimensions), the true features and after which sixteenths they are told -> (batch, STEPS, 3)."""
        hidden, token = self.begin(z)
        said: list[Tensor] = []
        for place in range(STEPS):
            one, hidden, token = self.next(z, hidden, token)
            said.append(one)
            token = features[:, place] if features is not None and taught and taught[place] else token
        return torch.stack(said, 1)

    def begin(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, dimensions) -> the hidden state and the token before the first sixteenth."""
        return self.to_hidden(z), self.first.expand(z.shape[0], -1)

    def next(self, z: Tensor, hidden: Tensor, token: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return a sixteenth's features, (batch, 3), the new hidden state, and the token for the next if it is not told the truth."""
        hidden = step(self.unit, torch.cat([token, self.to_input(z)], -1), hidden)
        bass, intensity, melody = self.linear(hidden).unbind(-1)
        bass, melody = torch.sigmoid(bass), torch.sigmoid(melody)
        own = torch.stack([bass, intensity, (melody > 0.5).to(bass.dtype)], -1)
        return torch.stack([bass, intensity, melody], -1), hidden, own
