"""The loaders by name, and which of them a folder is for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from models.sound.datasets import fma, guitarset, maestro, maps, musdb18, musicnet, pop909, slakh
from models.sound.datasets.recording import Recording, has_layout
from models.sound.datasets.song import Song

Loader = Callable[[Path], Iterator[Recording]]
SongLoader = Callable[[Path], Iterator[Song]]

DATASETS: dict[str, Loader] = {
    "maestro": maestro.maestro,
    "maps": maps.maps,
    "guitarset": guitarset.guitarset,
    "slakh": slakh.slakh,
    "musicnet": musicnet.musicnet,
    "pop909": pop909.pop909,
}
LAYOUTS: dict[str, tuple[str, ...]] = {
    "maestro": maestro.LAYOUT,
    "maps": maps.LAYOUT,
    "guitarset": guitarset.LAYOUT,
    "slakh": slakh.LAYOUT,
    "musicnet": musicnet.LAYOUT,
    "pop909": pop909.LAYOUT,
}


def find_dataset(folder: Path) -> str:
    """Return the name, in `DATASETS`, of the data set whose layout the folder has.

    Raises:
        ValueError: there is no such folder, or it has no layout that is known.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder")
    for name, patterns in LAYOUTS.items():
        if has_layout(folder, patterns):
            return name
    known = "; ".join(f"{name} ({patterns[0]})" for name, patterns in LAYOUTS.items())
    raise ValueError(f"{folder} is not the top folder of a known data set; allowed are {known}")


SONGS: dict[str, tuple[SongLoader, tuple[str, ...]]] = {
    "musdb18": (musdb18.musdb18, musdb18.LAYOUT),
    "fma": (fma.fma, fma.LAYOUT),
}
"""Data sets of songs with stems or of mixtures, which have no notes: loader and layout."""


def find_songs(folder: Path) -> Iterator[Song]:
    """Return the songs of the data set whose layout the folder has.

    Raises:
        ValueError: there is no such folder, or it has no layout that is known.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder")
    for loader, patterns in SONGS.values():
        if has_layout(folder, patterns):
            return loader(folder)
    known = "; ".join(f"{name} ({patterns[0]})" for name, (_, patterns) in SONGS.items())
    raise ValueError(f"{folder} is not the top folder of a known data set of songs; allowed are {known}")
