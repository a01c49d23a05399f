"""Trains the published network through its stages, each beginning with the best network of the one before.

The output folder holds, a stage, `stage_NAME.safetensors` (weights of the lowest validation loss) and `stage_NAME_resume.safetensors`, and
`curve.jsonl`; starting again in the same folder goes on. What a step draws depends on seed, stage and step alone.
"""

from __future__ import annotations

import copy
import json
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from models.arranger.published.config import SMALL, PublishedConfig
from models.arranger.published.corrections import Corrections
from models.arranger.published.data import Batch, Material
from models.arranger.published.network import PublishedNetwork, load_network, save_network
from models.arranger.published.objectives import all_told, losses_of, toss
from models.arranger.published.schedules import BATCH, CLIP, STAGES, Stage
from models.layers.checkpoint import read_run, write_run

logger = logging.getLogger(__name__)

VALIDATED = 256  # segments, evenly among those that are kept out
CURVE = "curve.jsonl"


class Run:
    """A network in one stage with its optimizer; `learn` is one step, `resume` goes on where an earlier run stopped."""

    def __init__(
        self,
        output: Path,
        kind: str,
        config: PublishedConfig,
        corrections: Corrections,
        stage: Stage,
        seed: int,
        device: str = "cpu",
    ) -> None:
        torch.manual_seed(seed)
        self.output, self.stage, self.seed, self.device = output, stage, seed, device
        self.network = PublishedNetwork(config, corrections, kind).to(device)
        self.step, self.epoch, self.seconds, self.least = 0, 0, 0.0, float("inf")
        before = None if stage.after is None else output / checkpoint_of(stage.after)
        if before is not None and before.exists():
            self.network.load_state_dict(load_network(before)[0].state_dict())
        self.best = copy.deepcopy(self.network)
        self.optimizer = torch.optim.Adam(self.network.parameters(), stage.rate)

    def rng(self, number: int) -> np.random.Generator:
        """Return the chance of a step; -1 is the validation's."""
        return np.random.default_rng([self.seed, list(STAGES).index(self.stage.name), number + 1])

    def learn(self, batch: Batch) -> dict[str, float]:
        """Take one step and return its losses by name."""
        self.network.train()
        torch.manual_seed(int(self.rng(self.step).integers(2**62)))
        for group in self.optimizer.param_groups:
            group["lr"] = self.stage.rate_at(self.step)
        tosses = toss(self.step, self.network.config.slots, self.rng(self.step))
        losses = losses_of(self.network, batch.to(self.device), self.stage, self.stage.betas(self.step), tosses)
        self.optimizer.zero_grad()
        losses["all"].backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)
        self.optimizer.step()
        self.step += 1
        return {name: loss.item() for name, loss in losses.items()}

    @torch.no_grad()
    def validate(self, material: Material, batch: int) -> float:
        """Return the mean loss of segments that are kept out."""
        network, plain, rng = self.network.eval(), self.network.corrections.plain_validation, self.rng(-1)
        numbers = np.unique(np.linspace(0, len(material) - 1, min(VALIDATED, len(material))).astype(int))
        torch.manual_seed(self.seed)
        slots, betas = network.config.slots, {} if plain else self.stage.betas(self.step)
        found = []
        for first in range(0, len(numbers), batch):
            some = numbers[first : first + batch]
            heard = material.rows(some, self.stage, network.config, rng).to(self.device)
            tosses = all_told(slots) if plain else toss(self.step, slots, rng)
            found.append(
                len(some) * losses_of(network, heard, self.stage, betas, tosses, sampled=not plain)["all"].item()
            )
        return sum(found) / len(numbers)

    def store(self) -> None:
        """Write the best network, and everything that `resume` needs."""
        card = {name: str(getattr(self, name)) for name in COUNTED} | {"stage": self.stage.name, "seed": str(self.seed)}
        save_network(self.best, self.output / checkpoint_of(self.stage.name), card)
        told = {"kind": self.network.kind, "config": json.dumps(self.network.config.to_json())}
        told |= {"corrections": json.dumps(self.network.corrections.to_json())}
        write_run(self._resume_path, self.network, self.best, self.optimizer, card | told)

    def resume(self) -> bool:
        """Take up what `store` wrote, if anything. Raises ValueError if it is another network's."""
        path = self._resume_path
        if not path.exists():
            return False
        kept = load_network(self.output / checkpoint_of(self.stage.name))[0]
        ours, theirs = ((one.kind, one.config, one.corrections) for one in (self.network, kept))
        if ours != theirs:
            raise ValueError(f"{path} was trained as {theirs[0]} with {theirs[2]}, {theirs[1]}; give another folder")
        card = read_run(path, self.network, self.best, self.optimizer)
        assert card is not None
        for name, kind in COUNTED.items():
            setattr(self, name, kind(card[name]))
        return True

    @property
    def _resume_path(self) -> Path:
        return self.output / f"stage_{self.stage.name}_resume.safetensors"


