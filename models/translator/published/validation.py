"""What a published network says of a material: likelihoods of both domains, each from itself and from the other."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from models.translator.published.data import Material
from models.translator.published.features import Statistics
from models.translator.published.measures import itakura_saito, loose_ratios, released_divergence, strict_ratios
from models.translator.published.network import PublishedNetwork
from models.translator.published.objective import log_normal, log_symbols, terms_of

EXAMPLES, SEED = 1024, 99


@dataclass(frozen=True, slots=True)
class Figures:
    """Nats, means over examples, of latent means. The paper's tables print the first four with their sign turned."""

    signal: float  # log p(x|z), z from the spectrum
    signal_from_symbols: float  # log p(x|y)
    symbols: float  # log p(y|z), z from the symbols; as released, minus a probability
    symbols_from_signal: float  # log p(y|x)
    divergence: float  # Itakura-Saito on linear power; as released, of normalised logarithms
    divergence_from_symbols: float

    def to_json(self) -> dict[str, float]:
        return asdict(self)


def examples_of(material: Material, count: int = EXAMPLES) -> tuple[Tensor, Tensor]:
    """Return spectra and symbols, always the same ones."""
    return material.batch(count, np.random.default_rng(SEED))


@torch.no_grad()
def validation_loss(network: PublishedNetwork, spectra: Tensor, symbols: Tensor) -> float:
    """Return the loss with all divergences counted, of the same draws each time."""
    network.eval()
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        return float(terms_of(network, spectra, symbols).total(1.0))


@torch.no_grad()
def figures_of(network: PublishedNetwork, statistics: Statistics, spectra: Tensor, symbols: Tensor) -> Figures:
    """Return the figures on examples whose spectra are all known, normalised by `statistics`."""
    network.eval()
    corrections, vocabulary = network.corrections, network.vocabulary
    by_signal = network.signal_encoder(spectra).mean
    by_symbol = network.symbol_encoder(symbols.nan_to_num(0.0)).mean
    said = [network.signal_decoder(latent) for latent in (by_signal, by_symbol)]
    named = [log_symbols(symbols, network.symbol_decoder(z), vocabulary, corrections) for z in (by_symbol, by_signal)]
    true = spectra.numpy()

    def apart(said: np.ndarray) -> float:
        if not corrections.linear_divergence:
            return released_divergence(true, said)
        return itakura_saito(statistics.magnitudes(true), statistics.magnitudes(said))

    return Figures(
        *(float(log_normal(spectra, spectrum).mean()) for spectrum in said),
        *(float(likelihood.sum(1).mean()) for likelihood in named),
        *(apart(spectrum.mean.numpy()) for spectrum in said),
    )


@torch.no_grad()
def ratios_of(network: PublishedNetwork, spectra: Tensor, symbols: Tensor) -> dict[str, list[float]]:
    """Return strict and loose ratios of frames, signal to symbol and symbol to symbol: octave, pitch class, dynamics each."""
    network.eval()
    true = classes_of(symbols.numpy(), network)
    heard = classes_of(network.listen(spectra).numpy(), network)
    told = classes_of(network.probabilities(network.symbol_encoder(symbols.nan_to_num(0.0)).mean).numpy(), network)
    return {
        "strict": strict_ratios(heard, true).tolist(),
        "loose": loose_ratios(heard, true).tolist(),
        "strict_symbols": strict_ratios(told, true).tolist(),
        "loose_symbols": loose_ratios(told, true).tolist(),
    }


def classes_of(rows: np.ndarray, network: PublishedNetwork) -> np.ndarray:
    """(examples, columns) one-hot or probabilities -> (examples, sources, 3) classes, -1 where a row is nan."""
    known = np.stack([~np.isnan(rows[:, span]).any(1) for span in network.vocabulary.spans], 1)
    classes = np.stack([np.nan_to_num(rows[:, span]).argmax(1) for span in network.vocabulary.spans], 1)
    return np.where(known, classes, -1).reshape(len(rows), -1, 3)
