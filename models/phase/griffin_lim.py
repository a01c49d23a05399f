"""Griffin and Lim (1984), with the momentum of Perraudin, Balazs and Sondergaard (2013): all frames at once, offline."""

import math

import numpy as np
from numpy.typing import NDArray

from models.phase.frames import Frames

FAST = 0.99  # momentum of the fast algorithm
TINY = 1e-12


def griffin_lim(
    magnitudes: np.ndarray, frames: Frames, iterations: int = 100, momentum: float = FAST, seed: int = 0
) -> NDArray[np.float32]:
    """Return samples (n,) whose spectra have nearly the `magnitudes` (frames, bins). The first phases are random.

    momentum: 0 is the algorithm of 1984.
    """
    magnitudes = np.array([frames.accept(magnitude) for magnitude in magnitudes]).reshape(-1, frames.bins)
    phases = 2 * np.pi * np.random.default_rng(seed).random(magnitudes.shape)
    spectra = magnitudes * np.exp(1j * phases)
    before = np.zeros_like(spectra)
    for _ in range(iterations):
        consistent = frames.analyse(frames.synthesise(spectra))
        target = consistent + momentum * (consistent - before) if momentum else consistent
        spectra = magnitudes * target / np.maximum(np.abs(target), TINY)
        before = consistent
    return frames.synthesise(spectra).astype(np.float32)


def spectral_convergence_db(samples: np.ndarray, magnitudes: np.ndarray, frames: Frames) -> float:
    """Return the distance in dB of the spectrogram of `samples` (n,) from `magnitudes` (frames, bins), relative to them.

    Sample 0 is the first of frame 0; samples that are missing at the end count as 0.
    """
    padded = np.zeros(frames.length(len(magnitudes)))
    kept = min(len(padded), len(samples))
    padded[:kept] = samples[:kept]
    distance = float(np.linalg.norm(np.abs(frames.analyse(padded)) - magnitudes))
    return 20 * math.log10(max(distance, TINY) / max(float(np.linalg.norm(magnitudes)), TINY))
