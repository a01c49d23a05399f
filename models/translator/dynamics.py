"""The last part of a run: how hard notes are played is learnt alone, of as many notes as can be heard.

What the loudness reader sees needs no network: spectra, places of partials, means. So a frame costs little, few frames of many notes
are heard rather than many of few, and what counts is how often a recording has been met at how many pitches. Called by `training`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.layers.averaging import average_into
from models.translator.config import GROUPS, LOWEST_PITCH
from models.translator.listener import Listener
from models.translator.losses import CROSS, symbols_of_notes
from models.translator.material import Bank, Excerpts
from models.translator.network import TranslatorNetwork
from models.translator.space import bounded, divergence, one_hot

RATE, DECAY, BATCH, AVERAGING, SMOOTHING = 3e-3, 0.3, 1024, 0.998, 0.05
FRAMES = 24  # heard of each excerpt
HEARING_SHARE, MOST_ROWS = 0.8, 1_500_000  # of the time; the rest is steps over what was heard
LATE_FRAMES = 4  # by which a note may be noticed too late
UNSURE = 0.7  # how sure it is, at the least, who plays
VOICES_SHARE, LEVELLED_SHARE = (0.0, 0.6, 0.22, 0.18), 0.12  # of its excerpts


@dataclass(slots=True)
class Heard:
    """Of n notes in a frame: what LoudnessReader takes, in its order, and symbols (n, groups)."""

    now: Tensor
    mean: Tensor
    others: Tensor
    common: Tensor
    pitch: Tensor
    symbols: Tensor

    def of(self, chosen: Tensor) -> Heard:
        """Some of them, as float32."""
        some = (getattr(self, field.name)[chosen] for field in fields(self))
        return Heard(*(part.float() if part.is_floating_point() else part for part in some))


def hear(listener: Listener, bank: Bank, excerpts: Excerpts, count: int, rng: np.random.Generator) -> Heard:
    """Some frames of `count` new excerpts, those whose dynamics are known."""
    config = listener.config
    last = slice(config.phases - 1, None, config.phases)
    chosen = [excerpts.draw(rng) for _ in range(count)]
    playing = torch.from_numpy(np.stack([e.playing[last] for e in chosen]).astype(np.int64))
    begins = torch.from_numpy(np.stack([e.onsets[last] for e in chosen]))
    levelled = torch.tensor([[e.levelled] for e in chosen])
    late = int(rng.integers(LATE_FRAMES))
    noticed = (playing >= 0) & functional.pad(playing >= 0, (0, 0, late, 0))[:, : playing.shape[1]]
    with torch.no_grad():
        audio = torch.from_numpy(np.stack([e.audio for e in chosen]))
        spectra = listener.features(audio, config.frame).transpose(1, 2)
        partials = listener.partials(spectra.flatten(0, 1)).unflatten(0, spectra.shape[:2])
        mean, frames = listener.since(partials, noticed.float() - 2.0 * ~noticed, begins - 0.5)
        picked = torch.from_numpy(rng.integers(playing.shape[1], size=(count, FRAMES)))
        at = torch.arange(count).unsqueeze(1), picked
        partials, mean, spectra, frames = (part[at].flatten(0, 1) for part in (partials, mean, spectra, frames))
        playing, sounding = playing[at].flatten(0, 1), noticed[at].flatten(0, 1).float()
        rows = torch.topk(sounding, config.slots).indices
        own = rows.unsqueeze(-1).expand(-1, -1, partials.shape[-1])
        levelled = levelled.repeat_interleave(FRAMES, 0)
        common = listener.told(spectra, torch.gather(frames, 1, rows), sounding.sum(1, keepdim=True), levelled)
        seen = [torch.gather(part, 1, own) for part in (partials, mean)] + [listener.others(sounding, rows), common]
    heard = torch.gather(playing, 1, rows)
    taken = (heard >= 0) & (torch.gather(sounding, 1, rows) > 0)
    symbols = symbols_of_notes(bank, heard[taken], rows[taken] + LOWEST_PITCH, heard=True)
    known = symbols[:, 3] >= 0
    now, mean, others, common = (part[taken][known].half() for part in seen)
    return Heard(now, mean, others, common, rows[taken][known], symbols[known])


def learn_dynamics(
    network: TranslatorNetwork, bank: Bank, others: np.ndarray, hops: int, seconds: float, seed: int, report: Callable[[int], None],
) -> None:  # fmt: skip
    """Learn it for `seconds` of a core, of excerpts of so many hops beside `others`; the reader ends with the mean of its last weights.
    report: told of every 500th step."""
    reader, listener = network.listener.loudness, network.listener
    excerpts = Excerpts(bank, others, hops, network.config, VOICES_SHARE, LEVELLED_SHARE)
    rng, torch_rng = np.random.default_rng([seed, 11]), torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(reader.parameters(), lr=RATE, weight_decay=DECAY)
    means = [parameter.detach().clone() for parameter in reader.parameters()]
    rows, hearing, step, elapsed = hear(listener, bank, excerpts, 64, rng), 0.0, 0, 0.0
    reader.train()
    began = time.process_time()
    while elapsed < seconds:
        if hearing < HEARING_SHARE * elapsed and len(rows.pitch) < MOST_ROWS:
            started = time.process_time()
            more = [hear(listener, bank, excerpts, 32, rng) for _ in range(8)]
            rows = Heard(*(torch.cat([getattr(part, f.name) for part in (rows, *more)]) for f in fields(Heard)))
            hearing += time.process_time() - started
        for group in optimizer.param_groups:
            group["lr"] = RATE * 0.5 * (1 + np.cos(np.pi * min(1.0, elapsed / seconds))) + 1e-5
        for _ in range(10):
            optimizer.zero_grad()
            some = rows.of(torch.randint(len(rows.pitch), (BATCH,), generator=torch_rng))
            _loss(network, some, torch_rng).backward()
            optimizer.step()
            step += 1
            average_into(means, reader.parameters(), step, AVERAGING)
            if step % 500 == 0:
                report(step)
        elapsed = time.process_time() - began
    with torch.no_grad():
        for mean, parameter in zip(means, reader.parameters(), strict=True):
            parameter.copy_(mean)
    reader.eval()


def _loss(network: TranslatorNetwork, heard: Heard, rng: torch.Generator) -> Tensor:
    """What the decoder says of a place's mean, and how far its spread is from the symbols'."""
    truth = functional.one_hot(heard.symbols[:, 0], GROUPS["instrument"]).float()
    sure = UNSURE + (1 - UNSURE) * torch.rand(len(truth), 1, generator=rng).sqrt()
    who = sure * truth + (1 - sure) * torch.rand(truth.shape, generator=rng).softmax(-1)
    reader = network.listener.loudness
    mean, log_variance = bounded(reader(heard.now, heard.mean, heard.others, heard.common, heard.pitch, who))
    said = functional.cross_entropy(network.decoder.loudness(mean), heard.symbols[:, 3], label_smoothing=SMOOTHING)
    size = mean.shape[-1]
    with torch.no_grad():
        place, spread = (part[:, -size:] for part in network.encoder(one_hot(heard.symbols)))
    return said + CROSS * divergence(mean.detach(), log_variance, place, spread).mean()
