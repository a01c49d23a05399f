"""What an ear gets wrong, done to a bass line that is known: training hears what playing will hear."""

from __future__ import annotations

import numpy as np

MISSED = (0.0, 0.05, 0.15, 0.3)  # shares of the notes; one is drawn for a whole passage
GHOSTS = (0.0, 0.01, 0.04)  # of the empty sixteenths
MOVED = 0.02  # of the notes, to the next sixteenth or the one before
LATE_SIXTEENTHS = 0.12  # spread of a note's place, at most


def misheard(bass: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(beats, sixteenths, features) as `hearing` gives it -> the same, heard badly."""
    out = bass.reshape(-1, bass.shape[-1]).copy()
    count = len(out)
    missed = (out[:, 0] > 0) & (rng.random(count) < rng.choice(MISSED))
    out[missed, 0] = 0
    out[missed, 2:] = 0
    ghosts = (bass.reshape(count, -1)[:, 0] == 0) & (rng.random(count) < rng.choice(GHOSTS))
    out[ghosts, 0] = rng.uniform(0.2, 0.6, int(ghosts.sum()))
    out[ghosts, 1] = out[ghosts, 3] = 1
    for step in np.flatnonzero((out[:, 0] > 0) & (rng.random(count) < MOVED)):
        to = step + rng.choice([-1, 1])
        if 0 <= to < count and not out[to, 0]:
            out[to], out[step, 0] = out[step], 0
            out[step, 2:] = 0
    began = out[:, 0] > 0
    here = int(began.sum())
    out[began, 0] = np.clip(out[began, 0] * rng.uniform(0.6, 1.2) + rng.normal(0, 0.08, here), 0.05, 1)
    late = rng.normal(0, LATE_SIXTEENTHS * rng.random(), here) + rng.normal(0, LATE_SIXTEENTHS / 2)
    out[began, 2] = np.clip(out[began, 2] + late, -0.5, 0.5)
    out[:, 5] += np.where(out[:, 5] != 0, rng.integers(-5, 6) / 24, 0)
    return out.reshape(bass.shape).astype(np.float32)
