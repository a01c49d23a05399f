"""What the performer learns from: recordings with their notes and how each note's pitch moves, made once and kept.

An excerpt is a movement or a phrase in one npz file. `sources` says which there are. Called by training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from models.performer.config import INSTRUMENTS, PerformerConfig

SAMPLE_RATE = PerformerConfig().sample_rate
Split = Literal["train", "validation", "test_piece", "test_player"]


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A movement or a phrase, and what was written.

    audio: (samples,) int16 at SAMPLE_RATE, mono; notes: (notes, 4) float64: onset and offset in seconds, pitch, velocity
    1..127, which says how loud the note was measured; f0: (points, 3) float64: index of the note, seconds, semitones away
    from its pitch, only where that could be measured.
    """

    audio: np.ndarray
    notes: np.ndarray
    f0: np.ndarray
    instrument: str
    player: str
    piece: str
    split: Split


def load_excerpts(folder: Path, split: Split | None = None, instrument: str | None = None) -> list[Excerpt]:
    """Read the excerpts of a folder in the order of their names, of one split and one instrument if asked.

    Raises:
        ValueError: there is no such split or instrument.
        FileNotFoundError: the folder holds no such excerpt.
    """
    _require("split", split, get_args(Split))
    _require("instrument", instrument, INSTRUMENTS)
    found = [load_excerpt(path) for path in sorted(folder.glob(f"{instrument or '*'}_*.npz"))]
    found = [excerpt for excerpt in found if split in (None, excerpt.split)]
    if not found:
        raise FileNotFoundError(
            f"{folder} holds no excerpts of split {split or 'any'}, instrument {instrument or 'any'}"
        )
    return found


def load_excerpt(path: Path) -> Excerpt:
    with np.load(path) as stored:
        words: dict[str, Any] = {key: str(stored[key]) for key in ("instrument", "player", "piece", "split")}
        return Excerpt(stored["audio"], stored["notes"], stored["f0"], **words)


def store_excerpt(excerpt: Excerpt, path: Path) -> None:
    """Write under another name first, so that a file is whole or missing."""
    partial = path.with_name(f".{path.name}")
    words = {key: getattr(excerpt, key) for key in ("instrument", "player", "piece", "split")}
    with partial.open("wb") as file:
        np.savez(file, audio=excerpt.audio, notes=excerpt.notes, f0=excerpt.f0, **words)
    partial.rename(path)


def make_excerpts(makers: dict[str, Callable[[], Excerpt]], folder: Path, threads: int = 1) -> Iterator[Path]:
    """Make the excerpts that `folder` does not hold yet, named by the keys; yield each path as it is finished."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = {folder / f"{name}.npz": make for name, make in makers.items() if not (folder / f"{name}.npz").exists()}
    with ThreadPoolExecutor(threads) as pool:
        made = [pool.submit(_make, make, path) for path, make in missing.items()]
        try:
            for future in as_completed(made):
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _make(make: Callable[[], Excerpt], path: Path) -> Path:
    store_excerpt(make(), path)
    return path


def _require(what: str, value: str | None, allowed: tuple[str, ...]) -> None:
    if value is not None and value not in allowed:
        raise ValueError(f"there is no {what} {value!r}; allowed are {', '.join(allowed)}")
