"""Trains the transcriber from MIDI and instruments: renders, listens, corrects, validates, writes checkpoints.

`backline train transcriber` calls `train`. The output folder holds `renders/` (made once, then read), the best
checkpoint `transcriber.safetensors` (averaged weights, thresholds and figures in its card), `resume.safetensors`,
`curve.jsonl` and `curve.png`. Stopping and starting again continues.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.transcriber.config import TranscriberConfig
from models.transcriber.material import prepare_renders, segments
from models.transcriber.network import SHIFT_REACH, TranscriberNetwork, load_network
from models.transcriber.targets import Rolls, loss_of, stack_heads
from models.transcriber.validation import Excerpt, load_excerpts, validate

__all__ = ["load_network", "train"]

logger = logging.getLogger(__name__)

BATCH = 3  # segments a step: more, smaller steps beat larger batches in the same time
WARMUP_STEPS, GRADIENT_LIMIT, AVERAGING = 200, 1.0, 0.998
SAVE_EVERY_SECONDS = 120.0  # of what is needed to continue


def train(
    data: Path,
    output: Path,
    *,
    minutes: float,
    seed: int = 1,
    hours_of_audio: float = 16.0,
    validate_every_minutes: float = 10.0,
    learning_rate: float = 1.5e-3,
    threads: int = 1,
    render_processes: int = 2,
    config: TranscriberConfig | None = None,
) -> Path:
    """Render what is missing, train for `minutes` of wall time (earlier runs in `output` count) and return the checkpoint.

    data: folder with midi_giantmidi56, midi_pop909 and notes_salamander_piano.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    _keep_freed_memory()
    training_folder, validation_folder = prepare_renders(data, output, seed, hours_of_audio, render_processes)
    network = TranscriberNetwork(config or TranscriberConfig())
    run = _Run(network, output, minutes * 60, learning_rate)
    run.resume()
    logger.info("%d parameters, %d steps done", network.parameter_count, run.step)
    hop = network.config.hop
    excerpts = load_excerpts(sorted(validation_folder.glob("render_*.npz")), network.config.sample_rate, hop, seed)
    heard = segments(training_folder, network.config, np.random.default_rng([seed, run.step]))
    _loop(run, heard, excerpts, validate_every_minutes * 60)
    return output / "transcriber.safetensors"


def _keep_freed_memory() -> None:
    """Have glibc keep large blocks: asking the kernel for them anew each step costs a third of the step (0.95 s, not 1.45 s)."""
    import ctypes

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # not glibc
        return
    mallopt(-4, 0)  # M_MMAP_MAX: no block of its own mapping
    mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD, bytes
    mallopt(-2, 2**29)  # M_TOP_PAD, bytes


class _Run:
    """Network, optimiser and averaged weights of one training run. One owner."""

    def __init__(self, network: TranscriberNetwork, output: Path, seconds: float, learning_rate: float) -> None:
        self.network, self.output, self.seconds, self.learning_rate = network, output, seconds, learning_rate
        self.optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=0.01, betas=(0.9, 0.98))
        self.averaged = TranscriberNetwork(network.config).eval()
        self.averaged.load_state_dict(network.state_dict())
        self.step, self.elapsed, self.best = 0, 0.0, 0.0

    def learn(self, audio: Tensor, targets: dict[str, Tensor]) -> dict[str, float]:
        rate = self._rate()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        with torch.autocast("cpu", dtype=torch.bfloat16):  # halves a step on processors that have it
            logits = self.network.logits(audio)
        losses = loss_of(logits, targets, SHIFT_REACH)
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
        keep = min(AVERAGING, self.step / (self.step + 20))
        with torch.no_grad():
            for mean, value in zip(self.averaged.parameters(), self.network.parameters(), strict=True):
                mean.lerp_(value, 1 - keep)

    def offer(self, figures: dict[str, list[float]]) -> None:
        """Write the checkpoint if it is the best so far by the heads' mean onset F1."""
        score = float(np.mean(figures["onset_f1"]))
        if score >= self.best:
            self.best = score
            card = {
                "config": json.dumps(self.network.config.to_json()),
                "figures": json.dumps(figures),
                "step": str(self.step),
                "minutes": f"{self.elapsed / 60:.1f}",
            }
            _write(self.output / "transcriber.safetensors", self.averaged.state_dict(), card)

    def save(self) -> None:
        """Write what is needed to continue."""
        names = [name for name, _ in self.network.named_parameters()]
        state = {f"network/{name}": value for name, value in self.network.state_dict().items()}
        state |= {f"averaged/{name}": value for name, value in self.averaged.state_dict().items()}
        for index, moments in self.optimizer.state_dict()["state"].items():
            state |= {f"optimizer/{names[index]}/{key}": value for key, value in moments.items()}
        card = {"step": str(self.step), "elapsed": str(self.elapsed), "best": str(self.best)}
        _write(self.output / "resume.safetensors", state, card)

    def resume(self) -> None:
        """Continue from the output folder, if it holds a run."""
        from safetensors import safe_open

        path = self.output / "resume.safetensors"
        if not path.exists():
            return
        with safe_open(path, "pt") as stored:
            card = stored.metadata()
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}
        self.step, self.elapsed, self.best = int(card["step"]), float(card["elapsed"]), float(card["best"])
        part = lambda prefix: {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)}  # noqa: E731
        self.network.load_state_dict(part("network/"))
        self.averaged.load_state_dict(part("averaged/"))
        moments = part("optimizer/")
        state = {
            index: {key: moments[f"{name}/{key}"] for key in ("step", "exp_avg", "exp_avg_sq")}
            for index, (name, _) in enumerate(self.network.named_parameters())
            if f"{name}/step" in moments
        }
        self.optimizer.load_state_dict({"state": state, "param_groups": self.optimizer.state_dict()["param_groups"]})


