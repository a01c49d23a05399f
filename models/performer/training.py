"""Trains the performer on recordings with their notes: hears a few seconds, says the spectrum, corrects itself.

The output folder holds `excerpts/` (made once, then read), the checkpoint `performer.safetensors` (averaged weights, the
players' manners and figures in its card), `resume.safetensors` and `curve.jsonl`. Stopping and starting again continues.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.layers.averaging import average_into
from models.layers.checkpoint import read_run, write_run, write_tensors
from models.performer.alignment import refine_onsets
from models.performer.config import INSTRUMENTS, PerformerConfig
from models.performer.material import SAMPLE_RATE, Excerpt, load_excerpts
from models.performer.measures import FLOOR_DB, MelLevels, heard_power, recorded_power
from models.performer.network import PerformerNetwork
from models.performer.sources import prepare
from models.performer.takes import Take, controls_of, loudnesses, ranges, segment, shares_of, takes_of
from models.performer.vibrato import measure_vibrato

logger = logging.getLogger(__name__)

CHECKPOINT, RESUME = "performer.safetensors", "resume.safetensors"
WARM_UP, FRAMES, BATCH = 60, 400, 4  # frames that only fill the state, frames of a segment, segments a step
RATE, WARMUP_STEPS, AVERAGING, GRADIENT_LIMIT = 2e-3, 100, 0.995, 1.0
VALIDATION_SECONDS = 60.0
TONE_WEIGHT, SCATTER_DB = 0.01, 1.5  # the mean logarithm of a noise lies under that of its smooth spectrum
HELD_OUT = ("validation", "test_piece", "test_player")


def train(
    data: Path,
    output: Path,
    *,
    minutes: float,
    seed: int = 1,
    instruments: Sequence[str] = INSTRUMENTS,
    everything: bool = False,
    config: PerformerConfig | None = None,
) -> Path:
    """Make the excerpts that are missing, train for `minutes` of wall time (earlier runs count), return the checkpoint.

    data: what `sources.prepare` reads. everything: the violin's test piece (not the other player) is trained on too, as for the
    weights that ship; how near an unheard piece comes is then known from a run without.

    Raises:
        FileNotFoundError: there is nothing to train on.
    """
    prepare(data, output / "excerpts")
    found = [excerpt for excerpt in load_excerpts(output / "excerpts") if excerpt.instrument in instruments]
    heard = [excerpt for excerpt in found if excerpt.split == "train"]
    if everything:
        heard += [_refined(e) for e in found if e.split == "test_piece" and e.instrument == "violin"]
    held_out: dict[str, list[Excerpt]] = {}
    for excerpt in found:
        if excerpt.split in HELD_OUT and not any(
            excerpt.piece == e.piece and excerpt.player == e.player for e in heard
        ):
            held_out.setdefault(f"{excerpt.instrument} {excerpt.split}", []).append(excerpt)
    return learn(heard, held_out, output, minutes=minutes, seed=seed, config=config)


def _refined(excerpt: Excerpt) -> Excerpt:
    """A test piece as one that is trained on: its onsets where the audio has them."""
    return replace(excerpt, notes=refine_onsets(excerpt.audio.astype(np.float32) / 32768, SAMPLE_RATE, excerpt.notes))


def loss_of(power: Tensor, recorded: Tensor, floor: Tensor, levels: MelLevels) -> dict[str, Tensor]:
    """Parts of the loss between powers (batch, frames, bins).

    mel: squared differences of mel levels; fine: of single bins in the lower three quarters; tone: of mean logarithms band by
    band, which say how deep it is between partials.
    """
    said, heard = levels(power, floor), levels(recorded, floor)
    tone = levels.depth(power, floor / 4) - levels.depth(recorded, floor / 4) - SCATTER_DB
    fine = (
        (torch.log(power + floor / 4) - torch.log(recorded + floor / 4)).abs()[..., : power.shape[-1] * 3 // 4].mean()
    )
    parts = {f"mel{i}": 0.01 * (a - b).square().mean() for i, (a, b) in enumerate(zip(said, heard, strict=True))}
    return parts | {"fine": 0.5 * fine, "tone": TONE_WEIGHT * tone.square().mean()}


@torch.no_grad()
def validate(network: PerformerNetwork, takes: Sequence[Take], levels: MelLevels, look_ahead: int, bent: bool) -> float:
    """Distance in dB over the 64 mel bands where the recordings sound, each band's mean taken out."""
    config, distances = network.config, []
    for take in takes:
        frames = min(round(VALIDATION_SECONDS * config.sample_rate), len(take.audio) - config.n_fft) // config.hop
        features, pitches, audio = segment(take, 0, frames, look_ahead, config, bent)
        recorded = recorded_power(torch.from_numpy(audio)[None], config)
        given = [torch.from_numpy(v)[None] for v in (features, pitches, controls_of(take.instrument, frames))]
        floor = torch.tensor(take.floor).view(1, 1, 1)
        power = heard_power(*network.parts(*given), config)
        said, heard = levels(power, floor)[0][0], levels(recorded, floor)[0][0]
        least = heard.max() - FLOOR_DB
        loud = recorded[0].sum(-1)
        difference = (said.clamp(min=least) - heard.clamp(min=least))[10 * torch.log10(loud / loud.max()) > -50]
        distances.append(float((difference - difference.mean(0)).square().mean().sqrt()))
    return float(np.mean(distances))


