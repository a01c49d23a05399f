"""Trains the arranger's network: windows of two bars, in stages (`course`), following and planning, with the melody and without.

The output folder holds the material (unless it is shared), the checkpoint `writer.safetensors` (averaged weights, figures in its
card), `resume.safetensors`, what the network wrote itself to learn from, and `curve.jsonl`. Stopping and starting again continues.
A step follows from the seed and its number, so that a run of so many steps can be repeated.
"""

from __future__ import annotations

import json
import logging
import math
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from models.arranger.course import OWN, SPOILED, UNPROMPTED, Lesson, lesson, masked, rate, spoiled
from models.arranger.losses import Tensors, losses_of, tensors
from models.arranger.material import Material, read_material, read_packed, write_packed
from models.arranger.moves import move_notes
from models.arranger.network import ArrangerNetwork, save
from models.arranger.sizes import ArrangerConfig, sized
from models.arranger.songs import read_split
from models.arranger.validation import Task, calibrate, validate, write_on
from models.layers.averaging import average_into
from models.layers.checkpoint import read_run, write_run

logger = logging.getLogger(__name__)

BATCH = 64
SHIFTS = np.array([-3, -2, -1, 0, 1, 2, 3])
SHIFT_SHARES = np.array([1, 2, 3, 6, 3, 2, 1]) / 18
GRADIENT_LIMIT, AVERAGING = 3.0, 0.998
OWN_EVERY, OWN_TASKS, OWN_BARS, OWN_ROUNDS = (
    120,
    64,
    16,
    6,
)  # steps between looks at its own writing, and how much is kept
SAVED_EVERY = 60.0  # seconds
VALIDATED = 6  # times in a run
VALIDATION_SONGS, VALIDATION_BARS = 6, 24
CHECKPOINT, RESUME, OWN_FILE, CURVE = "writer.safetensors", "resume.safetensors", "own.npz", "curve.jsonl"


class Own(NamedTuple):
    """What the network wrote itself. windows: (n, 2) piece and bar; plan, melody: (n,) bool; prompt: (n, WINDOW, SLOTS, 2) int8;
    begun: (n,) whether there was anything to be prompted by."""

    windows: np.ndarray
    plan: np.ndarray
    melody: np.ndarray
    prompt: np.ndarray
    begun: np.ndarray


def train(
    data: Path,
    output: Path,
    *,
    minutes: float,
    seed: int = 1,
    variant: str = "autoregressive",
    heard: Path | None = None,
) -> Path:
    """Train on the data folder and return the checkpoint.

    data: the folder of `write_packed`, or one with POP909's songs, NNN/NNN.mid, or with them in midi_pop909. heard: folder with what
    an ear heard of them, SONG_VERSION_SECTION.npz; without it hearing is simulated. Raises FileNotFoundError where there are no songs.
    """
    material = prepare(data, output / "material", heard)
    return learn(material, read_split(), output, seconds=60 * minutes, seed=seed, config=sized(variant))


def prepare(data: Path, packed: Path, heard: Path | None = None) -> Material:
    """Return the material of a data folder; what is read from songs is kept in `packed`."""
    for folder in (data, packed):
        if (folder / "pieces.npz").exists():
            return read_packed(folder)
    songs = data / "midi_pop909" if (data / "midi_pop909").is_dir() else data
    names = [name for part in read_split().values() for name in part]
    if not any((songs / name / f"{name}.mid").exists() for name in names):
        raise FileNotFoundError(f"{data} has no song of POP909, NNN/NNN.mid")
    write_packed(read_material(songs, heard, names), packed)
    return read_packed(packed)


