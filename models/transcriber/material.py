"""What training hears: renders and recordings, made or cut once, and random segments of them in rooms.

Called by `training`. `plans` says what is rendered; a data set has its own split.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from models.sound.augmentation import nothing_played, record
from models.sound.datasets import DATASETS, Recording, find_dataset, write_recordings
from models.sound.renders import Render, load_render, make_renders
from models.transcriber.config import TranscriberConfig
from models.transcriber.plans import VALIDATION_RENDERS, renders_of
from models.transcriber.targets import Score

logger = logging.getLogger(__name__)

SEGMENT_FRAMES = 500  # 8 s
NOTHING_SHARE = 0.18  # of the segments in which nobody plays
ROUND = 300  # segments, after which new renders are looked for
HELD, EXCHANGED = 2000, 100  # renders in memory, 4 GB of a minute each; of those beyond, so many come in every round
WITH_PEDAL = ("maestro", "maps")  # the data sets of pianos that say when the pedal is down

Thing = TypeVar("Thing")


class TrainingError(ValueError):
    """Something the user can mend keeps training from its material or its start; the message is one sentence."""


def folders_of(output: Path, network: str) -> tuple[Path, Path]:
    """Return where the renders for training and for validation lie."""
    top = output / "renders" if network == "piano" else output / "renders" / network
    return top / "training", top / "validation"


def prepare_renders(data: Path, output: Path, seed: int, hours: float, processes: int, network: str = "piano") -> None:
    """Make the training and validation renders that are missing.

    data: the folders that renders are made from, public data sets, or both; or itself such a data set. Where there is
    nothing to render from, the data sets' own validation splits are what validation hears.
    """
    folders = dict(zip(("training", "validation"), folders_of(output, network), strict=True))
    datasets = find_datasets(data, network)
    rendered = not datasets or (data / "midi_giantmidi56").is_dir()
    for side, plan, indices in renders_of(network, data, seed, hours) if rendered else ():
        for number, _ in enumerate(make_renders(plan, folders[side], indices, processes)):
            if number % 50 == 0:
                logger.info("rendered %d of at most %d into %s", number + 1, len(indices), folders[side])
    for name, recordings in datasets.items():
        _write(name, [r for r in recordings if r.split == "train"], folders["training"])
        if not rendered:
            held_out = [r for r in recordings if r.split == "validation"]
            _write(name, spread(held_out, VALIDATION_RENDERS[network]), folders["validation"])
    for side, folder in folders.items():
        if not any(folder.glob("render_*.npz")):
            raise TrainingError(f"{data} holds nothing for the {side} of the network '{network}'")


def find_datasets(data: Path, network: str) -> dict[str, list[Recording]]:
    """Return the recordings with audio of the data sets that `data` is or contains, as far as this network can use them."""
    found: dict[str, list[Recording]] = {}
    for folder in (data, *sorted(path for path in data.glob("*/") if path.is_dir())):
        try:
            name = find_dataset(folder)
        except ValueError:
            continue
        if network == "piano" and name not in WITH_PEDAL:
            if name != "pop909":
                logger.info("%s is left out: it does not say when a piano's pedal is down", folder)
            continue
        try:
            recordings = [recording for recording in DATASETS[name](folder) if recording.audio is not None]
        except (ValueError, OSError) as error:
            raise TrainingError(str(error)) from error
        if recordings:
            found.setdefault(name, []).extend(recordings)
    return found


def spread(things: Sequence[Thing], count: int) -> Sequence[Thing]:
    """Return at most `count` of them, from all over."""
    return things[:: max(1, -(-len(things) // count))]


def segments(folder: Path, config: TranscriberConfig, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, Score]]:
    """Random recorded segments for ever; renders that appear in the folder meanwhile are heard too."""
    length = SEGMENT_FRAMES * config.frame
    renders: dict[Path, Render] = {}
    while True:
        _refill(renders, sorted(folder.glob("render_*.npz")), rng)
        stored = list(renders.values())
        for _ in range(ROUND):
            if rng.random() < NOTHING_SHARE:
                yield nothing_played(length, config.sample_rate, rng), Score.nothing()
                continue
            render = stored[int(rng.integers(len(stored)))]
            start = int(rng.integers(0, len(render.audio) - length))
            samples = render.audio[start : start + length].astype(np.float32) / 32768
            notes = render.notes
            inside = notes[(notes[:, 1] > start - config.frame) & (notes[:, 0] < start + length)]
            score = Score(inside - [start, start, 0, 0], render.pedal - start, render.bend - [start, 0])
            yield record(samples, config.sample_rate, rng), score


def _refill(renders: dict[Path, Render], paths: list[Path], rng: np.random.Generator) -> None:
    """Read the renders that are new; where there are more than HELD, let some that were heard make way for others."""
    new = [path for path in paths if path not in renders]
    if len(renders) >= HELD and new:
        held = list(renders)
        for index in rng.choice(len(held), min(EXCHANGED, len(new)), replace=False):
            del renders[held[index]]
    room = HELD - len(renders)
    if len(new) > room:
        new = [new[index] for index in rng.choice(len(new), room, replace=False)]
    renders |= {path: load_render(path) for path in new}


def _write(name: str, recordings: Sequence[Recording], folder: Path) -> None:
    """Cut the recordings into renders; all are of one split."""
    if not recordings:
        return
    logger.info("cutting %d recordings of %s into %s", len(recordings), name, folder)
    try:
        write_recordings(recordings, folder, recordings[0].split)
    except (ValueError, OSError) as error:
        raise TrainingError(str(error)) from error
