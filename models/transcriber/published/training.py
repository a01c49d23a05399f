"""Trains the published network as its paper does: two runs of Adam, each ended by early stopping.

Not the material and not the scores: `experiment` calls `fit` with crops and scores what it returns.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.transcriber.published.corrections import Corrections
from models.transcriber.published.decode import Thresholds
from models.transcriber.published.features import levels
from models.transcriber.published.material import Crops
from models.transcriber.published.network import PublishedNetwork, load_network, save_network
from models.transcriber.published.targets import published_loss, rolls

logger = logging.getLogger(__name__)

STAGES = ((5e-3, 1e-3), (5e-4, 5e-4))  # learning rate and label smoothing of the two runs
FIRST_STAGE_SHARE = 0.65  # of the minutes, if patience does not end it earlier
BATCH, PATIENCE, LEAST_GAIN = 30, 10, 1e-4
EPOCH_STEPS = 100  # 3,000 crops; one crop of each of MAESTRO's 962 pieces would be 33
RECROPPED = 548  # validation crops of which 137 are drawn each epoch, where validation is not fixed


class EarlyStopping:
    """Ends a run after `patience` epochs without a loss lower than the best by at least `least_gain`."""

    def __init__(self, patience: int = PATIENCE, least_gain: float = LEAST_GAIN) -> None:
        self.patience, self.least_gain = patience, least_gain
        self.best, self.waited = float("inf"), 0

    def improved(self, loss: float) -> bool:
        """Take an epoch's validation loss and say whether it is the best."""
        better = loss < self.best - self.least_gain
        self.best, self.waited = (loss, 0) if better else (self.best, self.waited + 1)
        return better

    @property
    def over(self) -> bool:
        return self.waited >= self.patience


class LabelledCrops:
    """Crops with their rolls, handed out in batches as tensors."""

    def __init__(self, crops: Crops, corrections: Corrections) -> None:
        self.magnitudes, self.corrections = crops.magnitudes, corrections
        targets = [rolls(notes, 0.0, corrections) for notes in crops.notes]
        self.sounding, self.onset = (np.stack(part) for part in zip(*targets, strict=True))

    def __len__(self) -> int:
        return len(self.magnitudes)

    def batch(self, indices: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return levels, sounding and onset rolls, (indices, 88, frames) float32 each."""
        rows = levels(self.magnitudes[indices], self.corrections)
        return tuple(
            torch.from_numpy(part.astype(np.float32)) for part in (rows, self.sounding[indices], self.onset[indices])
        )


def fit(
    heard: LabelledCrops,
    watched: LabelledCrops,
    output: Path,
    *,
    minutes: float,
    seed: int,
    corrections: Corrections,
    epoch_steps: int | None = None,
    batch: int | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Path:
    """Train in two stages on `heard`, watching the loss on `watched`; return the checkpoint of the best weights.

    Where `output` holds a checkpoint, fine-tuning goes on from it.
    """
    epoch_steps, batch = epoch_steps or EPOCH_STEPS, batch or BATCH
    torch.manual_seed(seed)
    network, first_step = PublishedNetwork(corrections).to(memory_format=torch.channels_last), 0
    output.mkdir(parents=True, exist_ok=True)
    checkpoint, curve = output / "published.safetensors", output / "curve.jsonl"
    known = float("inf")
    if checkpoint.exists():
        network, card = load_network(checkpoint)
        if network.corrections != corrections:
            raise ValueError(f"{checkpoint} was trained with {network.corrections}; give another folder")
        first_step, known = int(card["step"]), float(card["validation_loss"])
    logger.info("%d parameters, %d crops, %d steps done", network.parameter_count, len(heard), first_step)
    began, step = clock(), first_step
    for stage, (rate, smoothing) in enumerate(STAGES):
        if stage == 0 and first_step:
            continue
        optimizer = torch.optim.Adam(network.parameters(), lr=rate)
        stopping, rng = EarlyStopping(), np.random.default_rng([seed, stage, first_step])
        stopping.best = known
        until = minutes * 60 * (FIRST_STAGE_SHARE if stage == 0 else 1.0)
        while not stopping.over and (clock() - began < until or step == first_step):
            loss = _epoch(network, optimizer, heard, smoothing, rng, epoch_steps, batch)
            step += epoch_steps
            seen = validation_loss(network, watched, smoothing, rng)
            passed = (clock() - began) / 60
            row = {
                "stage": stage,
                "step": step,
                "minutes": round(passed, 2),
                "loss": round(loss, 5),
                "validation": round(seen, 5),
            }
            with curve.open("a") as file:
                file.write(json.dumps(row) + "\n")
            logger.info("%s", row)
            if stopping.improved(seen):
                card = {"step": str(step), "minutes": f"{passed:.1f}", "seed": str(seed), "validation_loss": f"{seen:.5f}",
                        "thresholds": json.dumps(Thresholds().to_json())}  # fmt: skip
                save_network(network, checkpoint, card)
        network = load_network(checkpoint)[0]
    draw_curve(curve)
    return checkpoint


def validation_loss(
    network: PublishedNetwork, watched: LabelledCrops, smoothing: float, rng: np.random.Generator
) -> float:
    """Return the mean loss over the validation crops, or over new random ones where validation is not fixed."""
    order = np.arange(len(watched))
    if not network.corrections.fixed_validation:
        order = rng.permutation(order)[: max(1, len(order) * 137 // RECROPPED)]
    network.eval()
    losses = []
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        for start in range(0, len(order), BATCH):
            rows, sounding, onset = watched.batch(order[start : start + BATCH])
            terms = published_loss(network(rows), sounding, onset, smoothing, network.corrections)
            losses.append((len(rows), sum(term.item() for term in terms.values())))
    return sum(size * loss for size, loss in losses) / len(order)


def draw_curve(path: Path) -> None:
    """Draw curve.jsonl beside itself."""
    from matplotlib.figure import Figure

    rows: list[dict[str, Any]] = [json.loads(line) for line in path.read_text().splitlines()]  # Any: JSON values
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.add_subplot(xlabel="steps of 30 crops", ylabel="loss", yscale="log")
    for name in ("loss", "validation"):
        axes.plot([row["step"] for row in rows], [row[name] for row in rows], label=name)
    axes.axvline(max(row["step"] for row in rows if row["stage"] == 0), color="grey", label="fine-tuning begins")
    axes.legend()
    figure.savefig(path.with_suffix(".png"))


def _epoch(
    network: PublishedNetwork, optimizer: torch.optim.Optimizer, heard: LabelledCrops, smoothing: float,
    rng: np.random.Generator, steps: int, batch: int,
) -> float:  # fmt: skip
    network.train()
    losses = []
    for _ in range(steps):
        rows, sounding, onset = heard.batch(rng.integers(len(heard), size=batch))
        with torch.autocast("cpu", dtype=torch.bfloat16):  # halves a step on processors that have it
            logits = network(rows)
        loss = sum(published_loss(logits, sounding, onset, smoothing, network.corrections).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return float(np.mean(losses))
