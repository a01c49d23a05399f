"""Trains the published network in two stages of one recipe: first on separated songs, then on clean stems.

Each stage begins with fresh optimizers, rates and pools, as the paper's repository does when a training is continued on other data.
The output folder holds `published.safetensors` (the drawing generator as the last epoch left it: losses of adversaries do not say
which was best), `resume.safetensors` and `curve.jsonl`; starting again in the same folder goes on.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.drummer.published.config import SMALL, PublishedConfig
from models.drummer.published.corrections import Corrections
from models.drummer.published.data import Crops, Piece, crops_of
from models.drummer.published.network import save_network
from models.drummer.published.objectives import OBJECTIVES, RATE, Objective, share_of_rate
from models.layers.checkpoint import read_tensors, write_tensors

logger = logging.getLogger(__name__)

PRETRAINING_EPOCHS, FINE_TUNING_EPOCHS = 12, 20
BATCH = 1
CHECKPOINT, RESUME, CURVE = "published.safetensors", "resume.safetensors", "curve.jsonl"


@dataclass(frozen=True, slots=True)
class Stage:
    """What is heard, how often, and how much of the time there is for it where minutes are given."""

    name: str
    pieces: Sequence[Piece]
    epochs: int
    share: float = 1.0


def recipe(separated: Sequence[Piece], clean: Sequence[Piece]) -> list[Stage]:
    """Return the paper's stages; one without songs is left out."""
    stages = [
        Stage("pre-training", separated, PRETRAINING_EPOCHS, 0.6),
        Stage("fine-tuning", clean, FINE_TUNING_EPOCHS, 0.4),
    ]
    return [stage for stage in stages if stage.pieces]


class Run:
    """Networks, optimizers and pools of one output folder; `resume` goes on where an earlier one stopped."""

    def __init__(
        self,
        output: Path,
        kind: str,
        config: PublishedConfig,
        corrections: Corrections,
        seed: int,
        rate: float,
        device: str = "cpu",
    ) -> None:
        if kind not in OBJECTIVES:
            raise ValueError(f"the kind is {kind}; allowed: {', '.join(OBJECTIVES)}")
        self.output, self.kind, self.seed, self.rate = output, kind, seed, rate
        self.config, self.corrections, self.device = config, corrections, device
        self.objective = self._fresh(seed)
        self.stage, self.epoch, self.step, self.seconds, self.core_seconds = 0, 0, 0, 0.0, 0.0

    @property
    def parameter_count(self) -> int:
        return sum(parameter.numel() for parameter in self.objective.networks.parameters())

    def begin(self, stage: int) -> None:
        """Go to a stage: the networks stay, all else begins anew."""
        networks = self.objective.networks.state_dict()
        self.objective = self._fresh(self.seed + stage)
        self.objective.networks.load_state_dict(networks)
        self.stage, self.epoch = stage, 0

    def _fresh(self, seed: int) -> Objective:
        objective = OBJECTIVES[self.kind](self.config, self.corrections, seed, self.rate)
        objective.networks.to(self.device)
        return objective

    def set_rate(self) -> None:
        """Give the optimizers the rate of this epoch."""
        for optimizer in self.objective.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = self.rate * share_of_rate(self.epoch)

    def store(self, card: dict[str, str]) -> None:
        """Write everything that `resume` needs, and the drawing generator as it is."""
        tensors = {f"networks/{name}": value for name, value in self.objective.networks.state_dict().items()}
        for side, optimizer in self.objective.optimizers.items():
            for place, moments in optimizer.state_dict()["state"].items():
                tensors |= {f"{side}/{place}/{name}": value for name, value in moments.items()}
        tensors |= {f"pool/{side}": torch.stack(pool.kept) for side, pool in self.objective.pools.items() if pool.kept}
        random = {side: pool.random.bit_generator.state for side, pool in self.objective.pools.items()}
        card = card | {name: str(getattr(self, name)) for name in COUNTED} | {"kind": self.kind}
        sizes = {"config": json.dumps(self.config.to_json()), "corrections": json.dumps(self.corrections.to_json())}
        chance = {"random": json.dumps(random), "torch": torch.get_rng_state().numpy().tobytes().hex()}
        save_network(self.objective.networks["draws"], self.output / CHECKPOINT, card)
        write_tensors(self.output / RESUME, tensors, card | sizes | chance)

    def resume(self) -> bool:
        """Take up what `store` wrote, if anything. Raises ValueError if it is another network's."""
        path = self.output / RESUME
        if not path.exists():
            return False
        tensors, card = read_tensors(path)
        written = card["kind"], json.loads(card["config"]), json.loads(card["corrections"])
        if written != (self.kind, self.config.to_json(), self.corrections.to_json()):
            raise ValueError(
                f"{path} was trained as {card['kind']} with {card['corrections']}, {card['config']}; give another folder"
            )
        for name, kind in COUNTED.items():
            setattr(self, name, kind(card[name]))
        self.objective.networks.load_state_dict(_part(tensors, "networks"))
        for side, optimizer in self.objective.optimizers.items():
            moments: dict[int, dict[str, Tensor]] = {}
            for name, value in _part(tensors, side).items():
                place, part = name.split("/")
                moments.setdefault(int(place), {})[part] = value
            optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
        for side, pool in self.objective.pools.items():
            pool.kept = [one.to(self.device) for one in tensors.get(f"pool/{side}", [])]
            pool.random.bit_generator.state = json.loads(card["random"])[side]
        torch.set_rng_state(torch.tensor(list(bytes.fromhex(card["torch"])), dtype=torch.uint8))
        return True


