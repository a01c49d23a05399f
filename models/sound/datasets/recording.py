"""One recording of a data set, and what all loaders share: splits that no piece crosses, and errors that name the file.

Not the audio: `conversion` reads it. Called by the loaders.
"""

from __future__ import annotations

import csv
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from models.sound.performance import Performance, read_performance, tidy

logger = logging.getLogger(__name__)

Split = Literal["train", "validation", "test"]
HELD_OUT_FIRST: tuple[Split, ...] = ("test", "validation", "train")
UNKNOWN_VELOCITY = 64  # of notes in a set that does not say how hard they were struck


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording; its notes are read by `performance` and not before.

    name is unique within the data set; piece is the same for all recordings of a composition; audio is None where the
    data set has none.
    """

    dataset: str
    name: str
    piece: str
    split: Split
    instrument: str
    audio: Path | None
    reads: Callable[[], Performance]

    def performance(self) -> Performance:
        """Read notes, pedal and bends. A note ends when its key is let go; where velocities are unknown, all are 64.

        Raises:
            FileNotFoundError, ValueError: a file is missing or broken; the message names it.
        """
        return self.reads()


def keep_apart(recordings: Iterable[Recording]) -> Iterator[Recording]:
    """Leave out recordings whose piece has already been seen in another split.

    Loaders yield test before validation before train, so it is the larger split that loses.
    """
    split_of: dict[str, Split] = {}
    for recording in recordings:
        split = split_of.setdefault(recording.piece, recording.split)
        if split == recording.split:
            yield recording
        else:
            logger.info("%s is left out: its piece %s is in the %s split", recording.name, recording.piece, split)


def has_layout(root: Path, layout: tuple[str, ...]) -> bool:
    """Whether one of the glob patterns finds anything."""
    return any(next(root.glob(pattern), None) is not None for pattern in layout)


def require_layout(root: Path, layout: tuple[str, ...], name: str) -> None:
    if not has_layout(root, layout):
        raise ValueError(f"{root} is not the top folder of {name}: it holds no {layout[0]}")


def split_named(name: str, source: Path) -> Split:
    for split in get_args(Split):
        if name == split:
            return split
    raise ValueError(f"{source} names a split {name!r}; allowed are {', '.join(get_args(Split))}")


def required(path: Path) -> Path:
    """Return the path of a file that has to be there."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing from the data set")
    return path


def read_midi(path: Path, tracks: tuple[str, ...] | None = None) -> Performance:
    """Read a MIDI file as `read_performance` does, with errors that name the file."""
    try:
        return read_performance(required(path), tracks)
    except FileNotFoundError:
        raise
    except (OSError, EOFError, ValueError, LookupError) as error:
        raise ValueError(f"{path} cannot be read as MIDI: {error}") from error


def read_rows(path: Path, columns: tuple[str, ...], delimiter: str = ",") -> list[dict[str, str]]:
    """Read a table with a header; every row holds at least `columns`."""
    try:
        with required(path).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, delimiter=delimiter, restval=""))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} cannot be read as a table: {error}") from error
    for number, row in enumerate(rows, start=2):
        empty = [column for column in columns if not row.get(column)]
        if empty:
            raise ValueError(f"{path}, line {number}, has no {empty[0]}; needed are the columns {', '.join(columns)}")
    return rows


def performance_of(notes: Sequence[tuple[float, float, float, float]]) -> Performance:
    """Notes (onset and offset in seconds, pitch, velocity) of a set that knows no pedal, made playable."""
    return Performance(tidy(np.array(notes, float).reshape(-1, 4)), np.zeros((0, 2)))
