"""From notes to what each head should say at each frame, and how wrong it is.

Frame f covers samples f * frame to (f + 1) * frame. A head that looks ahead D samples speaks at frame f about what was
played D samples earlier, so its targets are those of the notes, moved D samples later. Called by `training`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.transcriber.config import LOWEST_PITCH, PITCHES, TranscriberConfig

ONSET_FRAMES = 2  # an onset is marked in its own frame and the next, so that a decoder may act on the first crossing
OFFSET_FRAMES = 2
WEIGHTS = {"onset": 1.0, "frame": 0.6, "velocity": 120.0, "shift": 0.5, "offset": 0.25, "bend": 1.0, "pedal": 1.0}
ONSET_HEAD_WEIGHTS = (1.0, 2.0, 2.0, 2.0)  # of the first heads, then 1: an early decision is the hardest
POSITIVE_WEIGHT, LOW_POSITIVE_WEIGHT = 2.0, 3.5  # of a frame with an onset against one without
LOW_KEYS = 19  # below E2
COMMON_LEVEL = 0.8
"""How much of a segment's mean velocity error is forgiven: how hard a player strikes cannot be told from how near he sits."""


@dataclass(frozen=True, slots=True)
class Rolls:
    """Targets of one head in one segment: (frames, pitches) float32 each, `pedal` (frames,).

    velocity and shift count where `near` is 1, bend where `frame` is.
    """

    onset: np.ndarray
    frame: np.ndarray
    velocity: np.ndarray
    shift: np.ndarray
    near: np.ndarray
    offset: np.ndarray
    bend: np.ndarray
    pedal: np.ndarray


@dataclass(frozen=True, slots=True)
class Score:
    """What is played in a segment, in samples: notes (n, 4) onset, offset, pitch, velocity; pedal (spans, 2) down, up;
    bend (points, 2) sample, semitones, piecewise linear."""

    notes: np.ndarray
    pedal: np.ndarray
    bend: np.ndarray

    @classmethod
    def nothing(cls) -> Score:
        return cls(np.zeros((0, 4)), np.zeros((0, 2)), np.zeros((0, 2)))


def rolls_of(score: Score, frames: int, frame_samples: int, delay: int = 0) -> Rolls:
    """Mark a score, moved `delay` samples later, on a segment of `frames`."""
    onset, frame, velocity, shift, near, offset, bend = (np.zeros((frames, PITCHES), np.float32) for _ in range(7))
    for start, stop, pitch, strength in score.notes[np.argsort(score.notes[:, 0])]:
        start, stop = start + delay, stop + delay
        column, first = int(pitch) - LOWEST_PITCH, int(np.floor(start / frame_samples))
        last = max(first + 1, round(stop / frame_samples))
        frame[max(0, first) : max(0, last), column] = 1
        offset[max(0, last) : max(0, last + OFFSET_FRAMES), column] = 1
        if not 0 <= first < frames:
            continue
        onset[first : first + ONSET_FRAMES, column] = 1
        around = np.arange(max(0, first - 1), min(frames, first + 3))
        near[around, column] = 1
        velocity[around, column] = strength / 127
        shift[around, column] = start / frame_samples - around
    middle = (np.arange(frames) + 0.5) * frame_samples
    if len(score.bend):
        bend[:] = np.interp(middle, score.bend[:, 0] + delay, score.bend[:, 1])[:, None]
    pedal = np.zeros(frames, np.float32)
    for down, up in score.pedal:
        pedal[(middle >= down + delay) & (middle < up + delay)] = 1
    return Rolls(onset, frame, velocity, shift, near, offset, bend, pedal)


def stack_heads(segments: list[Score], frames: int, config: TranscriberConfig) -> dict[str, Tensor]:
    """Targets of all heads: every entry (batch, frames, heads, pitches), `pedal` (batch, frames, heads)."""
    rolls = [[rolls_of(score, frames, config.frame, delay) for delay in config.look_ahead] for score in segments]
    return {
        name: torch.from_numpy(np.stack([np.stack([getattr(roll, name) for roll in row], 1) for row in rolls]))
        for name in Rolls.__dataclass_fields__
    }


def loss_of(
    logits: dict[str, Tensor], targets: dict[str, Tensor], shift_reach: float, bend_reach: float
) -> dict[str, Tensor]:
    """Each part of the loss, summed over pitches, averaged over batch, frames and heads, weighted."""
    near, scale = targets["near"], 1 / targets["near"][..., 0].numel()
    positive = torch.full((PITCHES,), POSITIVE_WEIGHT)
    positive[:LOW_KEYS] = LOW_POSITIVE_WEIGHT
    binary = functional.binary_cross_entropy_with_logits
    heads = torch.ones(logits["onset"].shape[2], 1)
    early = torch.tensor(ONSET_HEAD_WEIGHTS[: len(heads)])
    heads[: len(early), 0] = early
    logits = {name: value.float() for name, value in logits.items()}
    error = near * (torch.sigmoid(logits["velocity"]) - targets["velocity"])
    struck = near.sum((1, 3), keepdim=True).clamp(min=1)  # (batch, 1, heads, 1)
    relative = near * (error - COMMON_LEVEL * error.sum((1, 3), keepdim=True) / struck)
    held = targets["frame"] * (bend_reach * torch.tanh(logits["bend"]) - targets["bend"]).abs()
    parts = {
        "onset": binary(
            logits["onset"], targets["onset"], heads.expand(-1, PITCHES), reduction="sum", pos_weight=positive
        ),
        "frame": binary(logits["frame"], targets["frame"], reduction="sum"),
        "offset": binary(
            logits["offset"], targets["offset"], pos_weight=torch.tensor(POSITIVE_WEIGHT), reduction="sum"
        ),
        "velocity": (relative**2).sum(),
        "shift": (near * (shift_reach * torch.tanh(logits["shift"]) - targets["shift"]).abs()).sum(),
        "bend": held.sum(),
        "pedal": binary(logits["pedal"], targets["pedal"], reduction="sum"),
    }
    return {name: WEIGHTS[name] * scale * value for name, value in parts.items()}
