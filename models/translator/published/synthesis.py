"""Symbols to samples by the published network: frames of the decoder, drawn out in time, phases by Griffin and Lim's way."""

from __future__ import annotations

import numpy as np
import torch

from models.translator.published.config import SAMPLE_RATE, SIGNAL_SAMPLES
from models.translator.published.features import FLOOR, Statistics
from models.translator.published.network import PublishedNetwork
from models.translator.published.nsgt import Nsgt

ITERATIONS = 30  # the paper's
SILENCE = 1e-4  # magnitudes below are none


def render(
    network: PublishedNetwork,
    statistics: Statistics,
    symbols: np.ndarray,
    *,
    iterations: int = ITERATIONS,
    seed: int = 0,
) -> np.ndarray:
    """Return 2 s at 22,050 Hz, (samples,) float32: (frames, symbols) rows one after another, spread evenly."""
    with torch.no_grad():
        spectra = network.eval().play(torch.from_numpy(symbols.astype(np.float32))).numpy()
    return griffin_lim(statistics.magnitudes(spectra), iterations=iterations, seed=seed)


def griffin_lim(magnitudes: np.ndarray, *, iterations: int = ITERATIONS, seed: int = 0) -> np.ndarray:
    """Return the sound whose transform comes near (frames, bands) magnitudes drawn out to 2 s; in one piece, without seams."""
    transform = Nsgt(SIGNAL_SAMPLES, SAMPLE_RATE)
    wanted = transform.from_frames(np.log(np.maximum(magnitudes, FLOOR)))
    wanted = np.exp(wanted) * (wanted > np.log(SILENCE))
    turns = np.random.default_rng(seed).random(wanted.shape)
    edges = np.zeros((1, transform.coefficients))
    coefficients = np.concatenate([edges, wanted * np.exp(2j * np.pi * turns), edges])
    for _ in range(iterations):
        near = transform.forward(transform.inverse(coefficients))[1:-1]
        coefficients[1:-1] = wanted * near / np.maximum(np.abs(near), 1e-12)
    return transform.inverse(coefficients)
