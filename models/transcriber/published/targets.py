"""What the network should say about a crop, and the loss between that and what it says.

Notes and pitches of a piano are the same bins, so one roll is the target of both. Called by `material` and `training`.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor, where
from torch.nn.functional import binary_cross_entropy_with_logits

from models.transcriber.published.corrections import Corrections
from models.transcriber.published.features import CROP_FRAMES, HOP, LOWEST_PITCH, ROWS, SAMPLE_RATE

POSITIVE_WEIGHTS = {"pitch": 0.5, "note": 0.5, "onset": 0.9}  # as published
ONSET_WEIGHT = 0.95  # with true class weights: one bin in three hundred is an onset


def rolls(notes: np.ndarray, start_seconds: float, corrections: Corrections) -> tuple[np.ndarray, np.ndarray]:
    """Return sounding and onset rolls, (ROWS, CROP_FRAMES) bool each, of the crop at `start_seconds`.

    notes: (notes, 4) onset and offset seconds, pitch, velocity. A note fills the frames from the one in which it begins
    to the one in which it ends.
    """
    sounding, onset = np.zeros((2, ROWS, CROP_FRAMES), bool)
    for begin, end, pitch, _ in notes:
        first = int(np.floor((begin - start_seconds) * SAMPLE_RATE / HOP))
        last = int(np.ceil((end - start_seconds) * SAMPLE_RATE / HOP))
        row = int(pitch) - LOWEST_PITCH
        if last <= 0 or first >= CROP_FRAMES or not 0 <= row < ROWS:
            continue
        sounding[row, max(0, first) : last] = True
        if first >= 0 or not corrections.struck_onsets:
            onset[row, max(0, first)] = True
    return sounding, onset


def published_loss(
    logits: dict[str, Tensor], sounding: Tensor, onset: Tensor, smoothing: float, corrections: Corrections
) -> dict[str, Tensor]:
    """Return the three weighted cross-entropies whose sum is the loss; all tensors (batch, ROWS, frames)."""
    targets = {"pitch": sounding, "note": sounding, "onset": onset}
    weights = dict(POSITIVE_WEIGHTS)
    if corrections.true_class_weights:
        weights["onset"] = ONSET_WEIGHT
    return {
        name: weighted_cross_entropy(logits[name], target.float(), weights[name], smoothing, corrections)
        for name, target in targets.items()
    }


def weighted_cross_entropy(
    logits: Tensor, target: Tensor, positive_weight: float, smoothing: float, corrections: Corrections
) -> Tensor:
    """Return one weighted binary cross-entropy. A smoothed target is `target * (1 - smoothing) + smoothing / 2`."""
    smoothed = target * (1 - smoothing) + 0.5 * smoothing
    positive = (target if corrections.mask_before_smoothing else smoothed) != 0
    entropy = binary_cross_entropy_with_logits(logits, smoothed, reduction="none")
    if corrections.true_class_weights:
        weight = where(positive, positive_weight, 1 - positive_weight)
        return (weight * entropy).sum() / weight.sum()
    negative = ~positive
    mean_positive = (entropy * positive).sum() / positive.sum().clamp(min=1)
    mean_negative = (entropy * negative).sum() / negative.sum().clamp(min=1)
    return positive_weight * mean_positive + (1 - positive_weight) * mean_negative