def learn(
    material: Material,
    split: dict[str, list[str]],
    output: Path,
    *,
    seconds: float = math.inf,
    steps: int | None = None,
    stop_at: int | None = None,
    seed: int = 1,
    config: ArrangerConfig | None = None,
    batch: int = BATCH,
) -> Path:
    """Train for so many seconds of a core, or steps; return the checkpoint. The time for validation is not counted.

    stop_at: step after which it is left unfinished, to be continued by another call.
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    network = ArrangerNetwork(config or ArrangerConfig())
    averaged = ArrangerNetwork(network.config)
    averaged.load_state_dict(network.state_dict())
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.01, betas=(0.9, 0.99))
    output.mkdir(parents=True, exist_ok=True)
    card = read_run(output / RESUME, network, averaged, optimizer) or {}
    step, spent = int(card.get("step", 0)), float(card.get("seconds", 0.0))
    if step == steps or spent >= seconds:
        return output / CHECKPOINT
    own = _read_own(output / OWN_FILE) if card else []
    pieces, unseen = (material.pieces_of(split[part]) for part in ("train", "validation"))
    windows = [material.windows(pieces, plan) for plan in (False, True)]
    watched = unseen[np.linspace(0, len(unseen) - 1, min(VALIDATION_SONGS, len(unseen))).astype(int)]
    mean: dict[str, float] = {}
    saved = time.monotonic()

    def share() -> float:
        return step / steps if steps else spent / seconds

    def keep() -> None:
        write_run(output / RESUME, network, averaged, optimizer, {"step": str(step), "seconds": str(spent)})
        _write_own(output / OWN_FILE, own)

    def look(last: bool) -> None:
        figures: dict[str, float] = {}
        if len(watched):
            figures = (calibrate if last else validate)(averaged, material, watched, VALIDATION_BARS)
        row = {"step": step, "minutes": round(spent / 60, 2), "stage": now.stage, "loss": _rounded(mean)} | figures
        logger.info("%s", json.dumps(row))
        with (output / CURVE).open("a") as file:
            file.write(json.dumps(row) + "\n")
        save(averaged, output / CHECKPOINT, {"figures": json.dumps(figures), "steps": str(step), "seed": str(seed)})

    now = lesson(network.config.variant, share())
    while share() < 1 and step != stop_at:
        began, before = time.process_time(), share()
        now = lesson(network.config.variant, before)
        rng = np.random.default_rng([seed, step])
        if now.prompted and (not own or step % OWN_EVERY == 0):
            own = [*own, _write(averaged, material, pieces, rng)][-OWN_ROUNDS:]
        given = draw_batch(material, windows, own, now, rng, batch)
        network.train()
        for group in optimizer.param_groups:
            group["lr"] = rate(step, before)
        parts = losses_of(network, given, now, torch.Generator().manual_seed(int(rng.integers(1 << 60))))
        optimizer.zero_grad()
        sum(parts.values()).backward()
        norm = torch.nn.utils.clip_grad_norm_(network.parameters(), GRADIENT_LIMIT)
        if torch.isfinite(norm):
            optimizer.step()
            average_into(averaged.parameters(), network.parameters(), step, AVERAGING)
        for name, value in parts.items():
            mean[name] = mean.get(name, value.item()) + (value.item() - mean.get(name, value.item())) / 50
        step += 1
        spent += time.process_time() - began
        if math.floor(VALIDATED * before) != math.floor(VALIDATED * share()) and share() < 1:
            look(last=False)
        if time.monotonic() - saved > SAVED_EVERY:
            keep()
            saved = time.monotonic()
    if share() >= 1:
        look(last=True)
    keep()
    return output / CHECKPOINT


def draw_batch(
    material: Material, windows: list[np.ndarray], own: list[Own], now: Lesson, rng: np.random.Generator, size: int
) -> Tensors:
    """Return a batch as a lesson wants it.

    windows: of the pieces to learn from, following and planning. own: windows with prompts that the network wrote.
    """
    plan, melody = rng.random(size) < 0.5, rng.random(size) < 0.5
    chosen = np.stack([windows[int(p)][rng.integers(len(windows[int(p)]))] for p in plan])
    mine = np.zeros(size, bool)
    if now.prompted and own:
        mine = rng.random(size) < OWN
    if mine.any():
        picks = [
            (round_, rng.integers(len(round_.plan)))
            for round_ in (own[i] for i in rng.integers(len(own), size=int(mine.sum())))
        ]
        chosen[mine] = [round_.windows[i] for round_, i in picks]
        plan[mine], melody[mine] = [round_.plan[i] for round_, i in picks], [round_.melody[i] for round_, i in picks]
    shift = int(rng.choice(SHIFTS, p=SHIFT_SHARES))
    batch = material.take(chosen, plan, melody, shift)
    prompt, mode = batch.prompt.copy(), batch.mode.copy()
    if mine.any():
        prompt[mine] = move_notes(np.stack([round_.prompt[i] for round_, i in picks]).astype(np.int64), shift)
        mode[mine, 2] = [round_.begun[i] for round_, i in picks]
    bad = ~mine & (rng.random(size) < SPOILED)
    prompt[bad] = spoiled(prompt[bad], rng)
    mode[:, 2] *= now.prompted & (rng.random(size) >= UNPROMPTED)
    textured = rng.random(size) < now.textured
    texture = batch.texture
    if textured.any():
        texture = np.where(
            textured[:, None, None, None], masked(material.piano(chosen, plan, shift), now.lost, rng), -1
        )
    mode[:, 3] = textured
    return tensors(batch._replace(prompt=prompt, mode=mode, texture=texture), ~textured if now.prior else None)


def _write(network: ArrangerNetwork, material: Material, pieces: np.ndarray, rng: np.random.Generator) -> Own:
    """Return what the network writes of some songs now."""
    tasks = []
    for piece in rng.choice(pieces, OWN_TASKS):
        plan, melody = bool(rng.random() < 0.5), bool(rng.random() < 0.5)
        long = int(material.bars[piece]) - plan
        bars = max(1, min(OWN_BARS, long))
        tasks.append(Task(int(piece), plan, melody, int(piece), int(rng.integers(max(1, long - bars + 1))), bars))
    prompts = [prompt for _, prompt in write_on(network, material, tasks)]
    rows = [(task, bar) for task in tasks for bar in range(task.bars)]
    return Own(
        np.array([(task.piece, task.first + bar) for task, bar in rows]),
        np.array([task.plan for task, _ in rows]),
        np.array([task.melody for task, _ in rows]),
        np.concatenate(prompts),
        np.array([bar > 0 for _, bar in rows]),
    )


def _write_own(path: Path, own: list[Own]) -> None:
    partial = path.with_name(f".{path.name}")
    np.savez(
        partial, **{f"{i}_{name}": values for i, round_ in enumerate(own) for name, values in round_._asdict().items()}
    )
    partial.rename(path)


def _read_own(path: Path) -> list[Own]:
    with np.load(path) as stored:
        rounds = len({name.split("_")[0] for name in stored.files})
        return [Own(*(stored[f"{i}_{name}"] for name in Own._fields)) for i in range(rounds)]


def _rounded(mean: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in mean.items()}
