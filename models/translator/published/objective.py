"""What the published network learns by: two evidence lower bounds, and ten times how far the encoders disagree.

Sums over dimensions, means over the batch, nats. Examples may lack their spectrum or some of their symbols (nan): each
autoencoder learns from what it is given, and the two are drawn together where both are known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from models.translator.published.corrections import Corrections
from models.translator.published.network import Gaussian, PublishedNetwork
from models.translator.published.vocabulary import Vocabulary

CROSS = 10.0  # the weight of KL(q(z|x) || q(z|y)), so ordered that q(z|y) covers all of q(z|x)
LEAST_BATCH = 2  # a batch norm needs two


@dataclass(frozen=True, slots=True)
class Terms:
    """Parts of the loss, each a mean over the examples that have what it needs: 0 where none has."""

    signal: Tensor  # -log p(x|z)
    symbol: Tensor  # -log p(y|z)
    signal_divergence: Tensor  # KL(q(z|x) || p(z))
    symbol_divergence: Tensor  # KL(q(z|y) || p(z))
    cross: Tensor  # KL(q(z|x) || q(z|y))

    def total(self, beta: float) -> Tensor:
        """Return the loss; `beta` weighs all divergences, so that the two spaces come to be shared step by step."""
        return self.signal + self.symbol + beta * (self.signal_divergence + self.symbol_divergence + CROSS * self.cross)


def terms_of(network: PublishedNetwork, spectra: Tensor, symbols: Tensor) -> Terms:
    """Return the parts of the loss on (batch, bands) normalised spectra and (batch, symbols), nan where unknown."""
    zero = spectra.new_zeros(())
    corrections, vocabulary = network.corrections, network.vocabulary
    heard = ~spectra.isnan().any(1)
    named = ~symbols.isnan().all(1)
    signal = signal_divergence = symbol = symbol_divergence = cross = zero
    of_signal, of_symbol = None, None
    if int(heard.sum()) >= LEAST_BATCH:
        of_signal = network.signal_encoder(spectra[heard])
        said = network.signal_decoder(of_signal.sample(corrections))
        signal, signal_divergence = -log_normal(spectra[heard], said).mean(), divergence(of_signal).mean()
    if int(named.sum()) >= LEAST_BATCH:
        of_symbol = network.symbol_encoder(symbols[named].nan_to_num(0.0))
        logits = network.symbol_decoder(of_symbol.sample(corrections))
        symbol = -log_symbols(symbols[named], logits, vocabulary, corrections).sum(1).mean()
        symbol_divergence = divergence(of_symbol).mean()
    both = heard & named
    if of_signal is not None and of_symbol is not None and bool(both.any()):
        cross = divergence(of_signal[both[heard]], of_symbol[both[named]]).mean()
    return Terms(signal, symbol, signal_divergence, symbol_divergence, cross)


def log_normal(values: Tensor, said: Gaussian) -> Tensor:
    """Return the log density of (batch, dimensions), summed over dimensions: (batch,)."""
    squares = (values - said.mean).square() / said.variance
    return -0.5 * (squares + said.variance.log() + math.log(2 * math.pi)).sum(1)


def log_symbols(symbols: Tensor, logits: Tensor, vocabulary: Vocabulary, corrections: Corrections) -> Tensor:
    """Return each group's log probability, (batch, groups); 0 where it is unknown. As released, probabilities instead."""
    found = []
    for group, span in zip(vocabulary.groups, vocabulary.spans, strict=True):
        true, said = symbols[:, span], logits[:, span]
        known = ~true.isnan().any(1)
        true = true.nan_to_num(0.0)
        if group.several:
            value = -functional.binary_cross_entropy_with_logits(said, true, reduction="none").sum(1)
        elif corrections.log_probability:
            value = (true * said.log_softmax(1)).sum(1)
        else:
            value = (true * said.softmax(1)).sum(1)
        found.append(torch.where(known, value, 0.0))
    return torch.stack(found, 1)


def divergence(one: Gaussian, other: Gaussian | None = None) -> Tensor:
    """Return KL(one || other), summed over dimensions: (batch,). Without another, from the standard normal distribution."""
    if other is None:
        return 0.5 * (one.variance + one.mean.square() - 1 - one.variance.log()).sum(1)
    ratio = one.variance / other.variance
    return 0.5 * (ratio + (one.mean - other.mean).square() / other.variance - 1 - ratio.log()).sum(1)