COUNTED: dict[str, Callable[[str], Any]] = {
    "stage": int, "epoch": int, "step": int, "seconds": float, "core_seconds": float, "seed": int,
}  # fmt: skip


def train(
    stages: Sequence[Stage],
    output: Path,
    *,
    task: str,
    kind: str = "cyclegan",
    minutes: float | None = None,
    seed: int = 1,
    size: PublishedConfig = SMALL,
    corrections: Corrections | None = None,
    batch: int = BATCH,
    rate: float = RATE,
    threads: int = 1,
    device: str = "cpu",
    clock: Callable[[], float] = time.monotonic,
) -> Path:
    """Train through the stages and return the checkpoint.

    Args:
        minutes: of all stages by their shares, those of earlier runs in `output` counted; as many epochs as they say, if left out.
        device: a name of torch's.
        clock: seconds; at least one step is made in a stage, and its last epoch is cut short.
    """
    torch.set_num_threads(threads)
    corrections = corrections or Corrections.all()
    if not stages:
        raise ValueError("there is nothing to train on: no stage has songs")
    heard = [crops_of(stage.pieces, "train", size, corrections) for stage in stages]
    output.mkdir(parents=True, exist_ok=True)
    run = Run(output, kind, size, corrections, seed, rate, device)
    run.resume()
    logger.info("%d parameters, crops: %s", run.parameter_count, [len(crops) for crops in heard])
    began, before = clock(), run.seconds
    cores_began, cores_before = time.process_time(), run.core_seconds
    shares = np.cumsum([stage.share for stage in stages]) / sum(stage.share for stage in stages)
    for place in range(run.stage, len(stages)):
        stage = stages[place]
        if place > run.stage:
            run.begin(place)
        until = float("inf") if minutes is None else minutes * 60 * float(shares[place])
        while run.epoch < stage.epochs and (run.seconds < until or not run.epoch):
            losses = _epoch(run, heard[place], batch, lambda until=until: before + clock() - began < until)  # type: ignore[misc]
            run.epoch, run.seconds = run.epoch + 1, before + clock() - began
            run.core_seconds = cores_before + time.process_time() - cores_began
            row: dict[str, Any] = {"stage": stage.name, "epoch": run.epoch, "step": run.step}
            row |= {"minutes": round(run.seconds / 60, 2), "core_minutes": round(run.core_seconds / 60, 2)}
            row |= {name: round(loss, 5) for name, loss in losses.items()}
            with (output / CURVE).open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            logger.info("%s", row)
            run.store({"task": task, "stage_name": stage.name})
    return output / CHECKPOINT


def _epoch(run: Run, heard: Crops, batch: int, going_on: Callable[[], bool]) -> dict[str, float]:
    """Hear every crop once, in an order that seed, stage and epoch say; return the mean losses."""
    run.objective.networks.train()
    run.set_rate()
    rows: list[dict[str, float]] = []
    for source, target in heard.epoch(batch, run.objective.paired, [run.seed, run.stage, run.epoch]):
        if rows and not going_on():
            break
        rows.append(run.objective.step(source.to(run.device), target.to(run.device)))
        run.step += 1
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(f"{prefix}/"): value for name, value in tensors.items() if name.startswith(f"{prefix}/")}
