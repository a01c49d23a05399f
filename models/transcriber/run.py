"""One training run: network, optimiser and averaged weights, and the files that keep them.

NAME.safetensors is the best checkpoint so far, resume.safetensors what is needed to continue. Not here: what is heard
and when it is validated, which is the business of `training`.
"""

from __future__ import annotations

import json
import math
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from models.layers.averaging import average_into
from models.layers.checkpoint import read_run, write_run, write_tensors
from models.transcriber.material import TrainingError
from models.transcriber.network import BEND_REACH, SHIFT_REACH, TranscriberNetwork
from models.transcriber.processes import ALONE, Processes
from models.transcriber.targets import loss_of

WARMUP_STEPS, GRADIENT_LIMIT, AVERAGING = 200, 1.0, 0.998
NOTE_SHARE = 0.3  # what a note's end counts beside its onset, when checkpoints are compared


class Losses(nn.Module):  # type: ignore[misc]  # torch's types are not followed
    """Audio (batch, samples) and targets -> each part of the loss. Several processes average its gradients."""

    def __init__(self, network: TranscriberNetwork, bfloat16: bool) -> None:
        super().__init__()
        self.network, self.bfloat16 = network, bfloat16

    def forward(self, audio: Tensor, targets: dict[str, Tensor]) -> dict[str, Tensor]:
        with torch.autocast(audio.device.type, dtype=torch.bfloat16) if self.bfloat16 else nullcontext():
            logits = self.network.logits(audio)
        with audio.device:
            return loss_of(logits, targets, SHIFT_REACH, BEND_REACH)


class Run:
    """See the module's docstring. One owner.

    seconds: wall time of the whole run. name: of the checkpoint; a run that is not `transcriber`'s puts its name before
    its other files too, so that several may share a folder. bfloat16: of the products while it learns; it halves a step
    on processors that have it.
    """

    def __init__(
        self,
        network: TranscriberNetwork,
        output: Path,
        seconds: float,
        learning_rate: float,
        processes: Processes = ALONE,
        name: str = "transcriber",
        bfloat16: bool = True,
    ) -> None:
        self.network, self.output, self.seconds, self.learning_rate = network, output, seconds, learning_rate
        self.processes, self.prefix = processes, "" if name == "transcriber" else f"{name}_"
        self.checkpoint = output / f"{name}.safetensors"
        network.to(processes.device)
        self.losses: nn.Module = Losses(network, bfloat16)
        if processes.size > 1:
            self.losses = nn.parallel.DistributedDataParallel(self.losses, forward_sync_buffers=False)
        self.optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=0.01, betas=(0.9, 0.98))
        self.averaged = TranscriberNetwork(network.config).eval().to(processes.device)
        self.averaged.load_state_dict(network.state_dict())
        self.step, self.elapsed, self.best = 0, 0.0, 0.0

    def learn(self, audio: Tensor, targets: dict[str, Tensor]) -> dict[str, float]:
        """Take one step; return the parts of this process's loss, the rate and the gradient's norm."""
        device = self.processes.device
        rate = self._rate()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        losses = self.losses(audio.to(device), {name: value.to(device) for name, value in targets.items()})
        self.optimizer.zero_grad()
        sum(losses.values()).backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), GRADIENT_LIMIT)
        if torch.isfinite(norm):
            self.optimizer.step()
            self._average()
        self.step += 1
        return {name: value.item() for name, value in losses.items()} | {"learning_rate": rate, "gradient": norm.item()}

    def _rate(self) -> float:
        """Warm up by steps, then a cosine over the wall time that is left."""
        share = min(1.0, self.elapsed / self.seconds)
        return (
            self.learning_rate
            * min(1.0, (self.step + 1) / WARMUP_STEPS)
            * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))
        )

    def _average(self) -> None:
        average_into(self.averaged.parameters(), self.network.parameters(), self.step, AVERAGING, 20)

    def settled(self) -> TranscriberNetwork:
        """Return the averaged network on the CPU, where validation hears."""
        network = TranscriberNetwork(self.network.config).eval()
        network.load_state_dict(self.averaged.state_dict())
        return network

    def offer(self, figures: dict[str, list[float]]) -> None:
        """Write the checkpoint if it is the best so far by the heads' mean onset F1 and 0.3 of their mean note F1."""
        score = float(np.mean(figures["onset_f1"]) + NOTE_SHARE * np.mean(figures["note_f1"]))
        if score >= self.best:
            self.best = score
            card = {
                "config": json.dumps(self.network.config.to_json()),
                "figures": json.dumps(figures),
                "step": str(self.step),
                "minutes": f"{self.elapsed / 60:.1f}",
            }
            write_tensors(self.checkpoint, self.averaged.state_dict(), card)

    def start_from(self, checkpoint: Path) -> tuple[int, int]:
        """Take over the weights of a checkpoint that have the shapes of this network's; return how many of how many."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        if not checkpoint.is_file():
            raise FileNotFoundError(f"there is no checkpoint {checkpoint} to start from")
        try:
            stored = load_file(checkpoint)
        except SafetensorError as error:
            raise TrainingError(f"{checkpoint} is no checkpoint: {str(error).splitlines()[0]}") from error
        own = self.network.state_dict()
        fitting = {name: value for name, value in stored.items() if name in own and own[name].shape == value.shape}
        if not fitting:
            raise TrainingError(f"{checkpoint} holds no weights of this network's shapes")
        for network in (self.network, self.averaged):
            network.load_state_dict(own | fitting)
        return len(fitting), len(own)

    def save(self) -> None:
        """Write what is needed to continue."""
        card = {"step": str(self.step), "elapsed": str(self.elapsed), "best": str(self.best)}
        write_run(self._unfinished, self.network, self.averaged, self.optimizer, card)

    def resume(self) -> bool:
        """Continue from the output folder; return whether it holds a run."""
        card = read_run(self._unfinished, self.network, self.averaged, self.optimizer)
        if card is None:
            return False
        self.step, self.elapsed, self.best = int(card["step"]), float(card["elapsed"]), float(card["best"])
        return True

    @property
    def _unfinished(self) -> Path:
        return self.output / f"{self.prefix}resume.safetensors"
