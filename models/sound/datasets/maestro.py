"""MAESTRO: piano competitions on Disklaviers, audio and MIDI from the same keys, aligned to about 3 ms.

Layout: maestro-v3.0.0.csv (or .json) beside folders of years, each with .midi and .wav. Where no .wav is there at all
(the download of MIDI alone), the recordings have no audio. Hawthorne et al., ICLR 2019.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from models.sound.datasets.recording import (
    HELD_OUT_FIRST,
    Recording,
    keep_apart,
    read_midi,
    read_rows,
    require_layout,
    split_named,
)

LAYOUT = ("maestro-v*.csv", "maestro-v*.json")
COLUMNS = ("canonical_composer", "canonical_title", "split", "midi_filename", "audio_filename")


def maestro(root: Path) -> Iterator[Recording]:
    """Yield the recordings in the data set's own splits."""
    require_layout(root, LAYOUT, "MAESTRO")
    has_audio = next(root.glob("*/*.wav"), None) is not None
    recordings = [_recording(root, has_audio, row, table) for table, row in _rows(root)]
    yield from keep_apart(sorted(recordings, key=lambda recording: HELD_OUT_FIRST.index(recording.split)))


def _recording(root: Path, has_audio: bool, row: dict[str, str], table: Path) -> Recording:
    midi = root / row["midi_filename"]
    return Recording(
        dataset="maestro",
        name=midi.stem,
        piece=" ".join(f"{row['canonical_composer']}: {row['canonical_title']}".lower().split()),
        split=split_named(row["split"], table),
        instrument="piano",
        audio=root / row["audio_filename"] if has_audio else None,
        reads=partial(read_midi, midi),
    )


def _rows(root: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    table = next(path for pattern in LAYOUT for path in sorted(root.glob(pattern)))
    for row in read_rows(table, COLUMNS) if table.suffix == ".csv" else _json_rows(table):
        yield table, row


def _json_rows(path: Path) -> list[dict[str, str]]:
    """Version 3 is a dictionary of columns, each a dictionary by row number; earlier ones are lists of rows."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(stored, list):
            return [{column: str(row[column]) for column in COLUMNS} for row in stored]
        return [{column: str(stored[column][number]) for column in COLUMNS} for number in stored["split"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no list of MAESTRO recordings: {error!r}") from error
