"""What a window's loss is made of: pitches and lengths, chords, soft features, and how far the latents are from their priors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.arranger.config import KEYS, ROOTS, SLOTS
from models.arranger.course import Lesson
from models.arranger.encoder import Latent
from models.arranger.material import Batch
from models.arranger.network import ArrangerNetwork
from models.arranger.writer import as_roll, remembered

LENGTH_WEIGHT = 0.5
ROLL_WEIGHT = 0.25  # of a sixteenth's summed cross entropies over keys
FORGOTTEN, FORGOTTEN_STEPS = 0.1, 0.15  # of what it believes that it wrote: single keys, and whole steps


class Tensors(NamedTuple):
    """A Batch as the network takes it; prompt and texture are rolls (windows, WINDOW, KEYS). prior: (windows, 1)."""

    heard: Tensor
    chords: Tensor
    true_chords: Tensor
    pitch: Tensor
    length: Tensor
    prompt: Tensor
    texture: Tensor
    mode: Tensor
    line: Tensor
    bass: Tensor
    prior: Tensor


def tensors(batch: Batch, prior: np.ndarray | None = None) -> Tensors:
    """Return a batch as tensors."""
    notes = torch.from_numpy(batch.notes)
    prompt, texture = (as_roll(*torch.from_numpy(rows).unbind(-1)) for rows in (batch.prompt, batch.texture))
    drawn = torch.zeros(len(notes), 1) if prior is None else torch.from_numpy(prior.astype(np.float32)).unsqueeze(1)
    return Tensors(
        torch.from_numpy(batch.heard),
        torch.from_numpy(batch.chords),
        torch.from_numpy(batch.true_chords),
        notes[..., 0].contiguous(),
        notes[..., 1].contiguous(),
        prompt,
        texture,
        torch.from_numpy(batch.mode),
        torch.from_numpy(batch.line),
        torch.from_numpy(batch.bass),
        drawn,
    )


def losses_of(
    network: ArrangerNetwork, batch: Tensors, lesson: Lesson, draw: torch.Generator | None
) -> dict[str, Tensor]:
    """Return the parts of the loss, weighted; without `draw` the latents are their means and nothing is forgotten."""
    prior = batch.prior if lesson.prior else None
    encoded = network.encode(batch.heard, batch.chords, batch.prompt, batch.texture, batch.mode, draw, prior)
    recalled = remembered(batch.pitch, batch.length)
    if draw is not None:
        keys = torch.rand(recalled.shape, generator=draw) >= FORGOTTEN
        steps = torch.rand(*recalled.shape[:2], 1, 1, generator=draw) >= FORGOTTEN_STEPS
        recalled = recalled * keys * steps
    written = network.write(encoded.z, encoded.features, batch.pitch, batch.length, recalled)
    parts = {
        "pitch": functional.cross_entropy(written.pitch, written.key),
        "length": LENGTH_WEIGHT * functional.cross_entropy(written.length, written.long, ignore_index=-1, reduction="sum")
        / (written.long >= 0).sum().clamp(min=1),
    }  # fmt: skip
    weights = {"chord": lesson.chord, "audio": lesson.audio, "symbol": lesson.symbol}
    for name, latent in encoded.latents.items():
        if weights[name]:
            parts[f"kl_{name}"] = weights[name] * divergence(latent, batch.mode if name == "symbol" else None)
    if not network.config.plain:
        parts["chords"] = chord_loss(encoded.chord, batch.true_chords)
        parts["features"] = feature_loss(encoded.logits, batch)
    return parts


def divergence(latent: Latent, mode: Tensor | None = None) -> Tensor:
    """Return KL(posterior, standard normal), averaged over values and over the windows that have a score (all, without modes)."""
    mean, spread = latent
    each = (0.5 * (mean**2 + torch.exp(2 * spread) - 1) - spread).mean(-1)
    there = torch.ones_like(each) if mode is None else mode[:, 2:].amax(-1)
    return (each * there).sum() / there.sum().clamp(min=1)


def chord_loss(logits: Tensor, chords: Tensor) -> Tensor:
    """Return the loss of decoded chords (windows, beats, CHORD): cross entropies of root, chroma and bass. Beats of silence around
    a song have no chord at all and do not count."""
    there = chords[..., :ROOTS].sum(-1) > 0
    logits, chords = logits[there], chords[there]
    if not len(logits):
        return logits.sum()
    bass = slice(ROOTS + 12, None)
    return (
        functional.cross_entropy(logits[:, :ROOTS], chords[:, :ROOTS].argmax(-1))
        + functional.binary_cross_entropy_with_logits(logits[:, ROOTS : ROOTS + 12], chords[:, ROOTS : ROOTS + 12])
        + functional.cross_entropy(logits[:, bass], chords[:, bass].argmax(-1))
    )


def feature_loss(logits: Tensor, batch: Tensors) -> Tensor:
    """Return the loss of soft features (windows, WINDOW, FEATURE - 1): bass, intensity, melody, and which keys are struck."""
    count = (batch.pitch >= 0).sum(-1) / SLOTS
    scalars = (
        functional.binary_cross_entropy_with_logits(logits[..., 0], batch.bass)
        + functional.mse_loss(torch.sigmoid(logits[..., 1]), count)
        + functional.binary_cross_entropy_with_logits(logits[..., 2], (batch.line >= 0).to(logits.dtype))
    )
    struck = (as_roll(batch.pitch, batch.length) > 0).to(logits.dtype)
    melody = functional.one_hot(torch.where(batch.line >= 0, batch.line, KEYS), KEYS + 1)[..., :KEYS].to(logits.dtype)
    rolls = functional.binary_cross_entropy_with_logits(
        logits[..., -2 * KEYS :], torch.cat([melody, struck], -1), reduction="none"
    )
    return scalars + ROLL_WEIGHT * rolls.sum(-1).mean()
