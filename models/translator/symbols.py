"""Symbols as numbers: what a note is told as, and what MIDI makes of a dynamic. NumPy only."""

from __future__ import annotations

import numpy as np

from models.translator.config import GROUPS, SYMBOLS
from models.translator.notes import DYNAMICS

VELOCITIES = dict(zip(DYNAMICS, (28, 50, 72, 94, 118), strict=True))
"""The velocity that a dynamic stands for; one between two lies between their dynamics."""


def symbols_of(instrument: int, pitch: int, dynamics: float) -> np.ndarray:
    """(SYMBOLS,) float32 of a note; dynamics 0..4 may lie between two."""
    symbols, at = np.zeros(SYMBOLS, np.float32), np.cumsum([0, *GROUPS.values()])
    symbols[at[0] + instrument] = symbols[at[1] + pitch % 12] = 1.0
    symbols[at[2] + min(max(pitch // 12 - 1, 0), GROUPS["octave"] - 1)] = 1.0
    symbols[at[3] : at[4]] = np.maximum(
        0, 1 - np.abs(np.clip(dynamics, 0, len(DYNAMICS) - 1) - np.arange(len(DYNAMICS)))
    )
    return symbols


def dynamics_of(velocity: float) -> float:
    """Velocity 1..127 -> dynamics 0..4, which may lie between two."""
    return float(np.interp(velocity, list(VELOCITIES.values()), np.arange(len(DYNAMICS))))


def velocity_of(probabilities: np.ndarray) -> int:
    """Probabilities of the dynamics (5,) -> the velocity 1..127 that is expected, as near the likeliest dynamic as no other is."""
    velocities = np.array(list(VELOCITIES.values()), float)
    expected = float(probabilities @ velocities) / max(float(probabilities.sum()), 1e-9)
    between = np.concatenate([[1.0], (velocities[1:] + velocities[:-1]) / 2, [127.0]])
    likeliest = int(probabilities.argmax())
    return round(float(np.clip(expected, between[likeliest] + 0.51, between[likeliest + 1] - 0.51)))
