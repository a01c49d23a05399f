"""Performances nobody wrote: what pieces hold too little of, so that the transcriber meets it all the same.

Isolated notes over the whole keyboard, repeated notes, octaves in the bass, wide and close chords, scales, soft notes
after loud ones. Called by `renders`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from models.sound.performance import HIGHEST_PITCH, LOWEST_PITCH, Performance, tidy

Rows = list[tuple[float, float, float, float]]  # onset, offset (seconds), pitch, velocity
Exercise = Callable[[np.random.Generator, float], Rows]


def exercise(rng: np.random.Generator, seconds: float, kinds: tuple[Exercise, ...] | None = None) -> Performance:
    """Chain random exercises, of all kinds unless told otherwise, with pauses between them, to `seconds` of playing."""
    rows: Rows = []
    kinds = kinds or EXERCISES
    time = float(rng.uniform(0.2, 1.0))
    while time < seconds - 1.0:
        play = kinds[int(rng.integers(len(kinds)))]
        part = play(rng, time)
        rows += part
        time = max(row[0] for row in part) + float(rng.exponential(0.4)) + 0.1
    notes = np.array([row for row in rows if row[0] < seconds - 0.5], float).reshape(-1, 4)
    notes[:, 1] = np.minimum(notes[:, 1], seconds)
    pedal = np.zeros((0, 2))
    if rng.random() < 0.5:
        edges = np.sort(rng.uniform(0, seconds, 2 * int(rng.integers(1, max(2, int(seconds / 3))))))
        pedal = edges.reshape(-1, 2)
    return Performance(tidy(notes), pedal)


def _velocity(rng: np.random.Generator) -> float:
    return float(rng.uniform(15, 120))


def _isolated(rng: np.random.Generator, time: float) -> Rows:
    rows: Rows = []
    for _ in range(int(rng.integers(2, 7))):
        length = float(rng.uniform(0.1, 1.5))
        rows.append((time, time + length, float(rng.integers(LOWEST_PITCH, HIGHEST_PITCH + 1)), _velocity(rng)))
        time += length + float(rng.exponential(0.3))
    return rows


def _repeated(rng: np.random.Generator, time: float) -> Rows:
    pitches = rng.integers(28, 100, int(rng.integers(1, 4)))
    gap, velocity, held = float(rng.uniform(0.09, 0.5)), _velocity(rng), float(rng.uniform(0.4, 0.98))
    return [
        (
            time + i * gap + float(rng.normal(0, 0.006)),
            time + (i + held) * gap,
            float(p),
            velocity + float(rng.normal(0, 10)),
        )
        for i in range(int(rng.integers(3, 12)))
        for p in pitches
    ]


def _bass_octaves(rng: np.random.Generator, time: float) -> Rows:
    gap, velocity = float(rng.uniform(0.12, 0.8)), _velocity(rng)
    rows: Rows = []
    for i in range(int(rng.integers(3, 10))):
        low = float(rng.integers(LOWEST_PITCH, 44))
        span = float(rng.choice([0, 7, 12, 12, 12]))
        at = time + i * gap
        rows += [
            (
                at + float(rng.normal(0, 0.006)),
                at + gap * float(rng.uniform(0.5, 1.2)),
                p,
                velocity + float(rng.normal(0, 8)),
            )
            for p in {low, low + span}
        ]
    return rows


def _chords(rng: np.random.Generator, time: float) -> Rows:
    gap, spread = float(rng.uniform(0.2, 1.2)), float(rng.choice([0.003, 0.01, 0.04]))
    rows: Rows = []
    for i in range(int(rng.integers(2, 7))):
        root = int(rng.integers(24, 80))
        steps = rng.choice(
            [0, 3, 4, 5, 7, 9, 10, 11, 12, 14, 15, 16, 19, 24, 28], int(rng.integers(3, 8)), replace=False
        )
        velocity, at = _velocity(rng), time + i * gap
        rows += [
            (
                at + abs(float(rng.normal(0, spread))),
                at + gap * float(rng.uniform(0.6, 1.1)),
                float(root + s),
                velocity + float(rng.normal(0, 12)),
            )
            for s in steps
        ]
    return rows


def _scale(rng: np.random.Generator, time: float) -> Rows:
    gap, velocity, pitch = float(rng.uniform(0.06, 0.35)), _velocity(rng), int(rng.integers(24, 96))
    direction, stride = int(rng.choice([-1, 1])), float(rng.uniform(0.8, 2.5))
    held = float(rng.uniform(0.7, 2.0))
    doubled = float(rng.choice([0, 0, 3, 4, 12, 24]))
    rows: Rows = []
    for i in range(int(rng.integers(6, 20))):
        at = time + i * gap + float(rng.normal(0, 0.004))
        rows.append(
            (at, at + gap * held, float(round(pitch + direction * stride * i)), velocity + float(rng.normal(0, 6)))
        )
        if doubled:
            rows.append(
                (
                    at + float(rng.normal(0, 0.004)),
                    at + gap * held,
                    rows[-1][2] + doubled,
                    velocity + float(rng.normal(0, 6)),
                )
            )
    return rows


def _soft_over_loud(rng: np.random.Generator, time: float) -> Rows:
    """Loud low notes ring on while soft ones follow, often on their partials."""
    low = float(rng.integers(LOWEST_PITCH, 60))
    rows: Rows = [(time, time + 3.0, low, float(rng.uniform(80, 120)))]
    for i in range(int(rng.integers(2, 8))):
        at = time + 0.3 + i * float(rng.uniform(0.15, 0.4))
        rows.append(
            (at, at + 0.4, low + float(rng.choice([12, 19, 24, 28, 31, 34, 36, 5, 7, 16])), float(rng.uniform(12, 60)))
        )
    return rows


def _struck_again(rng: np.random.Generator, time: float) -> Rows:
    """A key struck twice or thrice within a fifth of a second, alone or over others that are held."""
    rows: Rows = []
    if rng.random() < 0.5:
        held = rng.choice(np.arange(30, 90), int(rng.integers(1, 4)), replace=False)
        rows += [(time, time + float(rng.uniform(0.5, 3)), float(p), _velocity(rng)) for p in held]
    for _ in range(int(rng.integers(2, 8))):
        time += float(rng.uniform(0.1, 0.6))
        pitch, gap, velocity = (
            float(rng.integers(LOWEST_PITCH, HIGHEST_PITCH + 1)),
            float(rng.uniform(0.05, 0.2)),
            _velocity(rng),
        )
        for _ in range(int(rng.choice((2, 2, 3)))):
            rows.append((time, time + gap * float(rng.uniform(0.4, 0.95)), pitch, velocity + float(rng.normal(0, 14))))
            time += gap
    return rows


def _restruck(rng: np.random.Generator, time: float) -> Rows:
    """Keys that come back after 45 to 100 ms, two to four strikes each, up for 5 to 30 ms in between, some over held chords."""
    rows: Rows = []
    if rng.random() < 0.5:
        root = int(rng.integers(30, 80))
        held = rng.choice([0, 3, 4, 5, 7, 10, 12, 15, 16, 19, 24], int(rng.integers(1, 5)), replace=False)
        rows += [(time, time + float(rng.uniform(1, 4)), float(root + step), _velocity(rng)) for step in held]
    for _ in range(int(rng.integers(3, 10))):
        time += float(rng.uniform(0.1, 0.5))
        pitches = rng.choice(np.arange(LOWEST_PITCH, HIGHEST_PITCH + 1), int(rng.choice((1, 1, 1, 2))), replace=False)
        gap, velocity = float(rng.uniform(0.045, 0.1)), float(rng.uniform(25, 120))
        louder, strikes = float(rng.normal(0, 8)), int(rng.choice((2, 2, 3, 4)))
        for strike in range(strikes):
            held_for = gap - float(rng.uniform(0.005, 0.03)) if strike < strikes - 1 else float(rng.uniform(0.04, 0.5))
            for pitch in pitches:
                touch = velocity + strike * louder + float(rng.normal(0, 6))
                rows.append((time, time + held_for, float(pitch), max(15.0, touch)))
            time += gap
    return rows


def _trill(rng: np.random.Generator, time: float) -> Rows:
    """Two keys in turn, 7 to 16 strikes a second."""
    pitch, gap, velocity = int(rng.integers(36, 100)), float(rng.uniform(0.06, 0.14)), _velocity(rng)
    other = pitch + int(rng.choice((1, 2, 3, 12)))
    return [
        (time + i * gap + float(rng.normal(0, 0.003)), time + (i + float(rng.uniform(0.7, 1.3))) * gap,
         float((pitch, other)[i % 2]), velocity + float(rng.normal(0, 8)))
        for i in range(int(rng.integers(6, 24)))
    ]  # fmt: skip


FAST_KEYS: tuple[Exercise, ...] = (_restruck, _restruck, _struck_again, _trill, _repeated)
EXERCISES: tuple[Exercise, ...] = (
    _isolated,
    _repeated,
    _bass_octaves,
    _chords,
    _scale,
    _soft_over_loud,
)
