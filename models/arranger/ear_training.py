"""Teaches the ear by rendered songs, for so many minutes, from where it stopped. `backline train arranger` calls it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.arranger.config import ROOTS
from models.arranger.ear_material import batch, crop, load_render, nothing
from models.arranger.ear_network import EarConfig, EarNetwork
from models.arranger.songs import Song
from models.layers.averaging import average_into
from models.layers.checkpoint import read_run, write_run, write_tensors

FRAMES, WARM = 400, 50  # of a crop, and of its beginning that counts for nothing: the network has heard too little
WEIGHTS = {"beat": 6.0, "chord": 0.5, "heard": 12.0}
POSITIVE = torch.tensor([3.0, 1.5, 4.0, 2.0, 4.0])[
    :, None
]  # how much more a sounding cell counts, for each row of HEARD
NOTHING_SHARE = 0.04
EVERY_SECONDS = 60.0
RATE, LEAST_RATE, WARM_UP = 3e-3, 1e-4, 50
KEPT = 0.998  # of the running mean
RUN, CHECKPOINT = "ear_run.safetensors", "ear.safetensors"


def train_ear(
    renders: Sequence[tuple[Path, Song]], quiet: Sequence[np.ndarray], folder: Path, minutes: float, seed: int = 1,
    crops: int = 8, said: Callable[[str], None] = print, config: EarConfig | None = None,
) -> EarNetwork:  # fmt: skip
    """Train until `minutes` are used up in all, from the run in `folder` if it holds one; return the averaged network.

    renders: files of renders, each with a section of its song. quiet: spectra (frames, BANDS) dB of what is no music.
    """
    torch.manual_seed(seed)
    network = EarNetwork(config or EarConfig())
    averaged = deepcopy(network)
    optimizer = torch.optim.Adam(network.parameters(), RATE)
    folder.mkdir(parents=True, exist_ok=True)
    card = read_run(folder / RUN, network, averaged, optimizer)
    step, used = (int(card["step"]), float(card["minutes"])) if card else (0, 0.0)
    began = written = time.monotonic()
    lately: list[dict[str, float]] = []
    while True:
        now = used + (time.monotonic() - began) / 60
        if now >= minutes or time.monotonic() - written > EVERY_SECONDS:
            written = time.monotonic()
            told = {"config": network.config.to_json(), "step": str(step), "minutes": f"{now:.3f}"}
            write_run(folder / RUN, network, averaged, optimizer, told)
            write_tensors(folder / CHECKPOINT, dict(averaged.state_dict()), told)
            if lately:
                means = {name: round(float(np.mean([row[name] for row in lately])), 4) for name in lately[0]}
                said(f"{now:.1f} min, step {step}: {json.dumps(means)}")
                lately.clear()
            if now >= minutes:
                return averaged.eval()
        rng = np.random.default_rng([seed, step])
        chosen = []
        for _ in range(crops):
            if quiet and rng.random() < NOTHING_SHARE:
                chosen.append(nothing(FRAMES, quiet[int(rng.integers(len(quiet)))], rng))
                continue
            path, song = renders[int(rng.integers(len(renders)))]
            labelled = load_render(path, song)
            first = int(rng.uniform(max(0, labelled.beats[0] - FRAMES / 8), max(0, labelled.beats[-1] - FRAMES) + 1))
            chosen.append(crop(labelled, first, FRAMES, rng))
        share = min(1.0, now / minutes)
        for group in optimizer.param_groups:
            group["lr"] = min(1.0, (step + 1) / WARM_UP) * (
                LEAST_RATE + (RATE - LEAST_RATE) * 0.5 * (1 + np.cos(np.pi * share))
            )
        losses = losses_of(network, {name: torch.from_numpy(values) for name, values in batch(chosen).items()})
        optimizer.zero_grad()
        sum(WEIGHTS[name] * loss for name, loss in losses.items()).backward()  # type: ignore[union-attr]
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        average_into(averaged.parameters(), network.parameters(), step, KEPT)
        lately.append({name: float(loss.detach()) for name, loss in losses.items()})
        step += 1


def losses_of(network: EarNetwork, crops: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the loss of each output on crops (batch, frames, ...)."""
    found = {name: value[:, WARM:] for name, value in network.logits(crops["spectrum"]).items()}
    wanted = {name: value[:, WARM:] for name, value in crops.items()}
    beat = functional.binary_cross_entropy_with_logits(
        found["beat"], wanted["beat"], pos_weight=torch.tensor([3.0, 6.0])
    )
    roots = slice(0, ROOTS), slice(ROOTS + 12, None)
    chord = functional.binary_cross_entropy_with_logits(
        found["chord"][..., ROOTS : ROOTS + 12], wanted["chord"][..., ROOTS : ROOTS + 12]
    )
    for part in roots:
        log = functional.log_softmax(found["chord"][..., part], -1)
        chord = chord - (log * wanted["chord"][..., part]).sum(-1).mean()
    heard = functional.binary_cross_entropy_with_logits(found["heard"], wanted["heard"], pos_weight=POSITIVE)
    return {"beat": beat, "chord": chord, "heard": heard}