COUNTED: dict[str, Callable[[str], int | float]] = {"step": int, "epoch": int, "seconds": float, "least": float}


def checkpoint_of(stage: str) -> str:
    """Return the name of the file with a stage's best network."""
    return f"stage_{stage}.safetensors"


def train(
    training: Material,
    validation: Material,
    output: Path,
    *,
    stages: Sequence[str] = tuple(STAGES),
    kind: str = "cvae",
    size: PublishedConfig = SMALL,
    minutes: float | None = None,
    epochs: int | None = None,
    batch: int = BATCH,
    seed: int = 1,
    threads: int = 1,
    device: str = "cpu",
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Path]:
    """Train through stages, and return each one's checkpoint.

    Args:
        stages: names in `STAGES`, in order; 3a and 3b both begin with the network of 2. The supervised baselines have 1 alone.
        minutes: of a stage. epochs: of a stage, the paper's if both are left out. The less of both ends it, after one epoch at least.
        clock: seconds.

    Raises:
        ValueError: a stage is unknown or is not one of the kind's, or the one before it has not been trained.
    """
    torch.set_num_threads(threads)
    output.mkdir(parents=True, exist_ok=True)
    for name in stages:
        if name not in STAGES or (kind.startswith("supervised") and name != "1"):
            raise ValueError(
                f"{kind} has no stage {name}; allowed: {'1' if kind.startswith('supervised') else ', '.join(STAGES)}"
            )
        stage = STAGES[name]
        if stage.after is not None and not (output / checkpoint_of(stage.after)).exists():
            raise ValueError(f"stage {name} begins with the network of stage {stage.after}, which is not in {output}")
        run = Run(output, kind, size, training.corrections, stage, seed, device)
        run.resume()
        logger.info("stage %s: %d parameters, %d segments", name, run.network.parameter_count, len(training))
        began, before = clock(), run.seconds
        until = float("inf") if minutes is None else 60 * minutes
        while run.epoch < (epochs or stage.epochs) and (run.seconds < until or not run.epoch):
            losses = [
                run.learn(training.batch(batch, stage, size, run.rng(run.step)))
                for _ in range(max(1, len(training) // batch))
            ]
            seen = run.validate(validation, batch)
            run.epoch, run.seconds = run.epoch + 1, before + clock() - began
            if seen < run.least:
                run.least = seen
                run.best.load_state_dict(run.network.state_dict())
            row: dict[str, str | float] = {"stage": name, "epoch": run.epoch, "step": run.step}
            row |= {"minutes": round(run.seconds / 60, 2), "validation": round(seen, 4)}
            row |= {key: round(float(np.mean([one[key] for one in losses])), 4) for key in losses[0]}
            with (output / CURVE).open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            logger.info("%s", row)
            run.store()
    return {name: output / checkpoint_of(name) for name in stages}
