"""What the published network is trained on: songs as pairs of pictures, crops of those that overlap by 50 frames.

    python -m models.drummer.published.data SONGS FOLDER --task bass2drums [--size CYC] [--separate WEIGHTS]

SONGS is the top folder of a data set of songs (`models.sound.datasets.find_songs`), or holds a folder a song with the task's two
stems as audio files. FOLDER gets a file of levels a song, which training maps and does not load. `separate` plays the stems of
songs that have none out of their mixtures first.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.drummer.published.config import SIZES, TASKS, PublishedConfig
from models.drummer.published.corrections import Corrections
from models.drummer.published.mel import from_codes, picture, to_codes

ENLARGED = 286 / 256  # by the network's image loader
QUIET_DB = 40.0  # below a stem's loudest: less is silence
SOUNDING = 0.25  # share of a crop's frames that must not be silent
SOURCE, TARGET = 0, 1


class Stems(Protocol):
    """A song that is asked for its stems, as `models.sound.datasets.song.Song` is."""

    @property
    def name(self) -> str: ...

    @property
    def split(self) -> str: ...

    def audio(self, stem: str, sample_rate: int) -> np.ndarray: ...


@dataclass(frozen=True, slots=True)
class Piece:
    """A song as pictures. grey: (2, bands, frames), what is given and what is to be played, uint8 levels or float16 of -1 to 1."""

    name: str
    split: str
    grey: np.ndarray

    @property
    def frames(self) -> int:
        return self.grey.shape[2]


@dataclass(frozen=True, slots=True)
class Crops:
    """Places (piece, first frame) of crops, cut out when they are asked for.

    places: of crops where both instruments are heard, which is what pairs need. alone: of each instrument's own.
    """

    pieces: tuple[Piece, ...]
    config: PublishedConfig
    corrections: Corrections
    places: tuple[tuple[int, int], ...]
    alone: tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]

    def __len__(self) -> int:
        return len(self.places)

    def epoch(self, batch: int, paired: bool, seed: Sequence[int]) -> Iterable[tuple[Tensor, Tensor]]:
        """Yield source and target (batch, 1, bands, frames), every source once; unpaired, with targets of anywhere."""
        random = np.random.default_rng(seed)
        first = self.places if paired else self.alone[SOURCE]
        order = random.permutation(len(first))
        other = order if paired else random.integers(len(self.alone[TARGET]), size=len(order))
        second = self.places if paired else self.alone[TARGET]
        for start in range(0, len(order), batch):
            changes = [self._change(random) for _ in order[start : start + batch]]
            changed = changes if paired else [self._change(random) for _ in changes]
            yield (
                self._stack(SOURCE, [first[i] for i in order[start : start + batch]], changes),
                self._stack(TARGET, [second[i] for i in other[start : start + batch]], changed),
            )

    def _stack(self, side: int, places: Sequence[tuple[int, int]], changes: Sequence[Change | None]) -> Tensor:
        cut = [self.pieces[piece].grey[side, :, start : start + self.config.frames] for piece, start in places]
        pictures = torch.from_numpy(np.stack([_grey(one) for one in cut]))[:, None]
        return torch.cat([_changed(one[None], change) for one, change in zip(pictures, changes, strict=True)])

    def _change(self, random: np.random.Generator) -> Change | None:
        if self.corrections.as_it_is:
            return None
        size = [round(ENLARGED * side) for side in (self.config.bands, self.config.frames)]
        place = [int(random.integers(large - small + 1)) for large, small in
                 zip(size, (self.config.bands, self.config.frames), strict=True)]  # fmt: skip
        return Change((size[0], size[1]), (place[0], place[1]), bool(random.integers(2)))


@dataclass(frozen=True, slots=True)
class Change:
    """What the network's image loader does to a picture: its size then, where it is cut, whether it is mirrored in time."""

    size: tuple[int, int]
    place: tuple[int, int]
    mirrored: bool


def piece_of(
    name: str, split: str, source: np.ndarray, target: np.ndarray, config: PublishedConfig
) -> Piece:  # fmt: skip
    """Return two stems (samples,) float32 at the config's rate as pictures; the shorter one is followed by silence."""
    samples = max(len(source), len(target))
    pictures = [picture(np.pad(stem, (0, samples - len(stem))), config) for stem in (source, target)]
    grey = np.stack(pictures)
    return Piece(name, split, to_codes(grey) if config.eight_bit else grey.astype(np.float16))


