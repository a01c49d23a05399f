"""Notes and chords as the network's arrays, and the same moved by semitones: how a song is learnt in every key."""

import numpy as np

from models.arranger.config import KEYS, LONGEST, LOWEST_KEY, ROOTS, SLOTS


def cells(notes: np.ndarray, long: int) -> np.ndarray:
    """Return (long, SLOTS, 2) int8 of notes (n, 4) as `songs.steps` gives them: keys from the lowest up, -1 for none, and lengths.

    Of more than SLOTS notes on a step the lowest and the highest stay.
    """
    out = np.full((long, SLOTS, 2), -1, np.int8)
    inside = (notes[:, 0] >= 0) & (notes[:, 0] < long) & (notes[:, 2] >= LOWEST_KEY) & (notes[:, 2] < LOWEST_KEY + KEYS)
    notes = notes[inside]
    notes = notes[np.lexsort((-notes[:, 1], notes[:, 2], notes[:, 0]))]
    same = np.zeros(len(notes), bool)
    same[1:] = (np.diff(notes[:, 0]) == 0) & (np.diff(notes[:, 2]) == 0)
    notes = notes[~same]
    begins = np.searchsorted(notes[:, 0], np.arange(long + 1))
    for step in np.flatnonzero(np.diff(begins)):
        here = notes[begins[step] : begins[step + 1]]
        if len(here) > SLOTS:
            here = np.concatenate([here[: SLOTS // 2], here[-(SLOTS - SLOTS // 2) :]])
        out[step, : len(here), 0] = here[:, 2] - LOWEST_KEY
        out[step, : len(here), 1] = np.minimum(here[:, 1], LONGEST)
    return out


def top(notes: np.ndarray, long: int) -> np.ndarray:
    """Return (long,) int8: the highest key that begins on each step, or -1."""
    return cells(notes, long)[:, :, 0].max(1)


def move(notes: np.ndarray, shift: int) -> np.ndarray:
    """Return notes (n, 4) moved by semitones."""
    return notes + np.array([0, 0, shift, 0])


def move_chords(chords: np.ndarray, shift: int) -> np.ndarray:
    """Return chords (…, CHORD) moved by semitones; no chord stays none."""
    out, basses = chords.copy(), ROOTS + 12
    for first in (0, ROOTS, basses):
        out[..., first : first + 12] = np.roll(chords[..., first : first + 12], shift, -1)
    return out


def move_heard(heard: np.ndarray, shift: int) -> np.ndarray:
    """Return what was heard, (…, keys), moved by semitones; what leaves the keyboard goes."""
    out = np.zeros_like(heard)
    if shift > 0:
        out[..., shift:] = heard[..., :-shift]
    else:
        out[..., :shift] = heard[..., -shift:]
    return out


def move_keys(keys: np.ndarray, shift: int) -> np.ndarray:
    """Return keys, -1 for none, moved by semitones and kept on the keyboard."""
    return np.where(keys < 0, -1, np.clip(keys + shift, 0, KEYS - 1))


def move_notes(notes: np.ndarray, shift: int) -> np.ndarray:
    """Return notes (…, SLOTS, 2) moved by semitones; those that leave the keyboard go, and the ones after them move up."""
    if not shift:
        return notes
    keys, lengths = notes[..., 0], notes[..., 1]
    keys = np.where(keys < 0, -1, keys + shift)
    there = (keys >= 0) & (keys < KEYS)
    moved = np.stack([np.where(there, keys, -1), np.where(there, lengths, -1)], -1)
    order = np.argsort(~there, -1, kind="stable")
    return np.take_along_axis(moved, order[..., None], -2)
