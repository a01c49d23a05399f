"""Two variational autoencoders, one of spectra and one of symbols, whose spaces between are made to agree.

Each encoder and decoder is two layers, the second with a path around it. The paper's sizes (`config.ONE`, `TWO`, `THREE`) to
the parameter. Called by `objective`, `training`, `separation`, `listening` and `export`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.layers.checkpoint import read_tensors, write_tensors
from models.translator.published.config import PublishedConfig
from models.translator.published.corrections import Corrections
from models.translator.published.vocabulary import Vocabulary

LEAST_VARIANCE = 1e-3
START_BIAS = 0.01


@dataclass(frozen=True, slots=True)
class Gaussian:
    """A normal distribution without covariances. mean, variance: (batch, dimensions)."""

    mean: Tensor
    variance: Tensor

    def sample(self, corrections: Corrections) -> Tensor:
        """Return a draw that carries gradients; as released the variance is taken for a deviation."""
        spread = self.variance.sqrt() if corrections.one_variance else self.variance
        return self.mean + spread * torch.randn_like(self.mean)

    def __getitem__(self, rows: Tensor) -> Gaussian:
        return Gaussian(self.mean[rows], self.variance[rows])


class TwoLayers(nn.Module):
    """Linear, batch norm and rectifier, twice; around the second leads a path."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.first, self.first_norm = nn.Linear(inputs, hidden), nn.BatchNorm1d(hidden)
        self.second, self.second_norm = nn.Linear(hidden, hidden), nn.BatchNorm1d(hidden)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs) -> (batch, hidden)."""
        x = functional.relu(self.first_norm(self.first(x)))
        return functional.relu(x + self.second_norm(self.second(x)))


class ToGaussian(nn.Module):
    """Two layers, then a mean and a variance below 1: an encoder, or the decoder of spectra."""

    def __init__(self, inputs: int, hidden: int, outputs: int, corrections: Corrections) -> None:
        super().__init__()
        self.layers, self.corrections = TwoLayers(inputs, hidden), corrections
        self.mean, self.spread = nn.Linear(hidden, outputs), nn.Linear(hidden, outputs)

    def forward(self, x: Tensor) -> Gaussian:
        """(batch, inputs) -> Gaussian of (batch, outputs)."""
        x = self.layers(x)
        least = LEAST_VARIANCE if self.corrections.floored_variance else 0.0
        return Gaussian(self.mean(x), least + (1 - least) * torch.sigmoid(self.spread(x)))


class PublishedNetwork(nn.Module):
    """Both autoencoders. `config` gives the sizes, `vocabulary` the symbols; `corrections` travel with them."""

    def __init__(self, config: PublishedConfig, vocabulary: Vocabulary, corrections: Corrections) -> None:
        super().__init__()
        self.config, self.vocabulary, self.corrections = config, vocabulary, corrections
        self.signal_encoder = ToGaussian(config.bands, config.signal, config.latent, corrections)
        self.signal_decoder = ToGaussian(config.latent, config.signal, config.bands, corrections)
        self.symbol_encoder = ToGaussian(vocabulary.size, config.symbol, config.latent, corrections)
        self.symbol_decoder = nn.Sequential(
            TwoLayers(config.latent, config.symbol), nn.Linear(config.symbol, vocabulary.size)
        )
        self.apply(_start)

    @property
    def parameter_counts(self) -> tuple[int, int]:
        """Of the autoencoder of spectra, and of that of symbols."""
        signal, symbol = (
            sum(p.numel() for part in parts for p in part.parameters())
            for parts in ((self.signal_encoder, self.signal_decoder), (self.symbol_encoder, self.symbol_decoder))
        )
        return signal, symbol

    def probabilities(self, latent: Tensor) -> Tensor:
        """(batch, latent) -> (batch, symbols): each categorical group's add up to one."""
        logits = self.symbol_decoder(latent)
        parts = zip(self.vocabulary.groups, self.vocabulary.spans, strict=True)
        return torch.cat([torch.sigmoid(logits[:, s]) if g.several else logits[:, s].softmax(1) for g, s in parts], 1)

    def listen(self, spectra: Tensor) -> Tensor:
        """Signal to symbol: (batch, bands) normalised -> (batch, symbols) probabilities, by way of the latent mean."""
        return self.probabilities(self.signal_encoder(spectra).mean)

    def play(self, symbols: Tensor) -> Tensor:
        """Symbol to signal: (batch, symbols) -> (batch, bands) normalised, by way of the latent mean."""
        return self.signal_decoder(self.symbol_encoder(symbols).mean).mean


class Listen(nn.Module):
    """One direction alone, to be exported: spectra -> probabilities of symbols."""

    def __init__(self, network: PublishedNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, spectra: Tensor) -> Tensor:
        """(frames, bands) -> (frames, symbols)."""
        return self.network.listen(spectra)


class Play(nn.Module):
    """The other: symbols -> spectra."""

    def __init__(self, network: PublishedNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, symbols: Tensor) -> Tensor:
        """(frames, symbols) -> (frames, bands)."""
        return self.network.play(symbols)


def save_network(network: PublishedNetwork, path: Path, card: dict[str, str]) -> None:
    """Write weights and `card` (texts) as safetensors, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    parts = {
        "config": network.config.to_json(),
        "vocabulary": network.vocabulary.to_json(),
        "corrections": network.corrections.to_json(),
    }
    write_tensors(path, network.state_dict(), card | {name: json.dumps(part) for name, part in parts.items()})


def load_network(path: Path) -> tuple[PublishedNetwork, dict[str, str]]:
    """Return the network of a checkpoint, ready to be used, and its card."""
    weights, card = read_tensors(path)
    config, vocabulary, corrections = (json.loads(card[name]) for name in ("config", "vocabulary", "corrections"))
    network = PublishedNetwork(PublishedConfig(**config), Vocabulary.from_json(vocabulary), Corrections(**corrections))
    network.load_state_dict(weights)
    return network.eval(), card


def _start(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.xavier_normal_(module.weight, nn.init.calculate_gain("relu"))
        nn.init.constant_(module.bias, START_BIAS)
