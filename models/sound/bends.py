"""How the pitch of a line moves while it sounds: vibrato, slides into notes, bends, and falls at their ends.

Makes the `bend` of a performance whose notes follow one another. Called by `general`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from models.sound.performance import Performance
from models.sound.soundfont import BEND_RANGE, BEND_SECONDS

FASTEST_SLIDE_SECONDS = 0.03
# (time since onset (points,), length in seconds, semitones from here to the note before if it is near) -> semitones (points,)
Expression = Callable[[np.ndarray, float, float | None], np.ndarray]


def with_bends(performance: Performance, rng: np.random.Generator, *, upward: bool) -> Performance:
    """Return the same line with a bend; `upward` vibrato rises from the written pitch instead of going round it."""
    notes = performance.notes
    end = float(notes[:, 1].max(initial=0)) + 0.5
    times = np.arange(0, end, BEND_SECONDS)
    curve = np.zeros(len(times))
    expressions = _expressions(rng, upward)
    for index, (onset, offset, pitch, _) in enumerate(notes):
        until = notes[index + 1, 0] if index + 1 < len(notes) else end
        first, last = np.searchsorted(times, (onset, until))
        before = notes[index - 1] if index else None
        near = before is not None and onset - before[1] < 0.1 and 0 < abs(before[2] - pitch) <= BEND_RANGE
        interval = float(before[2] - pitch) if before is not None and near else None
        for expression in expressions:
            curve[first:last] += expression(times[first:last] - onset, offset - onset, interval)
    step = BEND_RANGE / 8192  # a pitch wheel has 14 bits
    curve = np.round(np.clip(curve, -BEND_RANGE, BEND_RANGE - step) / step) * step
    moving = np.flatnonzero(curve)
    kept = np.unique(np.clip([moving - 1, moving, moving + 1], 0, len(times) - 1))
    return Performance(notes, performance.pedal, np.stack([times[kept], curve[kept]], 1))


def _expressions(rng: np.random.Generator, upward: bool) -> tuple[Expression, ...]:
    """Return what this player does to a note; each decides anew for every note whether it does."""
    rate, extent, delay = rng.uniform(4, 7), np.exp(rng.uniform(np.log(0.1), np.log(0.6))), rng.uniform(0.08, 0.4)
    vibrato_share, slide_share = rng.uniform(0.4, 1), rng.uniform(0, 0.4)
    bend_share, fall_share = (rng.uniform(0, 0.3), rng.uniform(0, 0.1)) if upward else (rng.uniform(0, 0.12), 0.05)

    def vibrato(time: np.ndarray, length: float, interval: float | None) -> np.ndarray:
        if length < delay + 0.2 or rng.random() > vibrato_share:
            return np.zeros(len(time))
        late = np.clip((time - delay) / 0.2, 0, 1) * extent * rng.uniform(0.7, 1.2)
        phase = 2 * np.pi * rate * rng.uniform(0.92, 1.08) * (time - delay)
        return late * ((1 - np.cos(phase)) / 2 if upward else np.sin(phase))

    def slide(time: np.ndarray, length: float, interval: float | None) -> np.ndarray:
        if rng.random() > slide_share or length < 2 * FASTEST_SLIDE_SECONDS:
            return np.zeros(len(time))
        start = interval if interval is not None and rng.random() < 0.7 else -rng.uniform(0.3, 2)
        duration = min(rng.uniform(FASTEST_SLIDE_SECONDS, 0.15), 0.6 * length)
        return start * _ease(1 - time / duration)

    def bend(time: np.ndarray, length: float, interval: float | None) -> np.ndarray:
        if length < 0.3 or rng.random() > bend_share:
            return np.zeros(len(time))
        amount, rise = rng.choice([0.5, 1, 1, 2, 2]), rng.uniform(0.06, 0.25)
        start = rng.uniform(0.05, 0.5) * length
        moved = _ease((time - start) / rise)
        if rng.random() < 0.4:
            moved = moved - _ease((time - start - rise - rng.uniform(0.05, 0.5)) / rng.uniform(0.06, 0.25))
        return amount * moved

    def fall(time: np.ndarray, length: float, interval: float | None) -> np.ndarray:
        if length < 0.25 or rng.random() > fall_share:
            return np.zeros(len(time))
        duration = rng.uniform(0.05, 0.12)
        return -rng.uniform(0.5, 2) * _ease((time - length + duration) / duration)

    return vibrato, slide, bend, fall


def _ease(share: np.ndarray) -> np.ndarray:
    """Rise smoothly from 0 to 1 while `share` does."""
    return (1 - np.cos(np.pi * np.clip(share, 0, 1))) / 2
