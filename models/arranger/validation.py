"""Whole songs written bar by bar, as live: each bar from what was heard and, by the prompted network, from what it wrote before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from models.arranger.config import BAR, KEYS, SLOTS
from models.arranger.losses import tensors
from models.arranger.material import Batch, Material
from models.arranger.network import ArrangerNetwork
from models.arranger.scores import notes_a_bar, notes_of_cells, onset_f1

TOGETHER = 192  # windows that are written at once
STOPS = (0.2, 0.25, 0.3, 0.35, 0.45, 0.6)
BOLDNESSES = (1.0, 1.1, 1.2, 1.3, 1.4)
DENSITY_WEIGHT = 0.05  # what a factor of e in the number of notes costs beside onset F1, when `stop` is chosen


class Task(NamedTuple):
    """A piece to write. heard: piece that is heard, its own or another's. first, bars: of which bars of the piece; planning, bar
    `first` is heard and the one after it written first."""

    piece: int
    plan: bool
    melody: bool
    heard: int
    first: int
    bars: int


def write_all(network: ArrangerNetwork, material: Material, tasks: Sequence[Task]) -> list[np.ndarray]:
    """Return what is written of each task: (bars, BAR, SLOTS, 2) int8, keys and lengths as in `material.cells`."""
    network.eval()
    if not network.config.prompted:
        windows = [(index, bar) for index, task in enumerate(tasks) for bar in range(task.bars)]
        out = [np.full((task.bars, BAR, SLOTS, 2), -1, np.int8) for task in tasks]
        for some in (windows[i : i + TOGETHER] for i in range(0, len(windows), TOGETHER)):
            batch = _windows(material, [tasks[index] for index, _ in some], [bar for _, bar in some])
            for (index, bar), notes in zip(some, write_bars(network, batch), strict=True):
                out[index][bar] = notes
        return out
    rows = [write_on(network, material, tasks[i : i + TOGETHER]) for i in range(0, len(tasks), TOGETHER)]
    return [notes for some in rows for notes, _ in some]


def write_on(
    network: ArrangerNetwork, material: Material, tasks: Sequence[Task]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the same of a prompted network, and the prompts that each bar was written from: (bars, WINDOW, SLOTS, 2) int8."""
    longest = max(task.bars for task in tasks)
    made = np.full((len(tasks), 2 + longest, BAR, SLOTS, 2), -1, np.int8)
    for bar in range(longest):
        going = [index for index, task in enumerate(tasks) if bar < task.bars]
        batch = _windows(material, [tasks[i] for i in going], [bar] * len(going))
        prompt = made[going, bar : bar + 2].reshape(len(going), 2 * BAR, SLOTS, 2).astype(np.int64)
        batch.mode[:, 2] = bar > 0
        made[going, bar + 2] = write_bars(network, batch._replace(prompt=prompt))
    prompts = np.concatenate([made[:, :-2], made[:, 1:-1]], 2)
    return [(made[i, 2 : 2 + task.bars], prompts[i, : task.bars]) for i, task in enumerate(tasks)]


def write_bars(network: ArrangerNetwork, batch: Batch) -> np.ndarray:
    """Return the first bar of each window: (windows, BAR, SLOTS, 2) int8."""
    given = tensors(batch)
    out = np.full((len(batch.notes), BAR, SLOTS, 2), -1, np.int8)
    with torch.inference_mode():
        encoded = network.encode(given.heard, given.chords, given.prompt, given.texture, given.mode)
        state, allowed = network.write.initial_state(len(out)), torch.ones(len(out), KEYS)
        for step in range(BAR):
            first = torch.full((len(out), 1), float(step == 0))
            said, state = network.write.step(encoded.z, encoded.features[:, step], first, allowed, state, hurry=True)
            there = said["pitch"] >= 0
            out[:, step, :, 0] = said["pitch"].numpy()
            out[:, step, :, 1] = torch.where(there, said["length"], -1.0).numpy()
    return out


def tasks_of(material: Material, pieces: Sequence[int], bars: int = 1000) -> list[Task]:
    """Return pieces in both modes, with the melody and without."""
    return [
        Task(int(piece), plan, melody, int(piece), 0, min(bars, int(material.bars[piece]) - plan))
        for piece in pieces for plan in (False, True) for melody in (False, True)
    ]  # fmt: skip


def truth(material: Material, task: Task) -> np.ndarray:
    """Return what the human wrote where a task is written: (bars * BAR, SLOTS, 2)."""
    bar = int(material.starts[task.piece]) + task.first + task.plan
    return material.notes[int(task.melody), bar * BAR : (bar + task.bars) * BAR]


def validate(network: ArrangerNetwork, material: Material, pieces: Sequence[int], bars: int = 32) -> dict[str, float]:
    """Return onset F1 in each mode with the melody and without, their mean, and the notes written for each that a human wrote."""
    tasks = tasks_of(material, pieces, bars)
    rows: dict[str, list[float]] = {}
    counts = np.zeros(2)
    for task, made in zip(tasks, write_all(network, material, tasks), strict=True):
        mine, human = notes_of_cells(made.reshape(-1, SLOTS, 2)), notes_of_cells(truth(material, task))
        name = ("plan" if task.plan else "follow") + ("_melody" if task.melody else "")
        rows.setdefault(name, []).append(onset_f1(human, mine))
        counts += [notes_a_bar(notes, task.bars).sum() for notes in (mine, human)]
    figures = {name: float(np.mean(values)) for name, values in rows.items()}
    figures["onset_f1"] = float(np.mean(list(figures.values())))
    figures["density"] = float(counts[0] / max(1, counts[1]))
    return {name: round(value, 4) for name, value in figures.items()}


def calibrate(network: ArrangerNetwork, material: Material, pieces: Sequence[int], bars: int = 32) -> dict[str, float]:
    """Set how a sixteenth's notes are chosen, by onset F1 and the number of notes; return the figures.

    Either the decoder's chance of the end decides (`stop`), or where there are features how likely they find each key (`boldness`).
    """
    tried = []
    ways = [(stop, 0.0) for stop in STOPS]
    if not network.config.plain:
        ways += [(0.5, boldness) for boldness in BOLDNESSES]
    for stop, boldness in ways:
        network.write.stop.fill_(stop)
        network.write.boldness.fill_(boldness)
        figures = validate(network, material, pieces, bars) | {"stop": stop, "boldness": boldness}
        tried.append(
            (figures["onset_f1"] - DENSITY_WEIGHT * abs(float(np.log(max(0.01, figures["density"])))), figures)
        )
    figures = max(tried, key=lambda row: row[0])[1]
    network.write.stop.fill_(figures["stop"])
    network.write.boldness.fill_(figures["boldness"])
    return figures


def _windows(material: Material, tasks: Sequence[Task], bars: Sequence[int]) -> Batch:
    windows = np.array([(task.piece, task.first + bar) for task, bar in zip(tasks, bars, strict=True)])
    plan, melody = (np.array([getattr(task, name) for task in tasks]) for name in ("plan", "melody"))
    return material.take(windows, plan, melody, heard_of=np.array([task.heard for task in tasks]))
