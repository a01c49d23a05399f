"""What the drummer is trained on, of the data folder: songs, bands, and human drumming with a bass lent to it and one made for it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from models.drummer.bassists import with_bassist
from models.drummer.material import SOURCES, Song, load_songs, read_songs, store_songs
from models.drummer.passages import Passage, lend_bass, passages_of

logger = logging.getLogger(__name__)

BASSISTS = 2  # that are made for a take in training
JUDGED_EVERY = {"multitrack": 1, "groove": 18, "band": 2, "made": 6}  # of the passages kept aside


def prepare(data: Path, output: Path, seed: int) -> tuple[list[Passage], dict[str, list[Passage]]]:
    """Return what is trained on and, by source, what is watched. Songs are read once and kept in `output`.

    Raises FileNotFoundError where a source is missing or holds nothing.
    """
    songs = {source: _songs(data, output, source) for source in SOURCES}
    rng = np.random.default_rng([seed, 1])
    sides = []
    for trains in (True, False):
        found = {
            source: passages_of(s for s in some if (s.split == "train") == trains) for source, some in songs.items()
        }
        takes = found["groove"]
        found["groove"] = lend_bass(takes, found["multitrack"] + found["band"], rng)
        bassists = BASSISTS if trains else 1
        found["made"] = [replace(with_bassist(take, rng), source="made") for take in takes for _ in range(bassists)]
        sides.append(found)
    for source, some in sides[0].items():
        if not some:
            raise FileNotFoundError(f"{data} holds no song of '{source}' with bass and drums to learn from")
    logger.info("passages: %s", {source: (len(some), len(sides[1][source])) for source, some in sides[0].items()})
    return (
        [passage for some in sides[0].values() for passage in some],
        {source: some[:: JUDGED_EVERY[source]] for source, some in sides[1].items() if some},
    )


def _songs(data: Path, output: Path, source: str) -> list[Song]:
    kept = output / f"songs_{source}.npz"
    if not kept.exists():
        wanted: Callable[[str], bool] = _of_the_band if source == "band" else lambda name: True
        songs = list(read_songs(data, source, wanted))
        logger.info("read %d songs of %s", len(songs), source)
        output.mkdir(parents=True, exist_ok=True)
        store_songs(songs, kept)
    return load_songs(kept)


def _of_the_band(name: str) -> bool:
    """Whether a generated song is taken: the plainer version of every second one, and a sixth of the others."""
    song, version = name.rsplit("_", 1)
    return (version == "1" and int(song) % 2 == 1) or (version == "0" and int(song) % 6 == 0)