def learn(
    excerpts: Sequence[Excerpt],
    validation: dict[str, list[Excerpt]],
    output: Path,
    *,
    minutes: float,
    seed: int = 1,
    config: PerformerConfig | None = None,
    learning_rate: float = RATE,
    validate_every_minutes: float = 4.0,
    clock: Callable[[], float] = time.monotonic,
) -> Path:
    """Train on `excerpts` for `minutes` by `clock` (seconds), watching `validation` (name -> excerpts); return the checkpoint."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    network = PerformerNetwork(config or PerformerConfig())
    config = network.config
    averaged = PerformerNetwork(config)
    averaged.load_state_dict(network.state_dict())
    averaged.eval()
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=0.02, betas=(0.9, 0.98))
    levels = MelLevels(config)
    output.mkdir(parents=True, exist_ok=True)
    card = read_run(output / RESUME, network, averaged, optimizer) or {"step": "0", "elapsed": "0"}
    step, elapsed = int(card["step"]), float(card["elapsed"])
    players = {name: [e for e in excerpts if e.instrument == name] for name in INSTRUMENTS}
    manners = {name: measure_vibrato(some) for name, some in players.items() if some}
    scales = zip(excerpts, loudnesses(excerpts), ranges(excerpts), strict=True)
    takes = [take for excerpt, loud, range_db in scales for take in takes_of(excerpt, config, loud, range_db)]
    held_out = {
        name: [takes_of(e, config, loud, shifts=(0,))[0] for e, loud in zip(some, loudnesses(some), strict=True)]
        for name, some in validation.items()
    }
    share = shares_of(takes)
    sums: dict[str, float] = {}
    next_validation = elapsed + 60 * validate_every_minutes
    while elapsed < 60 * minutes:
        began = clock()
        losses = _losses(network, _draw(takes, share, config, seed, step), levels)
        rate = learning_rate * min(1.0, (step + 1) / WARMUP_STEPS)
        rate *= 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, elapsed / 60 / minutes)))
        _correct(network, averaged, optimizer, losses, rate, step)
        step += 1
        sums = {name: 0.98 * sums.get(name, value.item()) + 0.02 * value.item() for name, value in losses.items()}
        elapsed += clock() - began
        if elapsed >= min(60 * minutes, next_validation):
            figures = {
                f"{name} {config.look_ahead[head]}{' bent' if bent else ''}": round(
                    validate(averaged, some, levels, config.look_ahead[head], bent), 3
                )
                for name, some in held_out.items()
                for head, bent in ((0, False), (-1, False), (-1, True))
            }
            row = (
                {"step": step, "minutes": round(elapsed / 60, 2)} | {n: round(v, 4) for n, v in sums.items()} | figures
            )
            with (output / "curve.jsonl").open("a") as file:
                file.write(json.dumps(row) + "\n")
            logger.info("%s", row)
            said = {"config": network.config.to_json(), "figures": figures, "manners": manners, "step": step}
            card = {name: json.dumps(value) for name, value in said.items()} | {"minutes": f"{elapsed / 60:.1f}"}
            write_tensors(output / CHECKPOINT, averaged.state_dict(), card)
            write_run(output / RESUME, network, averaged, optimizer, {"step": str(step), "elapsed": str(elapsed)})
            next_validation = elapsed + 60 * validate_every_minutes
    return output / CHECKPOINT


def _draw(
    takes: Sequence[Take], share: np.ndarray, config: PerformerConfig, seed: int, step: int
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Features, pitches, controls, audio and floors (batch, ...) of a step; of this step alone: a run goes on as if never stopped."""
    rng = np.random.default_rng([seed, step])
    torch.manual_seed(int(np.random.default_rng([step, seed, 1]).integers(1 << 31)))
    chosen = [takes[i] for i in rng.choice(len(takes), BATCH, p=share)]
    heads = rng.integers(len(config.look_ahead), size=BATCH)
    starts = [int(rng.integers(0, max(1, len(take.audio) - FRAMES * config.hop))) for take in chosen]
    parts = [
        segment(take, start, FRAMES, config.look_ahead[head], config)
        for take, start, head in zip(chosen, starts, heads, strict=True)
    ]
    features, pitches, audio = (torch.from_numpy(np.stack(part)) for part in zip(*parts, strict=True))
    controls = torch.from_numpy(np.stack([controls_of(take.instrument, FRAMES) for take in chosen]))
    floors = torch.tensor([take.floor for take in chosen], dtype=torch.float32).view(-1, 1, 1)
    return features, pitches, controls, audio, floors


def _losses(network: PerformerNetwork, drawn: tuple[Tensor, ...], levels: MelLevels) -> dict[str, Tensor]:
    features, pitches, controls, audio, floors = drawn
    config = network.config
    recorded = recorded_power(audio, config)
    power = heard_power(*network.parts(features, pitches, controls), config)
    told = slice(WARM_UP, FRAMES - config.n_fft // config.hop // 2)
    return loss_of(power[:, told], recorded[:, told], floors, levels)


def _correct(
    network: PerformerNetwork, averaged: PerformerNetwork, optimizer: torch.optim.Optimizer,
    losses: dict[str, Tensor], rate: float, step: int,
) -> None:  # fmt: skip
    """One step against the losses, unless they are no numbers; the averaged network follows."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad()
    torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
    if not torch.isfinite(torch.nn.utils.clip_grad_norm_(network.parameters(), GRADIENT_LIMIT)):
        return
    optimizer.step()
    average_into(averaged.parameters(), network.parameters(), step, AVERAGING)
