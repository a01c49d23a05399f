"""The renders of each network: from which pieces and fonts, how many, and which of them are for validation.

Called by `material`, which makes them. Which pieces and which font are kept for validation stands in `split.json`, and
for the network of all instruments in `models.sound`'s `general_split.json`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from models.sound.exercises import FAST_KEYS
from models.sound.general import general_plans
from models.sound.renders import Plan, RenderPlan

VALIDATION_RENDERS = {"piano": 24, "general": 40}
LOW_SHARE = 0.25  # of the renders: pieces moved down, since they hold few notes of the lowest two octaves
LOW_TRANSPOSITION = (-24, -8)  # semitones
FAST_SHARE = 0.19  # beside them: keys struck again within a tenth or a fifth of a second, and trills
MODELLED_SHARE = (
    0.25  # of all these: pianos that are made up; the sampled one and the fonts are too few to know pianos by
)
PIANO_FONTS = ("FluidR3_GM.sf2", "MuseScore_General_Lite.sf3")
GENERAL_FONTS = ("FluidR3_GM.sf2", "FluidR3Mono_GM.sf3", "MuseScore_General_Lite.sf3")
FONT_FOLDERS = (Path("/usr/share/sounds/sf2"), Path("/usr/share/sounds/sf3"))
GENERAL_FOLDERS = (
    "midi_giantmidi56", "midi_pop909", "midi_pop909_band", "midi_multitrack",
    "notes_salamander_piano", "notes_philharmonia", "notes_electric_bass", "notes_electric_bass2",
)  # fmt: skip


def renders_of(network: str, data: Path, seed: int, hours: float) -> Iterator[tuple[str, Plan, range]]:
    """Yield what is to be rendered for `piano` or `general`: `training` or `validation`, the plan, and its indices.

    Raises:
        FileNotFoundError: a sound font or a folder of `data` is missing.
    """
    return {"piano": _piano, "general": _general}[network](data, seed, hours)


def _piano(data: Path, seed: int, hours: float) -> Iterator[tuple[str, Plan, range]]:
    split = json.loads(Path(__file__).with_name("split.json").read_text())
    giantmidi = sorted((data / "midi_giantmidi56").glob("*.mid"))
    pop909 = sorted((data / "midi_pop909").glob("[0-9]*/*.mid"))
    held_out = split["validation_giantmidi"]
    training = RenderPlan(
        tuple(p for p in giantmidi if p.stem not in held_out),
        tuple(p for p in pop909 if int(p.stem) <= split["last_training_pop909"]),
        tuple(map(_font, PIANO_FONTS)),
        data / "notes_salamander_piano",
        seed,
        modelled_share=MODELLED_SHARE,
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
    count = round(hours * 3600 / training.seconds)
    first_low = round(count * (1 - LOW_SHARE))
    yield "validation", validation, range(VALIDATION_RENDERS["piano"])
    yield "training", training, range(first_low)
    yield "training", low, range(first_low, count)
    fast = replace(training, seed=seed + 3, exercise_share=1.0, exercises=FAST_KEYS, pianos_only=True)
    yield "training", fast, range(count, count + round(FAST_SHARE * count))


def _general(data: Path, seed: int, hours: float) -> Iterator[tuple[str, Plan, range]]:
    missing = [name for name in GENERAL_FOLDERS if not (data / name).is_dir()]
    if missing:
        raise FileNotFoundError(
            f"{data} holds no {missing[0]}; renders of all instruments need {', '.join(GENERAL_FOLDERS)}"
        )
    split = json.loads(Path(__file__).with_name("split.json").read_text())
    fonts, held_out_font = tuple(map(_font, GENERAL_FONTS)), _font(split["validation_font"])
    training, validation = general_plans(data, seed, fonts, held_out_font)
    yield "validation", validation, range(VALIDATION_RENDERS["general"])
    yield "training", training, range(round(hours * 3600 / training.piano.seconds))


def _font(name: str) -> Path:
    for folder in FONT_FOLDERS:
        if (folder / name).exists():
            return folder / name
    raise FileNotFoundError(
        f"sound font {name} is in none of {', '.join(map(str, FONT_FOLDERS))}; its Debian package installs it"
    )
