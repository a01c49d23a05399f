"""Activations of a crop or a recording to notes, in frames and in seconds.

As released, a note is a run of frames above one threshold; put right, onsets begin notes too. Works on whole arrays, so
it is no live decoder. Called by `validation` and `transcription`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from models.transcriber.published.corrections import Corrections
from models.transcriber.published.features import HOP, LOWEST_PITCH, SAMPLE_RATE

RELEASED_THRESHOLD = 0.6
RELEASED_VELOCITY = 100  # the network says nothing about how hard a key was struck
EARLY = 2  # frames: an onset may lie this far before its note's frames begin, or into them and still be their beginning


@dataclass(frozen=True, slots=True)
class Thresholds:
    """note, onset: activations from which a frame counts; shortest: frames that a note without an onset must last."""

    note: float = RELEASED_THRESHOLD
    onset: float = RELEASED_THRESHOLD
    shortest: int = 1

    def to_json(self) -> dict[str, float]:
        return asdict(self)


def activations(logits: np.ndarray) -> np.ndarray:
    """Return probabilities of any shape."""
    return 1 / (1 + np.exp(-np.clip(logits, -60, 60)))


def active_bins(logits: np.ndarray, threshold: float, corrections: Corrections) -> np.ndarray:
    """Return where (rows, frames) is on; uncorrected, a logit itself is compared with the threshold."""
    return (activations(logits) if corrections.probability_threshold else logits) > threshold


def runs(active: np.ndarray) -> np.ndarray:
    """Return (runs, 3) int64: row, first frame, frame after the last; by row and time."""
    edges = np.diff(np.pad(active.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    rows, first = np.nonzero(edges == 1)
    return np.stack([rows, first, np.nonzero(edges == -1)[1]], 1)


def decode_notes(
    note_logits: np.ndarray, onset_logits: np.ndarray, thresholds: Thresholds, corrections: Corrections
) -> np.ndarray:
    """Return (notes, 3) int64: row, first frame, frame after the last; both logits are (rows, frames)."""
    sounding = runs(active_bins(note_logits, thresholds.note, corrections))
    if not corrections.onsets_used:
        return sounding
    struck = _onset_peaks(onset_logits, thresholds.onset, corrections)
    notes: list[tuple[int, int, int]] = []
    for row, first, last in sounding.tolist():
        earliest = max(0, first - EARLY)
        if notes and notes[-1][0] == row:
            earliest = max(earliest, notes[-1][2])
        onsets = [earliest + int(index) for index in np.flatnonzero(struck[row, earliest:last])]
        begins = onsets if onsets and onsets[0] <= first + EARLY else [first, *onsets]
        for begin, end in zip(begins, [*begins[1:], last], strict=True):
            if begin in onsets or begin == 0 or end - begin >= thresholds.shortest:
                notes.append((row, begin, end))
    return np.array(notes, np.int64).reshape(-1, 3)


def to_seconds(notes: np.ndarray, corrections: Corrections) -> np.ndarray:
    """Return (notes, 4) float64: onset and offset in seconds, pitch, velocity, by onset; from (notes, 3) frames."""
    late = 0.5 if corrections.centred_times else 0.0
    onsets, offsets = notes[:, 1] + late, notes[:, 2] - late
    frames = np.stack([onsets, np.maximum(offsets, onsets + 0.5)], 1)
    seconds = np.where(frames == late, 0.0, frames) * HOP / SAMPLE_RATE  # what sounds at the first sample begins there
    columns = [seconds, notes[:, :1] + LOWEST_PITCH, np.full((len(notes), 1), RELEASED_VELOCITY)]
    found = np.concatenate(columns, 1).astype(np.float64)
    return found[np.lexsort((found[:, 2], found[:, 0]))]


def _onset_peaks(logits: np.ndarray, threshold: float, corrections: Corrections) -> np.ndarray:
    """Where an onset activation is above the threshold and the highest within EARLY frames; the first of equals."""
    around = np.pad(logits, ((0, 0), (EARLY, EARLY)), constant_values=-np.inf)
    width = logits.shape[1]
    before = np.max([around[:, k : k + width] for k in range(EARLY)], axis=0)
    after = np.max([around[:, EARLY + 1 + k : EARLY + 1 + k + width] for k in range(EARLY)], axis=0)
    return active_bins(logits, threshold, corrections) & (logits > before) & (logits >= after)
