"""How well a published network does on crops, and the thresholds at which it does best.

Scores are the paper's and, of the same notes, mir_eval's. Called by `training`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from models.transcriber.published.corrections import Corrections
from models.transcriber.published.decode import Thresholds, active_bins, decode_notes, to_seconds
from models.transcriber.published.features import CROP_SECONDS, levels
from models.transcriber.published.material import Crops
from models.transcriber.published.metric import (
    Counts,
    released_reference,
    score_bins,
    score_notes,
    standard_counts,
    total,
)  # fmt: skip
from models.transcriber.published.network import PublishedNetwork
from models.transcriber.published.targets import rolls
from models.transcriber.published.transcription import hear

NOTE_THRESHOLDS = tuple(round(0.2 + 0.05 * step, 2) for step in range(15))  # 0.2 to 0.9
ONSET_THRESHOLDS = (0.5, 0.7, 0.8, 0.9, 0.95, 1.0)  # 1: no onset is believed
SHORTEST = (1, 3, 5, 8)  # frames


@dataclass(frozen=True, slots=True)
class Heard:
    """Crops as a network heard them: logits and sounding rolls (crops, 88, frames), and the notes they hold, seconds."""

    note: np.ndarray
    onset: np.ndarray
    sounding: np.ndarray
    notes: tuple[np.ndarray, ...]


def hear_crops(network: PublishedNetwork, crops: Crops) -> Heard:
    """Run the network over crops."""
    logits = hear(network, levels(crops.magnitudes, network.corrections))
    sounding = np.stack([rolls(notes, 0.0, network.corrections)[0] for notes in crops.notes])
    return Heard(logits["note"], logits["onset"], sounding, crops.notes)


def calibrate(heard: Heard, corrections: Corrections) -> Thresholds:
    """Return the thresholds of the best note F1 by the paper's score; the release's own if they are not to be chosen."""
    if not corrections.calibrated_thresholds:
        return Thresholds()
    onsets, shortest = (ONSET_THRESHOLDS, SHORTEST) if corrections.onsets_used else ((1.0,), (1,))
    frames = [Thresholds(note, 1.0, 1) for note in NOTE_THRESHOLDS]
    best = sorted(frames, key=lambda choice: note_counts(heard, choice, corrections).f1)[-3:]
    choices = [Thresholds(choice.note, *rest) for choice in best for rest in product(onsets, shortest)]
    return max(choices, key=lambda choice: note_counts(heard, choice, corrections).f1)


def note_counts(heard: Heard, thresholds: Thresholds, corrections: Corrections) -> Counts:
    """Count notes by the paper's score, which compares probabilities even where the release's MIDI path does not."""
    scored = replace(corrections, probability_threshold=True)
    found = (decode_notes(note, onset, thresholds, scored) for note, onset in zip(heard.note, heard.onset, strict=True))
    return total(map(score_notes, _references(heard, thresholds, corrections), found))


def measure(heard: Heard, thresholds: Thresholds, corrections: Corrections) -> dict[str, dict[str, float]]:
    """Return precision, recall and F1 of `note` and `bin` (the paper's) and `standard_onset`, `standard_note` (mir_eval)."""
    scored = replace(corrections, probability_threshold=True)
    active = (active_bins(note, thresholds.note, scored) for note in heard.note)
    counts = {
        "note": note_counts(heard, thresholds, corrections),
        "bin": total(map(score_bins, _references(heard, thresholds, corrections), active)),
    }
    standard = []
    for note, onset, reference in zip(heard.note, heard.onset, heard.notes, strict=True):
        inside = np.concatenate([np.clip(reference[:, :2], 0, CROP_SECONDS), reference[:, 2:]], 1)
        found = to_seconds(decode_notes(note, onset, thresholds, scored), corrections)
        standard.append(standard_counts(inside, found))
    counts |= {f"standard_{name}": total(part[name] for part in standard) for name in ("onset", "note")}
    return {
        name: {"precision": round(c.precision, 4), "recall": round(c.recall, 4), "f1": round(c.f1, 4)}
        for name, c in counts.items()
    }


def _references(heard: Heard, thresholds: Thresholds, corrections: Corrections) -> Iterator[np.ndarray]:
    for reference in heard.sounding:
        yield reference if corrections.plain_reference else released_reference(reference, thresholds.note)
