"""How near an arrangement is to a human one, on the grid of sixteenths. NumPy and SciPy only.

Notes are (n, 3) int arrays: step, length in steps, MIDI pitch.
"""

from __future__ import annotations

import numpy as np

from models.arranger.config import BAR, LOWEST_KEY, ROOTS, SIXTEENTHS

HIGHEST_BASS = 55  # MIDI pitch up to which a step's lowest note counts as its bass: G3
LOWEST_TOP = 60  # MIDI pitch from which a note can be of the top line


def notes_of_cells(cells: np.ndarray) -> np.ndarray:
    """Return the notes of cells (steps, SLOTS, 2): keys from 0, or -1, and lengths."""
    step, slot = np.nonzero(cells[..., 0] >= 0)
    here = cells[step, slot].astype(int)
    return np.stack([step, here[:, 1], here[:, 0] + LOWEST_KEY], 1).reshape(-1, 3)


def f1(true: set, made: set) -> float:  # type: ignore[type-arg]  # of anything that can be compared
    """Return the F1 of made against true; 1 where both are empty."""
    if not true and not made:
        return 1.0
    return 2 * len(true & made) / (len(true) + len(made))


def onset_f1(true: np.ndarray, made: np.ndarray) -> float:
    """Return the F1 of (step, pitch): a note is right where one of its pitch begins on its step, however long."""
    return f1(_pairs(true), _pairs(made))


def bass_onset_f1(true: np.ndarray, made: np.ndarray) -> float:
    """Return the F1 of the steps on which a bass begins: the lowest note that begins there is HIGHEST_BASS or lower."""
    return f1(_basses(true), _basses(made))


def melody_onset_f1(true: np.ndarray, made: np.ndarray) -> float:
    """Return the F1 of the steps on which the top line of `made` begins a note, against given steps (n,) at which the melody does."""
    return f1(set(true.tolist()), set(top_line(made).tolist()))


def top_line(notes: np.ndarray) -> np.ndarray:
    """Return the steps of the top line: its notes are from LOWEST_TOP up, the highest that begin on their step, and no higher one
    sounds on from before."""
    ends: dict[int, int] = {}
    steps = []
    for step in np.unique(notes[:, 0]):
        here = notes[notes[:, 0] == step]
        highest = int(here[:, 2].max())
        ends = {pitch: end for pitch, end in ends.items() if end > step}
        if highest >= LOWEST_TOP and all(pitch <= highest for pitch in ends):
            steps.append(int(step))
        for _, length, pitch in here.tolist():
            ends[pitch] = max(ends.get(pitch, 0), int(step) + length)
    return np.array(steps, int)


def chord_tone_ratio(notes: np.ndarray, chords: np.ndarray) -> float:
    """Return the share of notes that are tones of the chord on their beat: chords (beats, CHORD), 0 or 1. Beats without a chord do
    not count; nan where no note does."""
    beats = notes[:, 0] // SIXTEENTHS
    notes, beats = notes[beats < len(chords)], beats[beats < len(chords)]
    tones = chords[beats, ROOTS : ROOTS + 12] > 0.5
    counts = tones.any(1)
    right = tones[np.arange(len(notes)), notes[:, 2] % 12]
    return float(right[counts].mean()) if counts.any() else float("nan")


def notes_a_bar(notes: np.ndarray, bars: int) -> np.ndarray:
    """Return (bars,): how many notes begin in each."""
    return np.bincount(notes[:, 0] // BAR, minlength=bars)[:bars]


def ranges(notes: np.ndarray, bars: int) -> np.ndarray:
    """Return semitones between the highest and the lowest note that begin in a bar, of the bars that have any."""
    of = notes[:, 0] // BAR
    pitches = [notes[of == bar, 2] for bar in range(bars)]
    return np.array([values.max() - values.min() for values in pitches if len(values)], int)


def distance(true: np.ndarray, made: np.ndarray) -> float:
    """Return the Wasserstein distance of two samples; the whole mean of the other where one is empty."""
    from scipy.stats import wasserstein_distance

    if not len(true) or not len(made):
        return float(np.mean(true)) if len(true) else float(np.mean(made)) if len(made) else 0.0
    return float(wasserstein_distance(true, made))


def groove_cosine(true: np.ndarray, made: np.ndarray, bars: int) -> float:
    """Return the mean over bars of the cosine of how many notes begin on each step; bars that are empty in `true` do not count."""
    a, b = (np.bincount(notes[:, 0], minlength=bars * BAR)[: bars * BAR].reshape(bars, BAR) for notes in (true, made))
    counts = a.any(1)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosine = (a * b).sum(1) / np.maximum(lengths, 1e-9)
    return float(cosine[counts].mean()) if counts.any() else float("nan")


def _pairs(notes: np.ndarray) -> set[tuple[int, int]]:
    return {(int(step), int(pitch)) for step, _, pitch in notes.tolist()}


def _basses(notes: np.ndarray) -> set[int]:
    return {int(step) for step, _, pitch in notes.tolist() if pitch <= HIGHEST_BASS}
