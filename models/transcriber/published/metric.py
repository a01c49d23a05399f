"""The paper's scores, kept as they are so that its figures can be compared, and the field's own by mir_eval.

The paper's: notes are runs of a roll; found notes are matched greedily in order, each with the first free reference note
of its row whose onset lies within 2 frames (46 ms; the paper says 50) and whose duration differs by at most 20 %, with no
floor: a note of four frames must be right to the frame. Bins are compared one by one. Counts are summed over all crops.

The release passes the reference, which is 0 and 1, through a sigmoid before it meets the threshold (`released_reference`),
so it is 0.5 and 0.731: with a threshold from 0.731 on there is no reference at all, and below 0.5 every bin is one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from models.transcriber.published.decode import activations, runs
from models.transcriber.published.features import HOP, SAMPLE_RATE

ONSET_TOLERANCE_FRAMES = int(0.05 * SAMPLE_RATE / HOP)  # 2
DURATION_TOLERANCE = 0.2


@dataclass(frozen=True, slots=True)
class Counts:
    """What was right, found too much and missed; adds up over crops."""

    right: int = 0
    extra: int = 0
    missed: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.right + other.right, self.extra + other.extra, self.missed + other.missed)

    @property
    def precision(self) -> float:
        return self.right / max(1, self.right + self.extra)

    @property
    def recall(self) -> float:
        return self.right / max(1, self.right + self.missed)

    @property
    def f1(self) -> float:
        return 2 * self.right / max(1, 2 * self.right + self.extra + self.missed)


def total(counts: Iterable[Counts]) -> Counts:
    """Return the sum."""
    return sum(counts, Counts())


def released_reference(reference: np.ndarray, threshold: float) -> np.ndarray:
    """Return the bins of a reference (rows, frames) bool that the release would call sounding at this threshold."""
    return activations(reference.astype(np.float64)) > threshold


def score_notes(reference: np.ndarray, found: np.ndarray) -> Counts:
    """Count the notes of `found` (notes, 3) row, first, last that match the runs of `reference` (rows, frames) bool."""
    free = [(int(row), int(first), int(last)) for row, first, last in runs(reference)]
    true_count, right = len(free), 0
    for row, first, last in sorted(map(tuple, found.tolist())):
        for candidate in free:
            duration = candidate[2] - candidate[1]
            if (
                candidate[0] == row
                and abs(candidate[1] - first) <= ONSET_TOLERANCE_FRAMES
                and abs(last - first - duration) <= DURATION_TOLERANCE * duration
            ):
                free.remove(candidate)
                right += 1
                break
    return Counts(right, len(found) - right, true_count - right)


def score_bins(reference: np.ndarray, found: np.ndarray) -> Counts:
    """Count bins of two (rows, frames) bool rolls."""
    return Counts(int((reference & found).sum()), int((~reference & found).sum()), int((reference & ~found).sum()))


def standard_counts(reference: np.ndarray, found: np.ndarray) -> dict[str, Counts]:
    """Return `onset` (within 50 ms) and `note` (its offset too, within 20 % and at least 50 ms) by mir_eval.

    Both are (notes, 4): onset and offset seconds, pitch, velocity.
    """
    import mir_eval

    if not (len(reference) and len(found)):
        return dict.fromkeys(("onset", "note"), Counts(0, len(found), len(reference)))
    arguments = [part for notes in (reference, found) for part in (notes[:, :2], mir_eval.util.midi_to_hz(notes[:, 2]))]
    matched = {
        "onset": mir_eval.transcription.match_notes(*arguments, offset_ratio=None),
        "note": mir_eval.transcription.match_notes(*arguments),
    }
    return {
        name: Counts(len(pairs), len(found) - len(pairs), len(reference) - len(pairs))
        for name, pairs in matched.items()
    }
