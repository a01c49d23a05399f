"""The course of a training: where the texture comes from moves from the score to the audio, in stages, as published.

first: the piano's score whole, with audio and chords. second: the score loses more and more of its cells, low ones first. third:
the score is gone but for a few windows, which keep it in use for style transfer; in its place comes a draw from the prior (3a) or
what was played before (3b). The supervised networks have no stages. Stages are shares of the run.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from models.arranger.config import KEYS, LOWEST_KEY

FIRST, SECOND = 0.10, 0.25  # shares of the run at which these stages end
KEPT = (
    (40, 0.1),
    (50, 0.3),
    (60, 0.6),
    (128, 0.7),
)  # up to this MIDI pitch, the share of cells that stay: as was meant
TEXTURED = 0.12  # of the third stage's windows
UNPROMPTED = 0.05
OWN = 0.5  # of the prompted windows have what the network itself wrote
SPOILED = 0.5  # of the others have a spoiled prompt
WARM_UP = 100  # steps
RATE, LAST_RATE = 2e-3, 0.02  # of Adam, and what is left of it


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a step is like. textured: share of windows with a score. lost: how far the masking has come, 0..1. prior, prompted:
    whether the windows without a score get a draw from the prior, or a prompt. chord, audio, symbol: weights of the latents' KL
    terms, each a mean over its values."""

    stage: str
    textured: float
    lost: float
    prior: bool
    prompted: bool
    chord: float
    audio: float
    symbol: float


def lesson(variant: str, share: float) -> Lesson:
    """Return what comes at a share 0..1 of a run."""
    if variant == "supervised":
        return Lesson("only", 0.0, 0.0, False, False, 0.0, 0.0, 0.0)
    if variant == "supervised_kl":
        return Lesson("only", 0.0, 0.0, False, False, 0.0, ramp(0.0, 0.01, share / FIRST), 0.0)
    if share < FIRST:
        weight = ramp(0.0, 0.01, share / FIRST)
        return Lesson("first", 1.0, 0.0, False, False, weight, weight, weight)
    if share < SECOND:
        done = (share - FIRST) / (SECOND - FIRST)
        return Lesson("second", 1.0, min(1.0, 1.5 * done), False, False, 0.01, 0.01, ramp(0.01, 0.5, done))
    if variant == "autoregressive":
        return Lesson("third", TEXTURED, 1.0, False, True, 0.01, 0.01, 0.5)
    return Lesson("third", TEXTURED, 1.0, True, False, 0.01, 0.01, 0.0)


def ramp(low: float, high: float, done: float) -> float:
    """Return the published way from low to high: a steep S over 0..1."""
    return low + (high - low) / (1 + math.exp(-10 * (done - 0.5)))


def rate(step: int, share: float) -> float:
    """Return Adam's rate: warmed up by steps, whole until the third stage, then half a cosine. The same for all variants."""
    late = max(0.0, (min(1.0, share) - SECOND) / (1 - SECOND))
    return RATE * min(1.0, (step + 1) / WARM_UP) * (LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * late)))


def kept(lost: float) -> np.ndarray:
    """Return (KEYS,) how likely a cell of a score stays."""
    pitches = np.arange(KEYS) + LOWEST_KEY
    least = np.select([pitches < top for top, _ in KEPT], [share for _, share in KEPT])
    return 1 - lost * (1 - least)


def masked(notes: np.ndarray, lost: float, rng: np.random.Generator) -> np.ndarray:
    """Return notes (…, SLOTS, 2) without those that are lost; their slots are empty."""
    stays = rng.random(notes.shape[:-1]) < kept(lost)[notes[..., 0]]
    return np.where(stays[..., None], notes, -1)


def spoiled(notes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return prompts (windows, steps, SLOTS, 2) as a network may have written them: notes gone, moved by octaves, bars alike."""
    out = np.where((rng.random(notes.shape[:-1]) < rng.uniform(0.5, 1.0, (len(notes), 1, 1)))[..., None], notes, -1)
    moved = rng.random(notes.shape[:-1]) < 0.1
    octave = out[..., 0] + np.where(rng.random(notes.shape[:-1]) < 0.5, 12, -12)
    out[..., 0] = np.where(moved & (out[..., 0] >= 0) & (octave >= 0) & (octave < KEYS), octave, out[..., 0])
    half = notes.shape[1] // 2
    alike = rng.random(len(notes)) < 0.2
    out[alike, half:] = out[alike, :half]
    return out
