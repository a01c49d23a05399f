"""The latent space and its symbolic side: symbols -> a place in it, a place -> symbols. Both networks use the same weights.

A place is a normal distribution with a diagonal covariance. Symbols may be soft: shares of several instruments or dynamics.
Silence is no symbol at all. Dynamics have dimensions of their own: a listener that could see pitch and dynamics in one would
learn which of them it was ever shown together.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.translator.config import GROUPS, SYMBOLS, TranslatorConfig

LEAST, MOST = -6.0, 2.0  # of a log variance
DYNAMICS = GROUPS["dynamics"]


class SymbolEncoder(nn.Module):
    """(…, SYMBOLS) -> mean and log variance (…, latent)."""

    def __init__(self, config: TranslatorConfig) -> None:
        super().__init__()
        self.into = nn.Linear(SYMBOLS - DYNAMICS, config.symbol_channels)
        self.hidden = nn.Linear(config.symbol_channels, config.symbol_channels)
        self.place = nn.Linear(config.symbol_channels, 2 * (config.latent - config.loudness))
        self.loudness = nn.Linear(DYNAMICS, 2 * config.loudness)

    def forward(self, symbols: Tensor) -> tuple[Tensor, Tensor]:
        who, how = symbols.split([SYMBOLS - DYNAMICS, DYNAMICS], -1)
        hidden = torch.relu(self.into(who))
        hidden = torch.relu(hidden + self.hidden(hidden))
        return side_by_side(bounded(self.place(hidden)), bounded(self.loudness(how)))


class SymbolDecoder(nn.Module):
    """(…, latent) -> logits of the symbols (…, SYMBOLS) and of there being any (…)."""

    def __init__(self, config: TranslatorConfig) -> None:
        super().__init__()
        self.sizes = [config.latent - config.loudness, config.loudness]
        self.into = nn.Linear(config.latent - config.loudness, config.symbol_channels)
        self.hidden = nn.Linear(config.symbol_channels, config.symbol_channels)
        self.said = nn.Linear(config.symbol_channels, SYMBOLS - DYNAMICS + 1)
        self.loudness = nn.Linear(config.loudness, DYNAMICS)  # so that a place can say any probabilities

    def forward(self, place: Tensor) -> tuple[Tensor, Tensor]:
        who, how = place.split(self.sizes, -1)
        said = self.who(who)
        return torch.cat([said[..., :-1], self.loudness(how)], -1), said[..., -1]

    def who(self, place: Tensor) -> Tensor:
        """A place without its loudness -> logits of the symbols but dynamics, and of there being any (…, SYMBOLS - DYNAMICS + 1)."""
        hidden = torch.relu(self.into(place))
        hidden = torch.relu(hidden + self.hidden(hidden))
        return torch.as_tensor(self.said(hidden))

    def probabilities(self, place: Tensor) -> dict[str, Tensor]:
        """Of each group of GROUPS (…, size), and `sounding` (…)."""
        logits, sounding = self(place)
        parts = logits.split(list(GROUPS.values()), -1)
        return {name: part.softmax(-1) for name, part in zip(GROUPS, parts, strict=True)} | {
            "sounding": sounding.sigmoid()
        }


def bounded(place: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log variance, side by side (…, 2 * latent), the latter kept between LEAST and MOST."""
    mean, log_variance = place.chunk(2, -1)
    return mean, LEAST + (MOST - LEAST) * torch.sigmoid(log_variance - 1.5)  # it begins sure


def side_by_side(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and log variance of both."""
    return torch.cat([one[0], other[0]], -1), torch.cat([one[1], other[1]], -1)


def drawn(mean: Tensor, log_variance: Tensor) -> Tensor:
    """A sample of the distribution, through which gradients pass."""
    return mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)


def divergence(
    mean: Tensor, log_variance: Tensor, other_mean: Tensor | float = 0.0, other: Tensor | float = 0.0
) -> Tensor:
    """Kullback-Leibler divergence (…) in nats of a place from another (mean, log variance), the standard normal unless told."""
    other = torch.as_tensor(other)
    square = (mean - other_mean).square() * torch.exp(-other)
    return 0.5 * (other - log_variance + torch.exp(log_variance - other) + square - 1).sum(-1)


def one_hot(symbols: Tensor) -> Tensor:
    """(n, groups) -> (n, SYMBOLS), shares of none where a symbol is unknown."""
    parts = []
    for (_, size), column in zip(GROUPS.items(), symbols.unbind(-1), strict=True):
        parts.append((column.unsqueeze(-1) == torch.arange(size)).float())
    return torch.cat(parts, -1)
