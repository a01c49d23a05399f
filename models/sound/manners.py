"""What an instrument makes of notes written for another: its range, its voices, its articulation and its timing.

Notes are (notes, 4) float64 as in `Performance.notes`; every function returns new ones. Called by `general`.
"""

from __future__ import annotations

import numpy as np

from models.sound.performance import tidy

TOGETHER_SECONDS = 0.04  # notes struck within this time are one chord
LONGEST_REST_SECONDS = 2.0


def into_range(notes: np.ndarray, lowest: int, highest: int, rng: np.random.Generator) -> np.ndarray:
    """Transpose into the range, its middle likelier than its ends; what still sticks out is folded by octaves."""
    notes = notes.copy()
    if not len(notes):
        return notes
    middle = lowest + (highest - lowest) * rng.uniform(0.25, 0.75)
    pitch = notes[:, 2] + round(middle - float(np.median(notes[:, 2])))
    pitch += 12 * np.ceil(np.maximum(lowest - pitch, 0) / 12)
    pitch -= 12 * np.ceil(np.maximum(pitch - highest, 0) / 12)
    notes[:, 2] = pitch
    return tidy(notes[pitch >= lowest])


def one_voice(notes: np.ndarray) -> np.ndarray:
    """Keep the highest of what is struck together, and end every note where the next begins."""
    if not len(notes):
        return notes
    line = [group[np.argmax(group[:, 2])] for group in chords_of(notes)]
    voice = np.array(line)
    voice[:-1, 1] = np.minimum(voice[:-1, 1], voice[1:, 0])
    return voice


def articulate(notes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Give a line an articulation: as written, tied over by up to 40 ms, detached, or short.

    Notes are at least 60 ms, and tied ones do not bridge rests of more than half a second.
    """
    notes, manner = notes.copy(), int(rng.choice(4, p=[0.35, 0.3, 0.2, 0.15]))
    if len(notes) < 2 or manner == 0:
        return notes
    following = np.append(notes[1:, 0], notes[-1, 1])
    gap = following - notes[:, 0]
    length = notes[:, 1] - notes[:, 0]
    if manner == 1:
        tied = following - notes[:, 1] < 0.5
        length = np.where(tied, gap + rng.uniform(-0.01, 0.04, len(notes)), length)
    elif manner == 2:
        length = np.minimum(length, gap) * rng.uniform(0.5, 0.95, len(notes))
    else:
        length = np.minimum(length, rng.uniform(0.07, 0.25)) * rng.uniform(0.8, 1.2, len(notes))
    notes[:, 1] = notes[:, 0] + np.maximum(length, 0.06)
    return notes


def limit_voices(notes: np.ndarray, voices: int) -> np.ndarray:
    """Thin chords of too many notes (their outer notes stay), and end the oldest when one more begins."""
    if not len(notes):
        return notes
    thinned = []
    for group in chords_of(notes):
        order = np.argsort(group[:, 2])
        kept = order if len(group) <= voices else np.append(order[: voices - 1], order[-1])
        thinned.append(group[np.sort(kept)])
    rows = np.concatenate(thinned)
    sounding: list[int] = []
    for index, (onset, _, _, _) in enumerate(rows):
        sounding = [held for held in sounding if rows[held, 1] > onset]
        if len(sounding) == voices:
            oldest = sounding.pop(0)
            rows[oldest, 1] = max(onset, rows[oldest, 0] + 0.03)
        sounding.append(index)
    return rows


def strum(notes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Spread each chord over 5 to 30 ms, downwards or upwards, and let it ring to about the next."""
    played, groups = [], chords_of(notes)
    down_share, ring = rng.uniform(0.4, 1), rng.uniform(0.5, 1)
    for group, following in zip(groups, [*groups[1:], None][: len(groups)], strict=True):
        chord = group[np.argsort(group[:, 2])]
        order = np.arange(len(chord)) if rng.random() < down_share else np.arange(len(chord))[::-1]
        chord[:, 0] = chord[:, 0].min() + order / max(1, len(chord) - 1) * rng.uniform(0.005, 0.03)
        if following is not None:
            chord[:, 1] = chord[:, 0] + np.clip(ring * (following[:, 0].min() - chord[:, 0].min()), 0.08, 4)
        played.append(chord)
    return np.concatenate(played) if played else notes


def arpeggiate(notes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Play each chord one note after another, up, down or mixed, all ringing until the next chord."""
    played, gap = [], rng.uniform(0.09, 0.3)
    groups = [group for group in chords_of(notes) if len(group) > 1]
    for group, following in zip(groups, [*groups[1:], None][: len(groups)], strict=True):
        start = float(group[:, 0].min())
        end = min(float(following[:, 0].min()) if following is not None else start + 2, start + 4)
        chord = group[np.argsort(group[:, 2])]
        pattern = [chord, chord[::-1], rng.permutation(chord)][int(rng.integers(3))]
        for step, onset in enumerate(np.arange(start, end - 0.06, gap)):
            note = pattern[step % len(pattern)].copy()
            note[:2] = onset, max(end, onset + 0.08)
            played.append(note)
    return tidy(np.array(played)) if played else np.zeros((0, 4))


def sustain(notes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Hold every note to the next change of harmony, at least half a second, as choirs and strings do."""
    onsets = np.array([group[:, 0].min() for group in chords_of(notes)])
    wanted = notes[:, 0] + np.maximum(notes[:, 1] - notes[:, 0], rng.uniform(0.3, 1.2))
    after = np.append(onsets, np.inf)[np.searchsorted(onsets, wanted)]
    held = notes.copy()
    held[:, 1] = np.where(after - wanted < 0.4, after, wanted) + rng.uniform(-0.03, 0.03, len(notes))
    return tidy(held)


def humanise(notes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change tempo, timing and touch: accents, a swell over some seconds, a softer or louder player."""
    notes = notes.copy()
    notes[:, :2] *= np.exp(rng.uniform(np.log(0.75), np.log(1.35)))
    shift = rng.normal(0, rng.uniform(0.002, 0.012), len(notes))
    notes[:, :2] += np.maximum(shift, -notes[:, 0])[:, None]
    swell = rng.uniform(0, 18) * np.sin(2 * np.pi * (notes[:, 0] / rng.uniform(3, 12) + rng.random()))
    level = np.clip(notes[:, 3] - notes[:, 3].mean(), -25, 25) if len(notes) else notes[:, 3]
    notes[:, 3] = rng.uniform(45, 105) + level + swell + rng.normal(0, 7, len(notes))
    return tidy(notes)


def shorten_rests(notes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Make rests of more than LONGEST_REST_SECONDS shorter: an instrument of many waits long for its turn."""
    if len(notes) < 2:
        return notes
    rests = notes[1:, 0] - np.maximum.accumulate(notes[:-1, 1])
    surplus = np.maximum(rests - rng.uniform(0.3, LONGEST_REST_SECONDS, len(rests)), 0)
    shift = np.append(0, np.cumsum(np.where(rests > LONGEST_REST_SECONDS, surplus, 0)))
    return notes - np.stack([shift, shift, 0 * shift, 0 * shift], 1)


def chords_of(notes: np.ndarray) -> list[np.ndarray]:
    """Split sorted notes into groups (notes, 4) that are struck together; they are copies."""
    if not len(notes):
        return []
    return [group.copy() for group in np.split(notes, np.flatnonzero(np.diff(notes[:, 0]) > TOGETHER_SECONDS) + 1)]
