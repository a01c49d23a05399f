"""Trains the transcriber from MIDI and instruments: renders, listens, corrects, validates, writes checkpoints.

`backline train transcriber` calls `train`. The output folder holds `renders/` (made once, then read), the best
checkpoint `transcriber.safetensors` (averaged weights, thresholds and figures in its card), `resume.safetensors`,
`curve.jsonl` and `curve.png`; of the network of all instruments, `general.safetensors` and `general_` before the others.
Stopping and starting again continues.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from models.layers.checkpoint import read_card, write_tensors
from models.transcriber.calibration import calibrate_groups
from models.transcriber.config import TranscriberConfig
from models.transcriber.curve import add_row
from models.transcriber.material import SEGMENT_FRAMES, TrainingError, folders_of, prepare_renders, segments, spread
from models.transcriber.network import TranscriberNetwork, load_network
from models.transcriber.plans import VALIDATION_RENDERS
from models.transcriber.processes import joined
from models.transcriber.run import Run
from models.transcriber.targets import Score, stack_heads
from models.transcriber.validation import Excerpt, hear, load_excerpts, validate

__all__ = ["CHECKPOINTS", "TrainingError", "load_network", "train"]

logger = logging.getLogger(__name__)

CHECKPOINTS = {"piano": "transcriber", "general": "general"}  # network -> name of its files
BATCH = 3  # segments a step and process: more, smaller steps beat larger batches in the same time
EXCERPT_SECONDS = 31.0  # of validation, what rings on counted
RATE, CONTINUING_RATE = 1.5e-3, 7.5e-4  # of a run that begins from nothing, and from weights
SAVE_EVERY_SECONDS = 120.0  # of what is needed to continue


def train(
    data: Path,
    output: Path,
    *,
    minutes: float,
    seed: int = 1,
    hours_of_audio: float = 16.0,
    network: str = "piano",
    start_from: Path | None = None,
    validate_every_minutes: float = 10.0,
    learning_rate: float | None = None,
    threads: int = 1,
    render_processes: int = 2,
    config: TranscriberConfig | None = None,
) -> Path:
    """Render what is missing, train for `minutes` of wall time (earlier runs in `output` count) and return the checkpoint.

    data: what `material.prepare_renders` reads. network: one of CHECKPOINTS. start_from: checkpoint whose weights a new
    run begins with. learning_rate: at the start of the cosine, RATE or CONTINUING_RATE if not given. Started by torchrun,
    several processes train one network; all of them see `data` and `output`.

    Raises:
        TrainingError, FileNotFoundError: something that the user can mend.
    """
    if minutes <= 0 or hours_of_audio <= 0:
        raise TrainingError(f"there is nothing to do in {minutes:g} minutes with {hours_of_audio:g} hours of audio")
    torch.set_num_threads(threads)
    _keep_freed_memory()
    with joined() as processes:
        torch.manual_seed(seed)
        run = Run(
            TranscriberNetwork(config or TranscriberConfig()),
            output,
            minutes * 60,
            learning_rate or (CONTINUING_RATE if start_from else RATE),
            processes,
            CHECKPOINTS[network],
        )
        _begin(run, start_from)
        processes.once(lambda: prepare_renders(data, output, seed, hours_of_audio, render_processes, network))
        training, validation = folders_of(output, network)
        heard = segments(training, run.network.config, np.random.default_rng([seed, run.step, processes.rank]))
        excerpts: list[Excerpt] = []
        if processes.first:
            excerpts = _excerpts(validation, run.network.config, seed, VALIDATION_RENDERS[network])
        _loop(run, heard, excerpts, validate_every_minutes * 60)
        if processes.first:
            _calibrate(run.checkpoint, excerpts)
        return run.checkpoint


def _begin(run: Run, start_from: Path | None) -> None:
    """Go on with the run of the output folder, or begin a new one."""
    if run.resume():
        logger.info("continuing after %d steps", run.step)
    elif start_from is not None:
        logger.info("%d of %d tensors come from %s", *run.start_from(start_from), start_from)
    logger.info("%d parameters, %d process(es)", run.network.parameter_count, run.processes.size)
    if run.processes.agree(run.step) != run.step:  # and all have read what the first will write anew
        raise TrainingError(f"{run.output} is not the folder that the first process sees")


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


def _excerpts(folder: Path, config: TranscriberConfig, seed: int, count: int) -> list[Excerpt]:
    """Load what validation hears: at most `count` beginnings of renders, of one length, a multiple of a frame."""
    whole = load_excerpts(list(spread(sorted(folder.glob("render_*.npz")), count)), config, seed)
    length = min(
        max(len(one.audio) for one in whole), round(EXCERPT_SECONDS * config.sample_rate) // config.frame * config.frame
    )
    excerpts = []
    for one in whole:
        audio = np.pad(one.audio[:length], (0, max(0, length - len(one.audio))))
        notes = one.score.notes[one.score.notes[:, 0] < length]
        excerpts.append(Excerpt(audio, Score(notes, one.score.pedal, one.score.bend)))
    return excerpts


def _loop(
    run: Run, heard: Iterator[tuple[np.ndarray, Score]], excerpts: list[Excerpt], validate_every_seconds: float
) -> None:
    from tqdm import tqdm

    run.output.mkdir(parents=True, exist_ok=True)
    next_validation, next_save = run.elapsed + validate_every_seconds, run.elapsed + SAVE_EVERY_SECONDS
    sums: dict[str, float] = {}
    quiet = not run.processes.first
    with tqdm(
        total=round(run.seconds), initial=round(run.elapsed), unit="s", mininterval=10, disable=quiet
    ) as progress:
        while True:
            run.elapsed = run.processes.agree(run.elapsed)  # on one clock, or the rates of the processes would part
            if run.elapsed >= run.seconds:
                return
            began = time.monotonic()
            batch = [next(heard) for _ in range(BATCH)]
            audio = torch.from_numpy(np.stack([samples for samples, _ in batch]))
            losses = run.learn(audio, stack_heads([score for _, score in batch], SEGMENT_FRAMES, run.network.config))
            sums = {name: 0.98 * sums.get(name, value) + 0.02 * value for name, value in losses.items()}
            run.elapsed += time.monotonic() - began
            if quiet:
                continue
            progress.update(round(run.elapsed) - progress.n)
            if run.elapsed >= min(run.seconds, next_validation):
                began = time.monotonic()
                figures = validate(run.settled(), excerpts)
                run.elapsed += time.monotonic() - began
                next_validation = run.elapsed + validate_every_seconds
                _log(run, sums, figures)
                run.offer(figures)
                progress.set_postfix_str(f"step {run.step} onset F1 {figures['onset_f1']}")
            if run.elapsed >= min(run.seconds, next_save):
                run.save()
                next_save = run.elapsed + SAVE_EVERY_SECONDS


def _log(run: Run, losses: dict[str, float], figures: dict[str, list[float]]) -> None:
    row = {"step": run.step, "minutes": round(run.elapsed / 60, 2)}
    row |= {name: round(value, 6) for name, value in losses.items()}
    add_row(run.output / f"{run.prefix}curve.jsonl", row | figures, run.network.config.look_ahead_ms)


def _calibrate(checkpoint: Path, excerpts: list[Excerpt]) -> None:
    """Write the thresholds of every stream, and what they achieve, into the card, unless they stand there."""
    card = read_card(checkpoint)
    if "decoding" in card:
        return
    logger.info("choosing the thresholds of %s: minutes on one core", checkpoint)
    network = load_network(checkpoint)
    outputs = [hear(network, excerpt.audio) for excerpt in excerpts]
    decoding, figures = calibrate_groups(outputs, excerpts, network.config)
    chosen = {"decoding": json.dumps(decoding), "calibration": json.dumps(figures)}
    write_tensors(checkpoint, network.state_dict(), card | chosen)
