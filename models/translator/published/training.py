"""Trains the published network as its paper does: Adam at 0.001, divergences from 0 to 1 over the first 100 epochs.

The output folder holds `published.safetensors` (weights of the lowest validation loss) and `curve.jsonl`.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.translator.published.config import SMALL, PublishedConfig
from models.translator.published.data import Material
from models.translator.published.network import PublishedNetwork, save_network
from models.translator.published.objective import terms_of
from models.translator.published.validation import examples_of, validation_loss

logger = logging.getLogger(__name__)

RATE, BATCH = 1e-3, 64
RELEASED_RATE = 1e-5
LAST_RATE = 0.01  # of the first, at the end
WARM_UP_EPOCHS = 100
EPOCH_STEPS = 100  # at least, between two looks at the validation
CHECKPOINT, CURVE = "published.safetensors", "curve.jsonl"


class Learning:
    """A network with its optimizers; `learn` is one step."""

    def __init__(self, network: PublishedNetwork) -> None:
        self.network, self.corrections = network, network.corrections
        self.rate = RATE if self.corrections.published_rate else RELEASED_RATE
        signal = [*network.signal_encoder.parameters(), *network.signal_decoder.parameters()]
        symbol = [*network.symbol_encoder.parameters(), *network.symbol_decoder.parameters()]
        groups = [[*signal, *symbol]] if self.corrections.joint_once else [signal, symbol]
        fused = self.corrections.joint_once  # fused steps would hide from torch that weights changed between two passes
        self.optimizers = [torch.optim.Adam(group, lr=self.rate, fused=fused) for group in groups]

    def learn(self, spectra: Tensor, symbols: Tensor, progress: float, epoch: float) -> float:
        """Take one step and return its loss. progress: of the whole run, 0 to 1. epoch: with its fraction."""
        self.network.train()
        if self.corrections.falling_rate:
            share = LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
            for optimizer in self.optimizers:
                optimizer.param_groups[0]["lr"] = share * self.rate
        beta = min(1.0, epoch / WARM_UP_EPOCHS) if self.corrections.warm_up else 1.0
        loss = terms_of(self.network, spectra, symbols).total(beta)
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        for place, optimizer in enumerate(self.optimizers):
            loss.backward(retain_graph=place + 1 < len(self.optimizers))
            optimizer.step()
        return loss.item()


def train(
    training: Material,
    validation: Material,
    output: Path,
    *,
    minutes: float,
    seed: int = 1,
    size: PublishedConfig = SMALL,
    batch: int = BATCH,
    card: dict[str, str] | None = None,
    clock: Callable[[], float] = time.process_time,
) -> Path:
    """Train on one thread for `minutes` of a core, at least one step, and return the checkpoint.

    Args:
        card: texts that stand in the checkpoint.
        clock: seconds.
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = PublishedNetwork(size, training.vocabulary, training.corrections)
    learning, watched = Learning(network), examples_of(validation)
    told = (card or {}) | {"seed": str(seed), "statistics": json.dumps(training.statistics.to_json())}
    output.mkdir(parents=True, exist_ok=True)
    (output / CURVE).unlink(missing_ok=True)
    per_epoch = max(1, len(training) // batch)
    logger.info("%s parameters, %d frames", network.parameter_counts, len(training))
    began, step, best, losses = clock(), 0, float("inf"), list[float]()
    progress = 0.0
    while progress < 1.0:
        losses.append(learning.learn(*training.batch(batch, rng), progress, step / per_epoch))
        step += 1
        progress = (clock() - began) / (minutes * 60)
        if progress < 1.0 and step % max(per_epoch, EPOCH_STEPS):
            continue
        seen = validation_loss(network, *watched)
        last = (part[-batch:] for part in watched)
        judged = seen if network.corrections.best_on_validation else validation_loss(network, *last)
        row = {"step": step, "core_minutes": round((clock() - began) / 60, 3)}
        row |= {"loss": round(float(np.mean(losses)), 4), "validation": round(seen, 4)}
        with (output / CURVE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        losses = []
        if judged < best or not (output / CHECKPOINT).exists():
            best = judged
            save_network(network, output / CHECKPOINT, told | {name: str(value) for name, value in row.items()})
    return output / CHECKPOINT
