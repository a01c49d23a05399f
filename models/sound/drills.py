"""What single lines hold too little of: scales, fast repeated notes, leaps, trills, and long notes between silences.

The piano's own are in `exercises`; these keep to an instrument's range. Called by `general`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from models.sound.performance import tidy

Rows = list[tuple[float, float, float, float]]  # onset, offset (seconds), pitch, velocity


def drill(rng: np.random.Generator, seconds: float, lowest: int, highest: int) -> np.ndarray:
    """Chain random drills, with pauses between them, to `seconds`: (notes, 4), pitches within both ends."""
    rows: Rows = []
    time = float(rng.uniform(0.1, 0.6))
    while time < seconds - 1:
        part = DRILLS[int(rng.integers(len(DRILLS)))](rng, time, lowest, highest)
        rows += part
        time = max(row[1] for row in part) + float(rng.exponential(0.3)) + 0.05
    notes = np.array([row for row in rows if row[0] < seconds - 0.5], float).reshape(-1, 4)
    notes[:, 1] = np.minimum(notes[:, 1], seconds)
    return tidy(notes)


def _line(rng: np.random.Generator, time: float, gap: float, held: float, pitches: list[int]) -> Rows:
    velocity = float(rng.uniform(30, 115))
    return [
        (time + i * gap, time + i * gap + max(0.05, held * gap), float(p), velocity + float(rng.normal(0, 6)))
        for i, p in enumerate(pitches)
    ]


def _scale(rng: np.random.Generator, time: float, lowest: int, highest: int) -> Rows:
    steps = [[2, 2, 1, 2, 2, 2, 1], [2, 1, 2, 2, 1, 3, 1], [1], [2], [3, 2, 2, 3, 2], [4, 3, 5]][int(rng.integers(6))]
    pitch = int(rng.integers(lowest, max(lowest + 1, highest - 12)))
    pitches = [pitch]
    while len(pitches) < 16 and pitches[-1] + steps[(len(pitches) - 1) % len(steps)] <= highest:
        pitches.append(pitches[-1] + steps[(len(pitches) - 1) % len(steps)])
    if rng.random() < 0.5:
        pitches.reverse()
    return _line(rng, time, float(rng.uniform(0.07, 0.4)), float(rng.uniform(0.5, 1.1)), pitches)


def _repeated(rng: np.random.Generator, time: float, lowest: int, highest: int) -> Rows:
    pitch = int(rng.integers(lowest, highest + 1))
    return _line(
        rng, time, float(rng.uniform(0.06, 0.2)), float(rng.uniform(0.4, 0.98)), [pitch] * int(rng.integers(4, 16))
    )


def _leaps(rng: np.random.Generator, time: float, lowest: int, highest: int) -> Rows:
    pitches = rng.integers(lowest, highest + 1, int(rng.integers(3, 10)))
    if rng.random() < 0.4:  # octaves, which sound most alike
        pitches = lowest + (pitches[0] - lowest) % 12 + 12 * rng.integers(0, (highest - lowest) // 12 + 1, len(pitches))
    kept = [int(p) for p in pitches if p <= highest]
    return _line(rng, time, float(rng.uniform(0.12, 0.6)), float(rng.uniform(0.4, 1.05)), kept)


def _trill(rng: np.random.Generator, time: float, lowest: int, highest: int) -> Rows:
    pitch = int(rng.integers(lowest, highest - 1))
    pitches = [pitch, pitch + int(rng.integers(1, 3))] * int(rng.integers(3, 9))
    return _line(rng, time, float(rng.uniform(0.06, 0.14)), float(rng.uniform(0.8, 1.05)), pitches)


def _long_notes(rng: np.random.Generator, time: float, lowest: int, highest: int) -> Rows:
    rows: Rows = []
    for _ in range(int(rng.integers(1, 4))):
        length = float(rng.uniform(0.6, 4))
        rows.append((time, time + length, float(rng.integers(lowest, highest + 1)), float(rng.uniform(25, 115))))
        time += length + float(rng.uniform(0.2, 1.2))
    return rows


DRILLS: tuple[Callable[[np.random.Generator, float, int, int], Rows], ...] = (
    _scale,
    _repeated,
    _leaps,
    _trill,
    _long_notes,
)
