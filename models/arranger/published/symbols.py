"""Notes on a segment's grid become what the network is given and taught: trees, rolls, features, chords, and rolls with notes masked.

Notes are (notes, 3) int: step 0..STEPS - 1, steps that it lasts, pitch. Called by `data` and `inference`.
"""

from __future__ import annotations

import numpy as np

from models.arranger.config import ROOTS
from models.arranger.published.config import DURATION_BITS, DURATION_PAD, EOS, LONGEST, PAD, PITCHES, SOS, STEPS
from models.arranger.published.corrections import Corrections

BASS_PITCH, RAMP_END = 48, 60  # up to the one a bass for certain, from the other on none (the paper: below 48 or not)
MOST_AT_ONCE = 14  # that intensity is a share of
MASK_EDGES = (0, 40, 50, 60, PITCHES)
KEPT, RELEASED_KEPT = (0.1, 0.3, 0.6, 0.7), (0.1, 0.6, 0.3, 0.7)
RELEASED_WRITTEN = 10  # slots
SHIFTS = np.arange(-6, 6)  # semitones
SHIFT_WEIGHTS = np.array([2, 2, 5, 5, 3, 7, 7, 5, 7, 3, 5, 1]) / 52


def tree_of(bridge: np.ndarray, piano: np.ndarray, slots: int, corrections: Corrections) -> np.ndarray:
    """Return (STEPS, slots, 1 + DURATION_BITS) int64.

    Raises:
        ValueError: a step has more notes than slots and `corrections.guarded` is off.
    """
    tree = np.full((STEPS, slots, 1 + DURATION_BITS), DURATION_PAD, np.int64)
    tree[..., 0] = PAD
    tree[:, 0, 0] = SOS
    notes = np.concatenate([bridge, piano])
    for place in range(STEPS):
        here = notes[notes[:, 0] == place]
        if corrections.sorted_notes:
            here = here[np.lexsort((-here[:, 1], here[:, 2]))]
            here = here[np.unique(here[:, 2], return_index=True)[1]]
        if len(here) > slots - 2:
            if not corrections.guarded:
                raise ValueError(f"step {place} has {len(here)} notes; at most {slots - 2} have a slot")
            low = (slots - 2) // 2
            here = np.concatenate([here[:low], here[low - (slots - 2) :]])
        tree[place, 1 : 1 + len(here), 0] = here[:, 2]
        tree[place, 1 : 1 + len(here), 1:] = bits(here[:, 1])
        tree[place, 1 + len(here), 0] = EOS
    return tree


def bits(lengths: np.ndarray) -> np.ndarray:
    """(notes,) steps, at least 1 -> (notes, DURATION_BITS), of the length less one, the highest first."""
    return (np.clip(lengths, 1, LONGEST)[:, None] - 1 >> np.arange(DURATION_BITS)[::-1]) & 1


def notes_of(tree: np.ndarray, corrections: Corrections) -> np.ndarray:
    """Return the notes of a tree, with SOS or without, up to each step's EOS: (notes, 3)."""
    tree = tree[:, 1:] if (tree[:, 0, 0] == SOS).all() else tree
    rows = []
    for place, step in enumerate(tree if corrections.every_slot else tree[:, :RELEASED_WRITTEN]):
        ends = np.flatnonzero(step[:, 0] == EOS)
        for note in step[: ends[0] if len(ends) else len(step)]:
            if note[0] < PITCHES:
                rows.append((place, 1 + int(note[1:] @ (1 << np.arange(DURATION_BITS)[::-1])), note[0]))
    return np.array(rows, int).reshape(-1, 3)


def roll_of(notes: np.ndarray) -> np.ndarray:
    """Return (STEPS, PITCHES) float32: how many steps the note lasts that begins there."""
    roll = np.zeros((STEPS, PITCHES), np.float32)
    roll[notes[:, 0], notes[:, 2]] = notes[:, 1]
    return roll


def features_of(bridge: np.ndarray, piano: np.ndarray) -> np.ndarray:
    """Return (STEPS, 3) float32: how much of a bass PIANO begins, how many of its notes begin, whether BRIDGE begins one."""
    features = np.zeros((STEPS, 3), np.float32)
    for place in range(STEPS):
        struck = np.unique(piano[piano[:, 0] == place, 2])
        if len(struck):
            features[place, 0] = np.clip((RAMP_END - struck[0]) / (RAMP_END - BASS_PITCH), 0, 1)
            features[place, 1] = len(struck) / MOST_AT_ONCE
    features[bridge[:, 0], 2] = 1
    return features


def masked(roll: np.ndarray, rng: np.random.Generator, corrections: Corrections) -> np.ndarray:
    """Return a roll of which every cell was kept or not, low pitches more seldom."""
    kept = np.repeat(KEPT if corrections.rising_mask else RELEASED_KEPT, np.diff(MASK_EDGES))
    return roll * (rng.random(roll.shape) < kept)


def moved(notes: np.ndarray, shift: int) -> np.ndarray:
    """Return notes higher by semitones; those that leave MIDI's range are dropped."""
    higher = notes + np.array([0, 0, shift])
    return higher[(higher[:, 2] >= 0) & (higher[:, 2] < PITCHES)]


def chords_of(chords: np.ndarray, corrections: Corrections, shift: int | None = None) -> np.ndarray:
    """Return chords as the network is given them: (beats, CHORD), with a class for none -> (beats, chord_size) float32.

    shift: semitones up, in training; None is inference, which as released writes no chord otherwise.
    """
    up = shift or 0
    root, chroma, bass = chords[:, :ROOTS], chords[:, ROOTS : ROOTS + 12], chords[:, ROOTS + 12 :]
    sides = [np.concatenate([np.roll(one[:, :12], up, 1), one[:, 12:]], 1) for one in (root, bass)]
    chroma = np.roll(chroma, up, 1)
    if corrections.no_chord:
        return np.concatenate([sides[0], chroma, sides[1]], 1).astype(np.float32)
    rows = np.concatenate([sides[0][:, :12], chroma, sides[1][:, :12]], 1).astype(np.float32)
    none = root[:, 12] > 0.5
    rows[none] = 0
    if shift is None:
        rows[none, 23] = rows[none, 35] = 1
    else:
        rows[none, (up - 1) % 12] = rows[none, 24 + (up - 1) % 12] = 1
    return rows
