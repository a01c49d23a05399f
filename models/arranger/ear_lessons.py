"""From POP909 and its generated bands to an ear and what it hears: renders, training, and every song heard. For training only.

The output folder holds `renders/SONG_VERSION.npz`, `ear.safetensors` and `heard/SONG_VERSION_SECTION.npz`, which the training of the
writer reads. What is there is not made again. Songs kept aside are played by a font that no other song is.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any  # Any: what NumPy's writer takes

import numpy as np
import torch

from models.arranger.config import SAMPLE_RATE
from models.arranger.ear_material import load_render, told
from models.arranger.ear_network import EarNetwork
from models.arranger.ear_training import CHECKPOINT, train_ear
from models.arranger.grid import pool, pool_chords, sixteenths
from models.arranger.renders import LEVELS, read_band, render
from models.arranger.songs import Song, notes_of, read_sections, read_split
from models.arranger.spectrum import CEILING_DB, FLOOR_DB, spectra
from models.sound.augmentation import nothing_played

logger = logging.getLogger(__name__)

FONTS = ("FluidR3_GM.sf2", "FluidR3_GM.sf2", "MuseScore_General_Lite.sf3", "OPL-3_FM_128M.sf2")
HELD_OUT_FONT = "TimGM6mb.sf2"
FONT_FOLDERS = (Path("/usr/share/sounds/sf2"), Path("/usr/share/sounds/sf3"))
SONGS, BANDS = "midi_pop909", "midi_pop909_band"
VERSIONS = (0, 1)
RENDER_SEED = 909  # of every render, with the song's number and version: the same renders for every training
QUIET_CLIPS, QUIET_SECONDS = 24, 20
LOUDEST = 255


def train_by_ear(
    data: Path, output: Path, *, minutes: float, seed: int = 1, hours: float = 40.0, processes: int = 2
) -> Path:
    """Render, train the ear for so many minutes and let it hear every song; return its checkpoint.

    data: folder with midi_pop909 and midi_pop909_band. hours: of songs to render, those kept aside first.
    Raises FileNotFoundError: songs, bands or a sound font are missing.
    """
    for name in (SONGS, BANDS):
        if not (data / name).is_dir():
            raise FileNotFoundError(f"there is no folder {data / name}")
    renders = list(make_renders(data, output / "renders", hours, processes))
    train = set(read_split()["train"])
    lessons = [(path, section) for path in renders if path.name[:3] in train for section in _sections(data, path)]
    if not lessons:
        raise FileNotFoundError(f"{data} has no song with a band to learn from")
    rng = np.random.default_rng([seed, RENDER_SEED])
    clips = [nothing_played(QUIET_SECONDS * SAMPLE_RATE, SAMPLE_RATE, rng) for _ in range(QUIET_CLIPS)]
    quiet = [spectra(clip) for clip in clips] + [np.full((500, spectra(clips[0]).shape[1]), FLOOR_DB, np.float32)]
    ear = train_ear(lessons, quiet, output, minutes, seed, said=logger.info)
    for path in renders:
        hear(ear, path, _sections(data, path), output / "heard")
    return output / CHECKPOINT


def make_renders(data: Path, folder: Path, hours: float, processes: int) -> Iterator[Path]:
    """Make the renders that are missing, songs kept aside first; yield all paths until there are so many hours."""
    folder.mkdir(parents=True, exist_ok=True)
    split = read_split()
    aside = [*split["validation"], *split["test"]]
    train = list(np.random.default_rng(RENDER_SEED).permutation(split["train"]))
    fonts = {name: _font(name) for name in (*FONTS, HELD_OUT_FONT)}
    plan = [(name, version) for version in VERSIONS for name in (*aside, *train)]

    def make(job: tuple[str, int]) -> tuple[Path, float] | None:
        name, version = job
        path, band = folder / f"{name}_{version}.npz", data / BANDS / f"{name}_{version}.mid"
        if not path.exists():
            sections = read_sections(data / SONGS / name) if band.exists() else []
            if not sections:
                return None
            rng = np.random.default_rng([RENDER_SEED, int(name), version])
            font = HELD_OUT_FONT if name in aside else FONTS[int(rng.integers(len(FONTS)))]
            made: dict[str, Any] = render(sections[0], read_band(band), _voice(data / SONGS / name), fonts[font], rng)
            partial = path.with_name(f".{path.name}")
            with partial.open("wb") as file:
                np.savez(file, **made)
            partial.rename(path)
        with np.load(path) as stored:
            return path, len(stored["spectra"]) / 50 / 3600

    done = 0.0
    with ThreadPoolExecutor(processes) as pool_:
        for first in range(0, len(plan), 4 * processes):
            for found in pool_.map(make, plan[first : first + 4 * processes]):
                if found is not None:
                    done += found[1]
                    yield found[0]
            if done >= hours:
                return


@torch.inference_mode()
def hear(ear: EarNetwork, render_path: Path, sections: list[Song], folder: Path) -> None:
    """Write what the ear hears of a render on the sixteenths of each section: `heard`, `chords` (uint8) and `shift`."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{render_path.stem}_{number}.npz" for number in range(len(sections))]
    if not sections or paths[0].exists():
        return
    with np.load(render_path) as stored:
        shift, ratio = int(stored["shift"]), float(stored["ratio"])
    seen = (
        load_render(render_path, sections[0]).spectra.astype(np.float32) * ((CEILING_DB - FLOOR_DB) / LEVELS) + FLOOR_DB
    )
    said = {name: value[0].numpy() for name, value in ear(torch.from_numpy(seen)[None]).items()}
    for path, section in reversed(list(zip(paths, sections, strict=True))):
        beats = told(section.beats * ratio)
        beats = np.append(beats, 2 * beats[-1] - beats[-2])
        rows = {"heard": pool(said["heard"], sixteenths(beats)), "chords": pool_chords(said["chord"], beats)}
        coded: dict[str, Any] = {name: np.round(value * LOUDEST).astype(np.uint8) for name, value in rows.items()}
        partial = path.with_name(f".{path.name}")
        with partial.open("wb") as file:
            np.savez(file, shift=shift, **coded)
        partial.rename(path)


def _sections(data: Path, render_path: Path) -> list[Song]:
    return read_sections(data / SONGS / render_path.name[:3])


def _voice(folder: Path) -> np.ndarray:
    import pretty_midi

    midi = pretty_midi.PrettyMIDI(str(folder / f"{folder.name}.mid"))
    return np.concatenate([notes_of(one) for one in midi.instruments if one.name == "MELODY"] or [np.zeros((0, 4))])


def _font(name: str) -> Path:
    for folder in FONT_FOLDERS:
        if (folder / name).exists():
            return folder / name
    raise FileNotFoundError(
        f"sound font {name} is in none of {', '.join(map(str, FONT_FOLDERS))}; its Debian package installs it"
    )
