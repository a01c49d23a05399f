"""What training hears: the renders, made once, and random segments of them as somebody might have recorded them.

Called by `training`. Which pieces and which font are kept for validation stands in `split.json`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from models.sound.augmentation import nothing_played, record
from models.sound.renders import RenderPlan, load_render, make_renders
from models.transcriber.config import TranscriberConfig
from models.transcriber.targets import Rolls, rolls_of

logger = logging.getLogger(__name__)

SEGMENT_HOPS = 500  # 8 s
NOTHING_SHARE = 0.05  # of the segments in which nobody plays
VALIDATION_RENDERS = 24
LOW_SHARE = 0.25  # of the renders: pieces moved down, since they hold few notes of the lowest two octaves
LOW_TRANSPOSITION = (-24, -8)  # semitones
PIANO_FONTS = ("FluidR3_GM.sf2", "MuseScore_General_Lite.sf3")
FONT_FOLDERS = (Path("/usr/share/sounds/sf2"), Path("/usr/share/sounds/sf3"))


def prepare_renders(data: Path, output: Path, seed: int, hours: float, processes: int) -> tuple[Path, Path]:
    """Make the training and validation renders that are missing; return their folders."""
    split = json.loads(Path(__file__).with_name("split.json").read_text())
    giantmidi = sorted((data / "midi_giantmidi56").glob("*.mid"))
    pop909 = sorted((data / "midi_pop909").glob("[0-9]*/*.mid"))
    held_out = split["validation_giantmidi"]
    training = RenderPlan(
        tuple(p for p in giantmidi if p.stem not in held_out),
        tuple(p for p in pop909 if int(p.stem) <= split["last_training_pop909"]),
        tuple(_font(name) for name in PIANO_FONTS),
        data / "notes_salamander_piano",
        seed,
    )
    validation = RenderPlan(
        tuple(p for p in giantmidi if p.stem in held_out),
        tuple(p for p in pop909 if p.stem in split["validation_pop909"]),
        (_font(split["validation_font"]),),
        data / "notes_salamander_piano",
        seed + 1,
        seconds=30.0,
        salamander_share=0.35,
        exercise_share=0.08,
        pianos_only=True,
    )
    low = replace(training, seed=seed + 2, exercise_share=0.0, transposition=LOW_TRANSPOSITION)
    folders = output / "renders" / "training", output / "renders" / "validation"
    count = round(hours * 3600 / training.seconds)
    first_low = round(count * (1 - LOW_SHARE))
    for plan, folder, indices in (
        (validation, folders[1], range(VALIDATION_RENDERS)),
        (training, folders[0], range(first_low)),
        (low, folders[0], range(first_low, count)),
    ):
        for number, _ in enumerate(make_renders(plan, folder, indices, processes)):
            if number % 50 == 0:
                logger.info("rendered %d of at most %d into %s", number + 1, len(indices), folder)
    return folders


def segments(folder: Path, config: TranscriberConfig, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, Rolls]]:
    """Random recorded segments for ever; renders that appear in the folder meanwhile are heard too."""
    length = SEGMENT_HOPS * config.hop
    renders: dict[Path, tuple[np.ndarray, np.ndarray]] = {}
    while True:
        for path in sorted(folder.glob("render_*.npz")):
            if path not in renders:
                renders[path] = load_render(path)
        stored = list(renders.values())
        for _ in range(300):
            if rng.random() < NOTHING_SHARE:
                yield (
                    nothing_played(length, config.sample_rate, rng),
                    rolls_of(np.zeros((0, 4)), SEGMENT_HOPS, config.hop),
                )
                continue
            audio, notes = stored[int(rng.integers(len(stored)))]
            start = int(rng.integers(0, len(audio) - length))
            recorded = record(audio[start : start + length].astype(np.float32) / 32768, config.sample_rate, rng)
            inside = notes[(notes[:, 1] > start) & (notes[:, 0] < start + length)] - [start, start, 0, 0]
            yield recorded, rolls_of(inside, SEGMENT_HOPS, config.hop)


def _font(name: str) -> Path:
    for folder in FONT_FOLDERS:
        if (folder / name).exists():
            return folder / name
    raise FileNotFoundError(
        f"sound font {name} is in none of {', '.join(map(str, FONT_FOLDERS))}; its Debian package installs it"
    )
