"""What is learnt from a batch: notes, chords and features said again, and latents near the standard normal distribution.

Divergences are means over dimensions and batch, not sums over dimensions as the paper's bound has it: a weight of 0.5 is one of 1/384 of
192 dimensions. It is the scale that the stages' weights were chosen for. Called by `training`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.arranger.published.config import BEATS, DURATION_PAD, PAD, STEPS
from models.arranger.published.data import Batch
from models.arranger.published.network import Latents, PublishedNetwork
from models.arranger.published.pianotree import Coins
from models.arranger.published.recurrence import Gaussian
from models.arranger.published.schedules import Stage, told

DURATION_WEIGHT = 0.5
RELEASED_PRIOR = 0.1  # deviation


@dataclass(frozen=True, slots=True)
class Tosses:
    """All coins of a step; a coin counts for the whole batch."""

    notes: Coins
    features: list[bool]
    chords: list[bool]


def toss(step: int, slots: int, rng: np.random.Generator) -> Tosses:
    """Toss the coins of a step of a stage."""
    shares = {level: told(level, step) for level in ("time", "notes", "chords")}
    steps, features = (rng.random(STEPS) < shares["time"] for _ in range(2))
    notes = rng.random((STEPS, slots)) < shares["notes"]
    chords = rng.random(BEATS) < shares["chords"]
    return Tosses(Coins(steps.tolist(), notes.tolist()), features.tolist(), chords.tolist())


def all_told(slots: int, truth: bool = True) -> Tosses:
    """Return coins that all fall alike."""
    coins = Coins([truth] * STEPS, [[truth] * slots] * STEPS)
    return Tosses(coins, [truth] * STEPS, [truth] * BEATS)


def losses_of(
    network: PublishedNetwork,
    batch: Batch,
    stage: Stage,
    betas: dict[str, float],
    tosses: Tosses,
    *,
    sampled: bool = True,
) -> dict[str, Tensor]:
    """Return the losses of a batch by name, "all" among them.

    betas: weights of the divergences. sampled: latents are drawn; else their means count, and nothing where there is no posterior.
    """
    latents = network.encode(batch.spectrum, batch.chords, None if stage.symbols == "none" else batch.roll)
    z = draw(network, latents, batch.chords, stage, sampled=sampled)
    losses: dict[str, Tensor] = {}
    embedded = None
    if network.feature_decoder is not None and network.feature_embedding is not None:
        heard = network.feature_decoder(z["audio"], batch.features, tosses.features)
        embedded = network.feature_embedding(heard)
        losses["bass"] = functional.binary_cross_entropy(heard[..., 0], batch.features[..., 0])
        losses["intensity"] = functional.mse_loss(heard[..., 1], batch.features[..., 1])
        losses["melody"] = functional.binary_cross_entropy(heard[..., 2], batch.features[..., 2])
    if network.chord_decoder is not None:
        losses |= _chord_losses(network.chord_decoder(z["chord"], batch.chords, tosses.chords), batch.chords)
    pitch, duration = network.pianotree(network.together(z), batch.tree, tosses.notes, embedded)
    truth = batch.tree[:, :, 1:]
    losses["pitch"] = functional.cross_entropy(pitch.flatten(0, -2), truth[..., 0].flatten(), ignore_index=PAD)
    losses["duration"] = DURATION_WEIGHT * functional.cross_entropy(
        duration.flatten(0, -2), truth[..., 1:].flatten(), ignore_index=DURATION_PAD
    )
    for name, one in (("chord", latents.chord), ("audio", latents.audio), ("symbol", latents.symbol)):
        if one is not None and betas.get(name) and network.kind != "supervised":
            losses[f"kl_{name}"] = betas[name] * divergence(one)
    losses["all"] = torch.stack(list(losses.values())).sum()
    return losses


def draw(
    network: PublishedNetwork, latents: Latents, like: Tensor, stage: Stage, *, sampled: bool = True
) -> dict[str, Tensor]:
    """Return the latents of a batch by name: drawn from their posteriors, or from the prior where there is none.

    The chord-only baseline's audio is 0; a supervised one without divergence draws nothing.
    """
    found = {"chord": latents.chord, "audio": latents.audio, "symbol": latents.symbol}
    z: dict[str, Tensor] = {}
    for name, size in network.sizes.items():
        one, nothing = found[name], like.new_zeros(len(like), size)
        if one is not None:
            z[name] = one.sample() if sampled and network.kind != "supervised" else one.mean
        elif name == "symbol" and sampled:
            spread = 1.0 if network.corrections.standard_prior else RELEASED_PRIOR
            z[name] = spread * torch.randn_like(nothing)
        else:
            z[name] = nothing
    return z


def divergence(one: Gaussian) -> Tensor:
    """Return the mean of Kullback and Leibler's divergence from the standard normal distribution, over dimensions and batch."""
    return (0.5 * (one.mean**2 + one.spread**2 - 1) - one.spread.log()).mean()


def _chord_losses(said: tuple[Tensor, ...], chords: Tensor) -> dict[str, Tensor]:
    root, chroma, bass = said
    roots = root.shape[-1]
    wanted = {"root": (root, chords[..., :roots]), "chord_bass": (bass, chords[..., roots + 12 :])}
    losses = {
        name: functional.cross_entropy(logits.flatten(0, 1), truth.argmax(-1).flatten())
        for name, (logits, truth) in wanted.items()
    }
    tones = chords[..., roots : roots + 12].long()
    return losses | {"chroma": functional.cross_entropy(chroma.flatten(0, -2), tones.flatten())}
