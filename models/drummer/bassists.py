"""Bass lines for drums that have none, as bassists of a style would play them. Training only.

A line is one of a few habits (with the kick, in eighths, walking, on one and three, in sixteenths around the kick, held) on a root and a
few neighbours. It says what any bass player knows: a walking bass goes with a swung ride, driving eighths with rock, one and three with
country. Lines lie on the drummer's own swing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from models.drummer.config import SIXTEENTHS
from models.drummer.hearing import bass_grid
from models.drummer.kit import KICK, TIME
from models.drummer.passages import Passage

HABITS = ("kick", "eighths", "walking", "two", "sixteenths", "held")
USUAL = (0.45, 0.2, 0.1, 0.1, 0.05, 0.1)
HABITS_OF: Mapping[str, tuple[float, ...]] = {
    "rock": (0.4, 0.4, 0.05, 0.05, 0.0, 0.1),
    "punk": (0.25, 0.75, 0.0, 0.0, 0.0, 0.0),
    "pop": (0.5, 0.3, 0.05, 0.05, 0.0, 0.1),
    "jazz": (0.05, 0.0, 0.85, 0.1, 0.0, 0.0),
    "blues": (0.2, 0.2, 0.5, 0.1, 0.0, 0.0),
    "country": (0.2, 0.05, 0.15, 0.6, 0.0, 0.0),
    "funk": (0.45, 0.05, 0.0, 0.0, 0.5, 0.0),
    "soul": (0.5, 0.15, 0.05, 0.0, 0.3, 0.0),
    "hiphop": (0.6, 0.05, 0.0, 0.0, 0.15, 0.2),
    "neworleans": (0.4, 0.0, 0.2, 0.2, 0.2, 0.0),
    "reggae": (0.8, 0.0, 0.0, 0.05, 0.05, 0.1),
    "gospel": (0.45, 0.1, 0.25, 0.1, 0.1, 0.0),
}
"""How often each habit is heard in a style, by ear."""
SWUNG_LATE = -0.15  # sixteenths: mean lateness of the timekeeper on the last sixteenth of a beat that is a triplet's
TRIPLET = 2 / 3
REST = 0.06  # of the notes are left out
NEIGHBOURS = np.array([0, 0, 0, 0, 7, 5, -5, 12, 3, 10, -2, 2])  # semitones from the root


def with_bassist(take: Passage, rng: np.random.Generator) -> Passage:
    """Return a take with a bass line made for it."""
    weights = HABITS_OF.get(take.style, USUAL)
    habit = rng.choice(HABITS, p=np.array(weights) / sum(weights))
    places = np.concatenate([_bar(take, bar, habit, rng) for bar in range(len(take.bass) // take.bar)] or [np.zeros(0)])
    places = places[rng.random(len(places)) >= REST]
    if is_swung(take):
        inside = places % 1
        places = np.where(
            inside == 0.5, places + TRIPLET - 0.5, np.where(inside == 0.75, places + TRIPLET - 0.75, places)
        )
    places = np.unique(places)
    root = rng.integers(28, 41)
    of_bar = rng.choice(NEIGHBOURS, len(take.bass) // take.bar + 1) * (rng.random() < 0.7)
    own = rng.choice(NEIGHBOURS, len(places)) * (rng.random(len(places)) < (0.8 if habit == "walking" else 0.25))
    pitches = np.clip(root + of_bar[(places // take.bar).astype(int)] + own, 26, 60)
    gaps = np.diff(np.append(places, len(take.bass)))
    lengths = gaps * rng.choice([0.4, 0.7, 0.95])
    on_beat = 12 * (places % 1 == 0)
    velocities = np.clip(80 + on_beat + rng.normal(0, 8, len(places)), 20, 127)
    late = rng.normal(rng.normal(0, 0.015), 0.02, len(places))
    notes = np.stack([np.maximum(0, places + late), lengths, pitches, velocities], 1)
    return replace(take, bass=bass_grid(notes, len(take.bass)))


def is_swung(take: Passage) -> bool:
    """Return whether the timekeeper plays triplets where straight drummers play sixteenths."""
    struck = take.velocity[:, 3, TIME] > 0
    return bool(struck.mean() > 0.1 and take.late[:, 3, TIME][struck].mean() < SWUNG_LATE)


def _bar(take: Passage, bar: int, habit: str, rng: np.random.Generator) -> np.ndarray:
    """Return the places in beats of one bar's notes, on the straight grid."""
    beats = slice(bar * take.bar, (bar + 1) * take.bar)
    kicks = np.flatnonzero(take.velocity[beats, :, KICK].ravel() > 0)
    steps = np.arange(take.bar * SIXTEENTHS)
    if habit == "eighths":
        chosen = steps[steps % 2 == 0]
    elif habit == "walking":
        skips = steps[steps % SIXTEENTHS == 2]
        chosen = np.union1d(steps[steps % SIXTEENTHS == 0], skips[rng.random(len(skips)) < 0.12])
    elif habit == "two":
        ups = steps[(steps % SIXTEENTHS == 0) & (rng.random(len(steps)) < 0.1)]
        chosen = np.union1d(steps[steps % (2 * SIXTEENTHS) == 0], ups)
    elif habit == "held":
        chosen = kicks[:1] if len(kicks) else steps[:1]
    elif habit == "sixteenths":
        chosen = np.union1d(kicks, steps[rng.random(len(steps)) < 0.22])
    else:
        more = steps[(steps % 2 == 0) & (rng.random(len(steps)) < 0.12)]
        chosen = np.union1d(kicks[rng.random(len(kicks)) < 0.9], more)
    return bar * take.bar + chosen / SIXTEENTHS
