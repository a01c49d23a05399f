"""What the networks are told off for: the two variational autoencoders and what ties them.

    signal -> place -> symbols     (heard)      symbols -> place -> symbols     (said)
    signal -> place -> signal      (through)    symbols -> place -> signal      (played)

and the divergence of the signal's place from its symbols', by which one space holds both.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.translator.config import GROUPS
from models.translator.material import Bank

LEAST_DB = -90.0  # levels below it are one
LEVEL_SCALE = 6.0  # dB: mean deviation of the Laplace distribution of levels
CROSS, PRIOR = 0.05, 0.01  # weights of the divergences, in nats
FOLLOWING = 0.1  # how much of the divergence between both places moves the symbols', too
ONSET, SOUNDING = 0.5, 2.0
NO_MUSIC = 4.0  # what counts for more: a note that is heard where there is no music
WEIGHTS = {"instrument": 1.0, "pitch_class": 1.0, "octave": 1.0, "dynamics": 1.5}


def symbol_loss(logits: Tensor, symbols: Tensor) -> dict[str, Tensor]:
    """Negative log likelihood of symbols (n, groups), -1 being unknown, under logits (n, SYMBOLS): a mean a group. As many of the first
    groups as there are symbols."""
    sizes = list(GROUPS.values())[: symbols.shape[-1]]
    parts = logits.split(sizes, -1)
    return {
        name: WEIGHTS[name]
        * functional.cross_entropy(part, symbols[:, i], ignore_index=-1, reduction="sum")
        / max(len(symbols), 1)
        for i, (name, part) in enumerate(zip(GROUPS, parts, strict=False))
    }


def activation_loss(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Cross entropy of every pitch (batch, frames, pitches), weighed by excerpt (batch,), a sum over pitches, a mean over frames."""
    apart = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(2).mean(1)
    return (apart * weights).mean()


def level_loss(said: Tensor, heard: Tensor, valid: Tensor) -> Tensor:
    """Mean of how far levels (notes, frames, n) are from those heard, in LEVEL_SCALE, where `valid` (notes, frames) and known."""
    known = torch.isfinite(heard) & valid.unsqueeze(-1)
    heard = torch.nan_to_num(heard).clamp(min=LEAST_DB)
    apart = (said.clamp(min=LEAST_DB) - heard).abs() + 0.05 * (LEAST_DB - said).clamp(min=0)
    return (apart * known).sum() / known.sum().clamp(min=1) / LEVEL_SCALE


def symbols_of_notes(bank: Bank, indices: Tensor, pitches: Tensor, heard: bool = False) -> Tensor:
    """(n, groups): those of notes of the bank, heard as `pitches`. heard: the dynamics of a render are unknown where its instrument has
    real notes, since a sound font's velocities are another scale."""
    chosen = indices.numpy()
    dynamics = bank.dynamics[chosen].astype(np.int64)
    if heard:
        rendered_only = ~np.isin(np.arange(GROUPS["instrument"]), bank.instrument[bank.real])
        dynamics = np.where(bank.real[chosen] | rendered_only[bank.instrument[chosen]], dynamics, -1)
    instrument = torch.from_numpy(bank.instrument[chosen].astype(np.int64))
    return torch.stack([instrument, pitches % 12, pitches // 12 - 1, torch.from_numpy(dynamics)], -1)
