"""From notes to what each head should say at each frame, and how wrong it is.

Frame f covers samples f * hop to (f + 1) * hop. A head with look-ahead k speaks at frame t about frame t - k, so its
targets are the same rolls, k frames later. Called by `training`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.transcriber.config import LOWEST_PITCH, PITCHES

ONSET_FRAMES = 2  # an onset is marked in its own frame and the next, so that a decoder may act on the first crossing
ONSET_WEIGHT, FRAME_WEIGHT, VELOCITY_WEIGHT, SHIFT_WEIGHT = 1.0, 0.35, 4.0, 0.35
POSITIVE_WEIGHT = 2.0  # of a frame with an onset against one without


@dataclass(frozen=True, slots=True)
class Rolls:
    """Targets of one segment, each (frames, pitches) float32; velocity and shift count where `near` is 1."""

    onset: np.ndarray
    frame: np.ndarray
    velocity: np.ndarray
    shift: np.ndarray
    near: np.ndarray


def rolls_of(notes: np.ndarray, frames: int, hop: int) -> Rolls:
    """Mark notes (notes, 4), onset and offset in samples, pitch, velocity 1..127, on a segment of `frames`."""
    onset, frame, velocity, shift, near = (np.zeros((frames, PITCHES), np.float32) for _ in range(5))
    for start, stop, pitch, strength in notes[np.argsort(notes[:, 0])]:
        column, first = int(pitch) - LOWEST_PITCH, int(np.floor(start / hop))
        last = max(first + 1, round(stop / hop))
        frame[max(0, first) : max(0, last), column] = 1
        if not 0 <= first < frames:
            continue
        onset[first : first + ONSET_FRAMES, column] = 1
        around = np.arange(max(0, first - 1), min(frames, first + 3))
        near[around, column] = 1
        velocity[around, column] = strength / 127
        shift[around, column] = start / hop - around
    return Rolls(onset, frame, velocity, shift, near)


def stack_heads(segments: list[Rolls], look_ahead_hops: tuple[int, ...]) -> dict[str, Tensor]:
    """Delay each roll by each head's look-ahead: every entry (batch, frames, heads, pitches)."""
    stacked = {}
    for name in ("onset", "frame", "velocity", "shift", "near"):
        roll = torch.from_numpy(np.stack([getattr(segment, name) for segment in segments]))
        frames = roll.shape[1]
        stacked[name] = torch.stack([functional.pad(roll, (0, 0, k, 0))[:, :frames] for k in look_ahead_hops], 2)
    return stacked


def loss_of(logits: dict[str, Tensor], targets: dict[str, Tensor], shift_reach: float) -> dict[str, Tensor]:
    """Each part of the loss, summed over pitches, averaged over batch, frames and heads, weighted."""
    near, scale = targets["near"], 1 / targets["near"][..., 0].numel()
    onset = functional.binary_cross_entropy_with_logits(
        logits["onset"].float(), targets["onset"], pos_weight=torch.tensor(POSITIVE_WEIGHT), reduction="sum"
    )
    frame = functional.binary_cross_entropy_with_logits(logits["frame"].float(), targets["frame"], reduction="sum")
    velocity = (near * (torch.sigmoid(logits["velocity"].float()) - targets["velocity"]) ** 2).sum()
    shift = (near * (shift_reach * torch.tanh(logits["shift"].float()) - targets["shift"]).abs()).sum()
    return {
        "onset": ONSET_WEIGHT * scale * onset,
        "frame": FRAME_WEIGHT * scale * frame,
        "velocity": VELOCITY_WEIGHT * scale * velocity,
        "shift": SHIFT_WEIGHT * scale * shift,
    }