def write_pieces(songs: Iterable[Stems], task: str, folder: Path, config: PublishedConfig) -> int:
    """Write the songs of every split as pictures into FOLDER/SPLIT; return how many. What is there is kept.

    Raises:
        ValueError: there is no such task, a song lacks a stem, or the folder holds pictures of another kind.
    """
    if task not in TASKS:
        raise ValueError(f"the task is {task}; allowed: {', '.join(TASKS)}")
    kind = {"task": task} | {name: config.to_json()[name] for name in PICTURED}
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / KIND).exists() and json.loads((folder / KIND).read_text()) != kind:
        raise ValueError(f"{folder} holds pictures of another task or size; give another folder")
    (folder / KIND).write_text(json.dumps(kind))
    count = 0
    for song in songs:
        path = folder / song.split / (re.sub(r"[^\w.#-]", "-", song.name) + ".npy")
        if not path.exists():
            source, target = (song.audio(stem, config.sample_rate) for stem in TASKS[task])
            path.parent.mkdir(exist_ok=True)
            partial = path.with_name(f".{path.name}")
            with partial.open("wb") as file:
                np.save(file, piece_of(song.name, song.split, source, target, config).grey)
            partial.rename(path)
        count += 1
    return count


def read_pieces(folder: Path, task: str, config: PublishedConfig) -> list[Piece]:
    """Return what `write_pieces` wrote, mapped into memory. Raises ValueError where it is of another kind, or nothing."""
    kind = {"task": task} | {name: config.to_json()[name] for name in PICTURED}
    if not (folder / KIND).exists() or json.loads((folder / KIND).read_text()) != kind:
        raise ValueError(f"{folder} holds no pictures of {task} in this size")
    return [
        Piece(path.stem, path.parent.name, np.load(path, mmap_mode="r")) for path in sorted(folder.glob("*/[!.]*.npy"))
    ]


KIND = "pictures.json"
PICTURED = ("sample_rate", "n_fft", "hop", "bands", "floor_db", "top_db", "eight_bit")


def crops_of(pieces: Sequence[Piece], split: str, config: PublishedConfig, corrections: Corrections) -> Crops:
    """Return the crops of a split. Raises ValueError where none is there, or none in which something is heard."""
    chosen = tuple(piece for piece in pieces if piece.split == split)
    places: list[list[tuple[int, int]]] = [[], [], []]
    for index, piece in enumerate(chosen):
        starts = range(0, piece.frames - config.frames + 1, config.frames - config.overlap)
        heard = [_heard(piece.grey[side], starts, config, corrections) for side in (SOURCE, TARGET)]
        for start, source, target in zip(starts, *heard, strict=True):
            for kept, there in zip(places, (source and target, source, target), strict=True):
                if there:
                    kept.append((index, start))
    if not all(places):
        seconds = config.frames / config.frame_rate
        raise ValueError(
            f"of {len(chosen)} songs to {split}, none has {seconds:.1f} s in which both instruments are heard"
        )
    both, source_alone, target_alone = (tuple(kept) for kept in places)
    return Crops(chosen, config, corrections, both, (source_alone, target_alone))


def _heard(grey: np.ndarray, starts: range, config: PublishedConfig, corrections: Corrections) -> list[bool]:
    """Return for each crop whether the instrument is not silent in it."""
    if not corrections.sounding:
        return [True] * len(starts)
    level = _grey(grey.max(0)) * (config.top_db - config.floor_db) / 2  # dB of each frame's loudest band
    loud = (level > level.max() - QUIET_DB) & (level > level.min() + 1)
    return [float(loud[start : start + config.frames].mean()) >= SOUNDING for start in starts]


def _grey(stored: np.ndarray) -> np.ndarray:
    return from_codes(stored) if stored.dtype == np.uint8 else np.asarray(stored, np.float32)


def _changed(one: Tensor, change: Change | None) -> Tensor:
    if change is None:
        return one
    bands, frames = one.shape[2:]
    large = functional.interpolate(one, change.size, mode="bicubic", align_corners=False).clamp(-1, 1)
    low, first = change.place
    cut = large[:, :, low : low + bands, first : first + frames]
    return cut.flip(3) if change.mirrored else cut


def main(words: Sequence[str] | None = None) -> None:
    """Run the command line."""
    from models.sound.datasets.registry import find_songs
    from models.sound.separation import Separator

    parser = argparse.ArgumentParser(prog="python -m models.drummer.published.data")
    parser.add_argument("songs", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--task", choices=list(TASKS), default="bass2drums")
    parser.add_argument("--size", choices=list(SIZES), default="CYC")
    parser.add_argument(
        "--separate", type=Path, metavar="WEIGHTS", help="folder of Demucs weights; stems go to FOLDER/stems"
    )
    arguments = parser.parse_args(words)
    try:
        songs = find_songs(arguments.songs)
        if arguments.separate:
            separator = Separator(arguments.separate)
            songs = (separator.separated(song, arguments.folder / "stems") for song in songs)
        write_pieces(songs, arguments.task, arguments.folder, SIZES[arguments.size])
    except (ValueError, OSError, ImportError) as error:
        raise SystemExit(f"{parser.prog}: {error}") from error


if __name__ == "__main__":
    main()
