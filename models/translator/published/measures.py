"""How well symbols and spectra are told: success ratios, and distances between spectra as linear power.

Conventions. Symbols are classes as integers, (examples, sources, kinds) with the kinds octave, pitch class and dynamics, -1
where the truth is not known; what is not known is not counted. Ratios are shares of what is known, one for each kind, nan
where nothing is. Spectra are magnitudes (frames, bands), full scale 1.
"""

from __future__ import annotations

from itertools import permutations

import numpy as np

RANGE_DB = 80.0  # below the truth's loudest band of a frame: no spectrum counts as fainter


def strict_ratios(said: np.ndarray, true: np.ndarray) -> np.ndarray:
    """The paper's success ratio: the right class in the right source's place. (kinds,)."""
    return _ratio((said == true), true)


def loose_ratios(said: np.ndarray, true: np.ndarray) -> np.ndarray:
    """The paper's loose ratio: the right class in any source's place, each place standing for one source at most. (kinds,)."""
    right = np.zeros(true.shape, bool)
    free = np.ones(said.shape, bool)
    for source in range(true.shape[1]):
        for place in range(said.shape[1]):
            hit = free[:, place] & (said[:, place] == true[:, source]) & ~right[:, source]
            right[:, source] |= hit
            free[:, place] &= ~hit
    return _ratio(right, true)


def assigned_ratios(said: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Whole sources matched to places, those matched that make most symbols right; then as strict. (kinds,)."""
    return strict_ratios(assigned(said, true), true)


def assigned(said: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return `said` with its places in the order that makes most symbols right; a tie goes by pitch class, then octave."""
    orders = np.array(list(permutations(range(said.shape[1]))))
    weights = np.array([1.01, 1.02, 1.0])[: true.shape[2]]  # octave, pitch class, dynamics
    hits = np.stack([((said[:, order] == true) * (true >= 0) * weights).sum((1, 2)) for order in orders])
    chosen = orders[hits.argmax(0)]  # (examples, sources)
    return np.asarray(np.take_along_axis(said, chosen[:, :, None], 1))


def itakura_saito(true: np.ndarray, said: np.ndarray) -> float:
    """Return the Itakura-Saito divergence of magnitudes, on linear power: the mean of P/Q - log(P/Q) - 1 over bands and frames.

    P is the true power and Q the said one, both raised to at least 80 dB below the frame's loudest true band. It is not
    symmetric, has no unit, and is 0 for equal spectra; saying half the power costs 0.31, twice the power 0.19.
    """
    ratio = _power_ratio(true, said)
    return float(np.mean(ratio - np.log(ratio) - 1))


def log_spectral_distance(true: np.ndarray, said: np.ndarray) -> float:
    """Return the log-spectral distance in dB: of each frame the root mean square over bands of 10 log10(P/Q); their mean.

    P and Q are powers as in `itakura_saito`.
    """
    return float(np.mean(np.sqrt(np.mean((10 * np.log10(_power_ratio(true, said))) ** 2, 1))))


def released_divergence(true: np.ndarray, said: np.ndarray) -> float:
    """Return what the release calls the divergence: of exponentials of *normalised* log spectra, summed and divided by 2 pi.

    No physical figure, since normalising raises power to a power of its own; here to be held against the paper's.
    """
    ratio = np.exp(true - said)
    return float(np.mean((ratio - np.log(ratio) - 1).sum(1)) / (2 * np.pi))


def _power_ratio(true: np.ndarray, said: np.ndarray) -> np.ndarray:
    if not true.size:
        raise ValueError("there are no spectra to compare")
    faintest = np.maximum(true.max(1, keepdims=True).astype(float) ** 2 * 10 ** (-RANGE_DB / 10), 1e-20)
    return np.asarray(np.maximum(true.astype(float) ** 2, faintest) / np.maximum(said.astype(float) ** 2, faintest))


def _ratio(right: np.ndarray, true: np.ndarray) -> np.ndarray:
    known = true >= 0
    counts = known.sum((0, 1))
    hits = (right & known).sum((0, 1))
    return np.where(counts > 0, hits / np.maximum(counts, 1), np.nan)
