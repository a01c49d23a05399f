"""MusicNet: chamber music from public archives, its scores aligned to the recordings by software and checked by ear.

Layout: train_data and test_data with ID.wav, train_labels and test_labels with ID.csv, and musicnet_metadata.csv, a
download of its own. Times are samples at 44.1 kHz. Thickstun, Harchaoui and Kakade, ICLR 2017.

The labels come from scores: no velocities, no pedal, and onsets that Maman and Bermano (ICML 2022) found too far off to
train a transcriber on. A work may be there in several performances and in its movements; its catalogue number keeps them
on one side of the split, which is why the metadata is required.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from models.sound.datasets.recording import (
    UNKNOWN_VELOCITY,
    Recording,
    Split,
    keep_apart,
    performance_of,
    read_rows,
    require_layout,
)
from models.sound.performance import Performance

LAYOUT = ("train_labels/*.csv", "test_labels/*.csv")
LABEL_RATE = 44100
LABEL_COLUMNS = ("start_time", "end_time", "instrument", "note")
METADATA = "musicnet_metadata.csv"
SPLITS: tuple[Split, ...] = ("test", "train")


def musicnet(root: Path) -> Iterator[Recording]:
    """Yield the recordings in the data set's own split, less what its test half holds of the same work."""
    require_layout(root, LAYOUT, "MusicNet")
    if not (root / METADATA).is_file():
        raise FileNotFoundError(f"{root / METADATA} is missing: it says which recordings are of the same work")
    works = {row["id"]: row for row in read_rows(root / METADATA, ("id", "composer", "composition", "ensemble"))}
    yield from keep_apart(
        _recording(root, split, labels, works)
        for split in SPLITS
        for labels in sorted((root / f"{split}_labels").glob("*.csv"))
    )


def read_notes(labels: Path, instrument: int | None = None) -> Performance:
    """Read the labels, of one instrument if asked (General MIDI programs counted from 1, such as 1, piano, 41, violin)."""
    try:
        rows = [[int(row[column]) for column in LABEL_COLUMNS] for row in read_rows(labels, LABEL_COLUMNS)]
    except ValueError as error:
        raise ValueError(f"{labels} is no list of labels: {error}") from error
    return performance_of(
        [
            (start / LABEL_RATE, end / LABEL_RATE, note, UNKNOWN_VELOCITY)
            for start, end, program, note in rows
            if instrument is None or program == instrument
        ]
    )


def _recording(root: Path, split: Split, labels: Path, works: dict[str, dict[str, str]]) -> Recording:
    work = works.get(labels.stem)
    if work is None:
        raise ValueError(f"{root / METADATA} does not list recording {labels.stem}, whose labels are {labels}")
    ensemble = work["ensemble"].lower()
    return Recording(
        dataset="musicnet",
        name=labels.stem,
        piece=f"{work['composer']}: {work.get('catalog_name') or work['composition']}".lower(),
        split=split,
        instrument=ensemble.removeprefix("solo "),
        audio=root / f"{split}_data" / f"{labels.stem}.wav",
        reads=partial(read_notes, labels),
    )
