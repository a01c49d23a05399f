"""Trains the published network as its paper does: mean squared error of log(1 + power), Adam, a rate that falls on plateaus.

The output folder holds `published.safetensors` (weights of the lowest validation loss), `resume.safetensors` and
`curve.jsonl`; starting again in the same folder goes on. One network plays one instrument.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.layers.checkpoint import read_tensors, write_tensors
from models.performer.material import Excerpt
from models.performer.published.config import EXTRA_SMALL, PublishedConfig
from models.performer.published.corrections import Corrections
from models.performer.published.data import Chunks, split_chunks
from models.performer.published.network import PublishedNetwork, load_network, save_network

logger = logging.getLogger(__name__)

RATE, BATCH = 1e-3, 8  # the paper's batch is 16
FALL, PATIENCE = 0.1, 10  # of the rate; epochs without gain
RELEASED_EPOCHS = 10  # between two looks at the plateau, as released
CHECKPOINT, RESUME, CURVE = "published.safetensors", "resume.safetensors", "curve.jsonl"


class Run:
    """Network, optimizer and schedule of one output folder; `resume` goes on where an earlier one stopped."""

    def __init__(self, output: Path, config: PublishedConfig, corrections: Corrections, seed: int, rate: float) -> None:
        torch.manual_seed(seed)
        self.output, self.seed = output, seed
        self.network = PublishedNetwork(config, corrections)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=rate)
        self.plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(self.optimizer, factor=FALL, patience=PATIENCE)
        self.epoch, self.step, self.best = 0, 0, float("inf")
        self.seconds, self.core_seconds = 0.0, 0.0  # by the clock, and of a processor's core

    def resume(self) -> bool:
        """Take up what `store` wrote, if anything. Raises ValueError if it is another network's."""
        path = self.output / RESUME
        if not path.exists():
            return False
        network, card = load_network(path)
        if (network.config, network.corrections) != (self.network.config, self.network.corrections):
            raise ValueError(f"{path} was trained with {network.corrections}, {network.config}; give another folder")
        self.network.load_state_dict(network.state_dict())
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in read_tensors(path.with_suffix(".moments.safetensors"))[0].items():
            place, part = name.split("/")
            moments.setdefault(int(place), {})[part] = value
        state = self.optimizer.state_dict()
        self.optimizer.load_state_dict({"state": moments, "param_groups": state["param_groups"]})
        self.plateau.load_state_dict(json.loads(card["plateau"]))
        for group in self.optimizer.param_groups:
            group["lr"] = float(card["rate"])
        self.epoch, self.step, self.seed = int(card["epoch"]), int(card["step"]), int(card["seed"])
        self.seconds, self.core_seconds, self.best = (float(card[k]) for k in ("seconds", "core_seconds", "best"))
        return True

    def store(self) -> None:
        """Write everything that `resume` needs; the moments first, so that weights are never newer."""
        path = self.output / RESUME
        state = self.optimizer.state_dict()["state"]
        moments = {f"{place}/{k}": v for place, part in state.items() for k, v in part.items()}
        write_tensors(path.with_suffix(".moments.safetensors"), moments)
        plateau = {k: v for k, v in self.plateau.state_dict().items() if isinstance(v, int | float | str | list)}
        save_network(self.network, path, self.card() | {"plateau": json.dumps(plateau)})

    def card(self) -> dict[str, str]:
        rate = self.optimizer.param_groups[0]["lr"]
        names = ("epoch", "step", "seconds", "core_seconds", "best", "seed")
        return {name: str(getattr(self, name)) for name in names} | {"rate": str(rate)}


def train(
    excerpts: Sequence[Excerpt],
    output: Path,
    *,
    minutes: float,
    seed: int = 1,
    size: PublishedConfig = EXTRA_SMALL,
    corrections: Corrections | None = None,
    batch: int = BATCH,
    rate: float = RATE,
    threads: int = 1,
    clock: Callable[[], float] = time.monotonic,
) -> Path:
    """Train for `minutes`, those of earlier runs in `output` counted, and return the checkpoint.

    Args:
        excerpts: of one instrument; those of the splits train and validation are heard.
        clock: seconds; at least one step is made and the last epoch is cut short.
    """
    torch.set_num_threads(threads)
    corrections = corrections or Corrections.all()
    instruments = sorted({excerpt.instrument for excerpt in excerpts})
    if len(instruments) != 1:
        raise ValueError(f"one network plays one instrument, not {', '.join(instruments) or 'none'}")
    heard, watched = split_chunks(excerpts, size, corrections, seed)
    output.mkdir(parents=True, exist_ok=True)
    run = Run(output, size, corrections, seed, rate)
    run.resume()
    logger.info("%d parameters, %d chunks, %d to validate", run.network.parameter_count, len(heard), len(watched))
    began, before = clock(), run.seconds
    cores_began, cores_before = time.process_time(), run.core_seconds
    while run.seconds < minutes * 60:
        loss = _epoch(run, heard, batch, lambda: before + clock() - began < minutes * 60)
        seen = mean_loss(run.network, watched, batch) if len(watched) else loss
        run.epoch, run.seconds = run.epoch + 1, before + clock() - began
        run.core_seconds = cores_before + time.process_time() - cores_began
        if corrections.patient_by_epoch or run.epoch % RELEASED_EPOCHS == 0:
            run.plateau.step(seen)
        row: dict[str, Any] = {"epoch": run.epoch, "step": run.step, "minutes": round(run.seconds / 60, 2)}
        row |= {"core_minutes": round(run.core_seconds / 60, 2)}
        row |= {"loss": round(loss, 5), "validation": round(seen, 5), "rate": run.optimizer.param_groups[0]["lr"]}
        with (output / CURVE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        logger.info("%s", row)
        if seen < run.best:
            run.best = seen
            save_network(run.network, output / CHECKPOINT, run.card() | {"instrument": instruments[0]})
        run.store()
    return output / CHECKPOINT


def loss_of(network: PublishedNetwork, pianoroll: Tensor, on_off: Tensor, log_power: Tensor) -> Tensor:
    """Mean squared error over the frames that both have: as released, the network's may be more."""
    with torch.autocast("cpu", dtype=torch.bfloat16):  # halves a step on processors that have it
        said = network(pianoroll, on_off)
    frames = min(said.shape[-1], log_power.shape[-1])
    return (said[..., :frames].float() - log_power[..., :frames]).square().mean()


def mean_loss(network: PublishedNetwork, chunks: Chunks, batch: int = BATCH) -> float:
    """Return the loss over all chunks."""
    network.eval()
    total = 0.0
    with torch.no_grad():
        for start in range(0, len(chunks), batch):
            parts = chunks.batch(range(start, min(start + batch, len(chunks))))
            total += len(parts[0]) * loss_of(network, *parts).item()
    return total / len(chunks)


def _epoch(run: Run, heard: Chunks, batch: int, going_on: Callable[[], bool]) -> float:
    """Hear every chunk once, in an order that seed and epoch say; return the mean loss."""
    run.network.train()
    order = np.random.default_rng([run.seed, run.epoch]).permutation(len(heard))
    losses: list[float] = []
    for start in range(0, len(order), batch):
        if losses and not going_on():
            break
        loss = loss_of(run.network, *heard.batch(order[start : start + batch]))
        run.optimizer.zero_grad()
        loss.backward()
        run.optimizer.step()
        run.step += 1
        losses.append(loss.item())
    return float(np.mean(losses))