def _write(path: Path, tensors: dict[str, Tensor], card: dict[str, str]) -> None:
    from safetensors.torch import save_file

    partial = path.with_name(f".{path.name}")
    save_file({name: value.contiguous().clone() for name, value in tensors.items()}, partial, card)
    partial.rename(path)


def _loop(
    run: _Run, heard: Iterator[tuple[np.ndarray, Rolls]], excerpts: list[Excerpt], validate_every_seconds: float
) -> None:
    from tqdm import tqdm

    run.output.mkdir(parents=True, exist_ok=True)
    next_validation, next_save = run.elapsed + validate_every_seconds, run.elapsed + SAVE_EVERY_SECONDS
    sums: dict[str, float] = {}
    with tqdm(total=round(run.seconds), initial=round(run.elapsed), unit="s", mininterval=10) as progress:
        while run.elapsed < run.seconds:
            began = time.monotonic()
            batch = [next(heard) for _ in range(BATCH)]
            audio = torch.from_numpy(np.stack([samples for samples, _ in batch]))
            losses = run.learn(audio, stack_heads([rolls for _, rolls in batch], run.network.config.look_ahead_hops))
            sums = {name: 0.98 * sums.get(name, value) + 0.02 * value for name, value in losses.items()}
            run.elapsed += time.monotonic() - began
            progress.update(round(run.elapsed) - progress.n)
            last = run.elapsed >= run.seconds
            if last or run.elapsed >= next_validation:
                began = time.monotonic()
                figures = validate(run.averaged, excerpts)
                run.elapsed += time.monotonic() - began
                next_validation = run.elapsed + validate_every_seconds
                _log(run, sums, figures)
                run.offer(figures)
                progress.set_postfix_str(f"step {run.step} onset F1 {figures['onset_f1']}")
            if last or run.elapsed >= next_save:
                run.save()
                next_save = run.elapsed + SAVE_EVERY_SECONDS


def _log(run: _Run, losses: dict[str, float], figures: dict[str, list[float]]) -> None:
    row = (
        {"step": run.step, "minutes": round(run.elapsed / 60, 2)}
        | {name: round(value, 6) for name, value in losses.items()}
        | figures
    )
    path = run.output / "curve.jsonl"
    with path.open("a") as file:
        file.write(json.dumps(row) + "\n")
    _draw(path)


def _draw(path: Path) -> None:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.add_subplot(xlabel="minutes", ylabel="onset F1 (50 ms), validation")
    for head in range(len(rows[0]["onset_f1"])):
        axes.plot([row["minutes"] for row in rows], [row["onset_f1"][head] for row in rows], label=f"head {head}")
    axes.legend()
    figure.savefig(path.with_suffix(".png"))
