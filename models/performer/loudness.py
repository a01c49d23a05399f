"""How loud each note of a recording is, and the velocity that says so. Called by `sources` and `phrases`."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.performer.config import MIDDLE_VELOCITY, REFERENCE_RANGE

LOWEST_VELOCITY, HIGHEST_VELOCITY = 20, 120
LEAST_SPAN_DB = 6.0


def levels(audio: np.ndarray, sample_rate: int, notes: np.ndarray) -> np.ndarray:
    """(notes,) dB: the level of audio (samples,) float, full scale 1, while each note lasts; notes (notes, 4), seconds."""
    energy = np.concatenate([[0.0], np.cumsum(np.asarray(audio, float) ** 2)])
    begin = np.clip(np.round(notes[:, 0] * sample_rate).astype(int), 0, len(audio) - 1)
    end = np.clip(np.round(notes[:, 1] * sample_rate).astype(int), begin + 1, len(audio))
    return np.asarray(10 * np.log10((energy[end] - energy[begin]) / (end - begin) + 1e-12))


def ends_of(level_db: np.ndarray) -> tuple[float, float]:
    """Return the levels that velocities 20 and 120 stand for: those of the softest and the loudest 2 %."""
    softest, loudest = np.percentile(level_db, [2, 98])
    return min(float(softest), float(loudest) - LEAST_SPAN_DB), float(loudest)


def velocities_of(level_db: np.ndarray, ends: tuple[float, float]) -> np.ndarray:
    """(notes,) velocities 20..120, linear in the level.

    The velocities of the Bach recordings were made so, movement by movement; 100 of them are 17 to 26 dB.
    """
    share = (level_db - ends[0]) / (ends[1] - ends[0])
    velocity = LOWEST_VELOCITY + share * (HIGHEST_VELOCITY - LOWEST_VELOCITY)
    return np.asarray(np.round(np.clip(velocity, LOWEST_VELOCITY, HIGHEST_VELOCITY)))


def level_of(velocity: float, ends: tuple[float, float]) -> float:
    """The level in dB that a velocity stands for, beyond the ends too."""
    return ends[0] + (velocity - LOWEST_VELOCITY) / (HIGHEST_VELOCITY - LOWEST_VELOCITY) * (ends[1] - ends[0])


def range_of(level_db: np.ndarray, velocity: np.ndarray) -> float:
    """How many dB 100 velocities are, at least 0; REFERENCE_RANGE where all are alike."""
    if np.ptp(velocity) == 0:
        return REFERENCE_RANGE
    return max(0.0, float(100 * np.polyfit(velocity, level_db, 1)[0]))


def as_range(velocity: Any, range_db: float) -> Any:  # Any: a number or an array
    """Velocities of a player for whom 100 of them are `range_db` dB, as ones that are REFERENCE_RANGE."""
    return MIDDLE_VELOCITY + (velocity - MIDDLE_VELOCITY) * (range_db / REFERENCE_RANGE)
