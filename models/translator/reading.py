"""The second part of a run: trunk and space are left as they are; how a place is read off the trunk is learnt alone, and how one
is played.

What a trunk sees of notes is gathered once, over many excerpts; reading it is a small network, and passes over it are cheap. Pitches
are learnt long before instruments and dynamics are: this is for those. Called by `training`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.translator.config import LOWEST_PITCH
from models.translator.losses import CROSS, SOUNDING, symbol_loss, symbols_of_notes
from models.translator.material import Bank, Excerpts
from models.translator.network import TranslatorNetwork
from models.translator.space import divergence, drawn, one_hot

RATE, BATCH, AVERAGING, PLAYED_EVERY = 2e-3, 1536, 0.998, 5
LOUDNESS_PACE, LOUDNESS_DECAY = (
    1.5,
    0.3,
)  # times that rate; weight decay, by which it holds for cells that were never heard
EMPTY_SHARE = 0.25  # of the slots that hold no note: most are plainly empty
NEW_ROWS_SHARE = 0.35  # of the time: hearing more excerpts rather than passing over what was heard
MOST_ROWS = 500_000


@dataclass(slots=True)
class Rows:
    """What was seen of slots: features (n, …) float16, symbols (n, groups), -1 unknown, and whether there is a note (n,)."""

    seen: Tensor
    symbols: Tensor
    taken: Tensor


def gather(network: TranslatorNetwork, bank: Bank, excerpts: Excerpts, count: int, rng: np.random.Generator) -> Rows:
    """Rows of `count` new excerpts."""
    phases = network.config.phases
    chosen = [excerpts.draw(rng) for _ in range(count)]
    playing = torch.from_numpy(np.stack([e.playing[phases - 1 :: phases] for e in chosen]).astype(np.int64))
    levelled = torch.tensor([[e.levelled] for e in chosen])
    audio = torch.from_numpy(np.stack([e.audio for e in chosen]))
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        found = network.listener(audio, levelled, (playing >= 0).float())
    heard = torch.gather(playing, 2, found["pitch"])
    taken = heard >= 0
    kept = taken | (torch.rand(taken.shape) < EMPTY_SHARE)
    symbols = symbols_of_notes(bank, heard[kept].clamp(min=0), found["pitch"][kept] + LOWEST_PITCH, heard=True)
    return Rows(found["seen"][kept].half(), symbols, taken[kept])


def read_on(
    network: TranslatorNetwork,
    bank: Bank,
    excerpts: Excerpts,
    seconds: float,
    seed: int,
    play: Callable[[np.random.Generator], Tensor],
    report: Callable[[int], None],
) -> None:
    """Learn to read, and to play by the loss `play`, for `seconds` of a core; the network ends with the mean of its last weights.
    report: told of every hundredth step."""
    listener, player = network.listener, network.player
    parts = [listener.slot_in, listener.slot_hidden, listener.place]
    parts += [player.into, player.recurrence, player.hidden, player.levels]
    read, loud = [p for part in parts for p in part.parameters()], [*listener.loudness.parameters()]
    groups = [
        {"params": read, "pace": 1.0, "weight_decay": 0.02},
        {"params": loud, "pace": LOUDNESS_PACE, "weight_decay": LOUDNESS_DECAY},
    ]
    parameters = [*read, *loud]
    optimizer = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.98))
    means = [parameter.detach().clone() for parameter in parameters]
    rng, spent, elapsed, step = np.random.default_rng([seed, 9]), 0.0, 0.0, 0
    rows = gather(network, bank, excerpts, 64, rng)
    listener.train()
    began = time.process_time()
    while elapsed < seconds:
        if spent < NEW_ROWS_SHARE * elapsed and len(rows.taken) < MOST_ROWS:
            started = time.process_time()
            rows = _joined(rows, gather(network, bank, excerpts, 32, rng))
            spent += time.process_time() - started
        for group in optimizer.param_groups:
            group["lr"] = group["pace"] * (RATE * 0.5 * (1 + np.cos(np.pi * min(1.0, elapsed / seconds))) + 1e-5)
        for turn in range(10):
            optimizer.zero_grad()
            loss = _loss(network, rows, torch.from_numpy(rng.integers(len(rows.taken), size=BATCH)))
            if turn % PLAYED_EVERY == 0:
                loss = loss + play(rng)
            loss.backward()
            optimizer.step()
            step += 1
            with torch.no_grad():
                for mean, parameter in zip(means, parameters, strict=True):
                    mean.lerp_(parameter, 1 - min(AVERAGING, step / (step + 10)))
        elapsed = time.process_time() - began
        if step % 100 == 0:
            report(step)
    with torch.no_grad():
        for mean, parameter in zip(means, parameters, strict=True):
            parameter.copy_(mean)
    listener.eval()


def _loss(network: TranslatorNetwork, rows: Rows, chosen: Tensor) -> Tensor:
    symbols, taken = rows.symbols[chosen], rows.taken[chosen]
    mean, log_variance = network.listener.read(rows.seen[chosen].float(), _rows_of(symbols))
    logits, any_note = network.decoder(drawn(mean, log_variance))
    total = SOUNDING * functional.binary_cross_entropy_with_logits(any_note, taken.float())
    total = total + sum(symbol_loss(logits[taken], symbols[taken]).values())
    with torch.no_grad():
        said = network.encoder(one_hot(symbols[taken]))
    known = (symbols[taken, 3] >= 0).float()
    cross = (divergence(mean[taken], log_variance[taken], *said) * known).sum() / known.sum().clamp(min=1)
    return total + CROSS * cross


def _rows_of(symbols: Tensor) -> Tensor:
    return symbols[..., 1] + 12 * (symbols[..., 2] + 1) - LOWEST_PITCH


def _joined(rows: Rows, more: Rows) -> Rows:
    pairs = zip((rows.seen, rows.symbols, rows.taken), (more.seen, more.symbols, more.taken), strict=True)
    return Rows(*(torch.cat(pair) for pair in pairs))
