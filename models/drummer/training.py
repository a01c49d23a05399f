"""Trains the drummer's network: passages of songs, misheard as an ear would, each beat planned from what came before.

A run is a number of rounds; a round draws passages, takes in their bass once and goes over them in batches. All of it follows
from the seed and the round, so that a run can be repeated. `train` is the whole way from the data folder; its output folder holds
the songs as they were read, the checkpoint `drummer.safetensors` (averaged weights, figures in its card) and `curve.jsonl`.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.drummer.config import LONGEST_BAR, SIXTEENTHS, USUAL_BPM, DrummerConfig
from models.drummer.kit import CRASH, KICK, SNARE, TIME
from models.drummer.mishearing import misheard
from models.drummer.network import DrummerNetwork, Heard, Plan
from models.drummer.passages import Passage, f1, groove_cosine, style_patterns, weight_of
from models.drummer.planning import CRASH_SHARE, likeliest_bar
from models.layers.averaging import average_into
from models.layers.checkpoint import write_tensors

logger = logging.getLogger(__name__)

BEATS = 48  # of a window: 12 bars of four
WINDOWS, BATCH, EPOCHS = 512, 32, 2  # drawn in a round, in a step, and times over a round
RATE, DECAY, GRADIENT_LIMIT = 3e-3, 0.02, 1.0
AVERAGING = 0.995
TEMPO_SPREAD = 0.2  # octaves: tempo tells styles, and must not tell songs
PART_WEIGHTS = (
    1.3,
    1.3,
    1.0,
    0.3,
    0.5,
)  # kick and snare are the groove; toms and crashes are rare and nearly unforeseeable
FEEL_WEIGHT = 0.5  # of velocity and timing beside the onsets
COSINE_SHARE, COSINE_WEIGHT = 0.7, 6.0  # of the loss; the weight makes the two alike in size
COSINE_BEATS = 4
SPLICED = 0.3  # windows that turn into another song at some bar, so that a change is answered
SOURCE_SHARES = {"multitrack": 0.5, "groove": 0.2, "made": 0.2, "band": 0.1}
CHECKPOINT = "drummer.safetensors"
ROUNDS, VALIDATED_EVERY = 16, 16  # more of them learn the songs by heart


def hear(bass: np.ndarray, bar: int, tempo_bpm: float, known: int, first: int = 0) -> Heard:
    """Return what the steps of a whole passage hear: (beats, …) float32 each.

    bass: (beats, sixteenths, features). known: sixteenths heard of the beat before the planned one. first: place of beat 0.
    """
    beats = len(bass)
    places = np.eye(LONGEST_BAR, dtype=np.float32)[(np.arange(beats) + first) % bar]
    nothing = np.zeros((2, *bass.shape[1:]), np.float32)
    before = np.concatenate([nothing, bass])
    part = np.concatenate([before[1:-1], np.ones((beats, SIXTEENTHS, 1), np.float32)], -1)
    part[:, known:] = 0
    part[0, :, -1] = 0
    whole_place = np.concatenate([np.zeros((2, LONGEST_BAR), np.float32), places[:-2]])[:beats]
    order = np.zeros((beats, LONGEST_BAR, LONGEST_BAR), np.float32)
    for ahead in range(bar):
        order[:, ahead] = np.eye(LONGEST_BAR, dtype=np.float32)[(np.arange(beats) + first + ahead) % bar]
    tempo = np.full((beats, 1), np.log2(tempo_bpm / USUAL_BPM), np.float32)
    return Heard(*(torch.from_numpy(np.ascontiguousarray(a)) for a in (before[:-2], whole_place, part, order, tempo)))


def train(data: Path, output: Path, *, minutes: float, seed: int = 1, config: DrummerConfig | None = None) -> Path:
    """Train on the data folder, for ROUNDS or at most so many minutes; return the checkpoint.

    Raises FileNotFoundError where a source is missing or holds nothing.
    """
    from models.drummer.recipe import prepare

    passages, validation = prepare(data, output, seed)
    return learn(passages, validation, output, rounds=ROUNDS, seed=seed, config=config,
                 validate_every=VALIDATED_EVERY, minutes=minutes)  # fmt: skip


def learn(
    passages: Sequence[Passage],
    validation: dict[str, list[Passage]],
    output: Path,
    *,
    rounds: int,
    seed: int = 1,
    config: DrummerConfig | None = None,
    validate_every: int = 20,
    minutes: float = math.inf,
) -> Path:
    """Train on `passages` for so many rounds, watching `validation` (name -> passages); return the checkpoint.

    minutes: after which it ends with the round it is in.
    """
    began = time.monotonic()
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    network = DrummerNetwork(config or DrummerConfig())
    averaged = DrummerNetwork(network.config)
    averaged.load_state_dict(network.state_dict())
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    share = shares_of(passages)
    output.mkdir(parents=True, exist_ok=True)
    styles = {"styles": json.dumps(_rounded(style_patterns(p for p in passages if p.source == "made")))}
    steps, step = rounds * EPOCHS * math.ceil(WINDOWS / BATCH), 0
    mean = 0.0
    for number in range(rounds):
        rng = np.random.default_rng([seed, number])
        chosen = [passages[i] for i in rng.choice(len(passages), WINDOWS, p=share)]
        features, velocity, late, weight = window_features(network, chosen, rng)
        network.train()
        for order in (rng.permutation(WINDOWS) for _ in range(EPOCHS)):
            for rows in np.split(order, range(BATCH, WINDOWS, BATCH)):
                loss = loss_of(network.plan(features[rows]), velocity[rows], late[rows], weight[rows])
                for group in optimizer.param_groups:
                    group["lr"] = (
                        RATE * min(1.0, (step + 1) / 50) * (0.01 + 0.5 * (1 + math.cos(math.pi * step / steps)))
                    )
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(network.parameters(), GRADIENT_LIMIT)
                optimizer.step()
                average_into(averaged.parameters(), network.parameters(), step, AVERAGING)
                step += 1
                mean += (loss.item() - mean) / min(step, 100)
        over = number + 1 == rounds or time.monotonic() - began > 60 * minutes
        if (number + 1) % validate_every == 0 or over:
            figures = {name: validate(averaged, some) for name, some in validation.items()}
            logger.info("round %d, loss %.4f, %s", number + 1, mean, figures)
            with (output / "curve.jsonl").open("a") as file:
                file.write(json.dumps({"round": number + 1, "loss": round(mean, 4)} | figures) + "\n")
            card = {
                "config": network.config.to_json(),
                "figures": json.dumps(figures),
                "rounds": str(number + 1),
            } | styles
            write_tensors(output / CHECKPOINT, averaged.state_dict(), card)
        if over:
            break
    return output / CHECKPOINT


def window_features(
    network: DrummerNetwork, chosen: Sequence[Passage], rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return of one window of each passage, misheard, its features (windows, BEATS, inputs) and its drums."""
    heard: list[Heard] = []
    drums: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for passage in chosen:
        bars = (len(passage.bass) - BEATS) // passage.bar
        start = passage.bar * int(rng.integers(0, bars + 1)) if bars > 0 else 0
        bass, velocity, late = (
            _padded(values[start : start + BEATS]) for values in (passage.bass, passage.velocity, passage.late)
        )
        after = chosen[int(rng.integers(len(chosen)))]
        if after.bar == passage.bar and rng.random() < SPLICED:
            cut = passage.bar * int(rng.integers(1, BEATS // passage.bar))
            rest = min(BEATS - cut, len(after.bass))
            for own, others in zip((bass, velocity, late), (after.bass, after.velocity, after.late), strict=True):
                own[cut : cut + rest] = others[:rest]
        tempo = passage.tempo_bpm * 2 ** rng.normal(0, TEMPO_SPREAD)
        heard.append(hear(misheard(bass, rng), passage.bar, tempo, int(rng.integers(0, SIXTEENTHS + 1))))
        counts = np.arange(BEATS) < len(passage.bass) - start
        drums.append((velocity, late, counts.astype(np.float32)))
    together = Heard(*(torch.stack(values) for values in zip(*heard, strict=True)))
    with torch.no_grad():
        features = network.take_in(together)
    velocity, late, weight = (torch.from_numpy(np.stack(values)) for values in zip(*drums, strict=True))
    return features, velocity, late, weight


def loss_of(plan: Plan, velocity: Tensor, late: Tensor, weight: Tensor) -> Tensor:
    """Return the loss of planned against played beats, (windows, beats, sixteenths, parts) each; weight: (windows, beats)."""
    struck = (velocity > 0).to(velocity.dtype)
    onset = functional.binary_cross_entropy_with_logits(plan.onset, struck, reduction="none")
    feel = ((plan.velocity - velocity) ** 2 + 2 * (plan.late - late) ** 2) * struck
    each = onset * onset.new_tensor(PART_WEIGHTS) + FEEL_WEIGHT * feel
    by_hit = (each.sum((-1, -2)) * weight).sum() / weight.sum() / SIXTEENTHS
    return (1 - COSINE_SHARE) * by_hit - COSINE_SHARE * COSINE_WEIGHT * mean_cosine(plan, struck, weight)


def mean_cosine(plan: Plan, struck: Tensor, weight: Tensor) -> Tensor:
    """Return the mean cosine of chances with hits over every COSINE_BEATS beats in kick, snare and timekeeper: the groove's measure."""
    chance = torch.sigmoid(plan.onset)
    time = 1 - (1 - chance[..., TIME]) * (1 - CRASH_SHARE * chance[..., CRASH])
    planned = torch.stack([chance[..., KICK], chance[..., SNARE], time], -1)
    time = torch.maximum(struck[..., TIME], struck[..., CRASH])
    played = torch.stack([struck[..., KICK], struck[..., SNARE], time], -1)
    a, b = (values.unfold(1, COSINE_BEATS, 1).flatten(2) for values in (planned, played))
    counts = weight.unfold(1, COSINE_BEATS, 1).amin(-1) * (b.sum(-1) > 0)
    cosine = (a * b).sum(-1) / (a.norm(dim=-1) * b.norm(dim=-1)).clamp(min=1e-3)
    return (cosine * counts).sum() / counts.sum().clamp(min=1)


def shares_of(passages: Sequence[Passage]) -> np.ndarray:
    """Return how likely each passage is drawn: sources by their shares, within one by `weight_of`."""
    weights = np.array([weight_of(passage) for passage in passages])
    sources = np.array([passage.source for passage in passages])
    for source in set(sources.tolist()):
        inside = sources == source
        weights[inside] *= SOURCE_SHARES[source] / weights[inside].sum()
    return weights / weights.sum()


@torch.no_grad()
def chances(network: DrummerNetwork, bass: np.ndarray, bar: int, tempo_bpm: float, known: int = 2) -> np.ndarray:
    """Plan a whole passage: (beats, sixteenths, parts) float32, how likely each hit is."""
    network.eval()
    heard = Heard(*(values.unsqueeze(0) for values in hear(bass, bar, tempo_bpm, known)))
    return torch.sigmoid(network.plan(network.take_in(heard)).onset)[0].numpy()


def validate(network: DrummerNetwork, passages: Sequence[Passage], known: int = 2) -> dict[str, float]:
    """Return groove cosine and kick F1 with each song's own bass and another's, weighted as songs are drawn."""
    rows, weights = [], [weight_of(passage) for passage in passages]
    for index, passage in enumerate(passages):
        true = passage.grooves
        row = []
        for source in (passage, _other(passages, index)):
            bass = np.resize(source.bass, passage.bass.shape)
            played = likeliest_bar(chances(network, bass, passage.bar, passage.tempo_bpm, known), passage.bar)
            row += [groove_cosine(true, played), f1(true[..., 0], played[..., 0])]
        rows.append(row)

    return {
        name: round(float(value), 3)
        for name, value in zip(("own", "kick", "other", "other_kick"), np.average(rows, 0, weights), strict=True)
    }


def _other(passages: Sequence[Passage], index: int) -> Passage:
    """Return a passage in the same metre whose bass can stand in for this one's."""
    order = [passages[(index + len(passages) // 2 + i) % len(passages)] for i in range(len(passages))]
    return next(passage for passage in order if passage.bar == passages[index].bar)


def _rounded(patterns: dict[str, np.ndarray]) -> dict[str, list[float]]:
    return {style: [round(float(chance), 3) for chance in pattern.ravel()] for style, pattern in patterns.items()}


def _padded(values: np.ndarray) -> np.ndarray:
    return np.pad(values, ((0, BEATS - len(values)), (0, 0), (0, 0)))
