"""Slakh2100: songs of the Lakh MIDI set played by software instruments, one stem an instrument.

Layout: train, validation, test and (in the redux version) omitted, each with TrackNNNNN folders that hold metadata.yaml,
stems/Sxx.flac and MIDI/Sxx.mid, the mix and all_src.mid. Manilow et al., WASPAA 2019.

The stems are read, one recording each, since the transcriber hears one instrument; drums are not. The first version
holds some songs several times across its splits: a piece is known by the UUID of its MIDI file. `omitted` is not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from models.sound.datasets.recording import (
    HELD_OUT_FIRST,
    Recording,
    Split,
    keep_apart,
    read_midi,
    require_layout,
    required,
)
from models.sound.performance import Performance

LAYOUT = tuple(f"{split}/Track*/metadata.yaml" for split in HELD_OUT_FIRST)
CLASS, FLAGS = "inst_class", ("is_drum", "audio_rendered", "midi_saved")
LINE = re.compile(r"( *)([^\s:][^:]*):(?: +(.*))?")
# basses sound an octave below what their MIDI says (github.com/ethman/slakh-generation/issues/2)
OCTAVE_BELOW = "Bass"
# audio and MIDI do not match (github.com/ethman/slakh-utils/issues/17 and 21)
BROKEN_STEMS = (
    "Track00262_S01", "Track00357_S03", "Track00377_S07", "Track00385_S00", "Track00398_S00", "Track00400_S00",
    "Track00404_S03", "Track00496_S01", "Track00629_S01", "Track00633_S01", "Track00737_S01", "Track00749_S01",
    "Track00893_S01", "Track01500_S12", "Track01500_S13", "Track01629_S00", "Track01918_S10", "Track01931_S01",
    "Track01937_S03",
)  # fmt: skip


def slakh(root: Path) -> Iterator[Recording]:
    """Yield the stems that are not drums, in the data set's own splits."""
    require_layout(root, LAYOUT, "Slakh2100")
    yield from keep_apart(
        recording
        for split in HELD_OUT_FIRST
        for track in sorted((root / split).glob("Track*"))
        for recording in _stems(track, split)
    )


def _stems(track: Path, split: Split) -> Iterator[Recording]:
    uuid, stems = read_metadata(track / "metadata.yaml")
    for stem, fields in stems.items():
        name = f"{track.name}_{stem}"
        made = fields["audio_rendered"] == "true" and fields["midi_saved"] == "true"
        if made and fields["is_drum"] == "false" and name not in BROKEN_STEMS:
            yield Recording(
                dataset="slakh",
                name=name,
                piece=uuid,
                split=split,
                instrument=fields[CLASS].lower(),
                audio=track / "stems" / f"{stem}.flac",
                reads=partial(_read, track / "MIDI" / f"{stem}.mid", fields[CLASS]),
            )


def _read(midi: Path, instrument_class: str) -> Performance:
    performance = read_midi(midi)
    if instrument_class == OCTAVE_BELOW:
        performance.notes[:, 2] -= 12
    return performance


def read_metadata(path: Path) -> tuple[str, dict[str, dict[str, str]]]:
    """Return the UUID of the song's MIDI file and the fields of each stem, all as text.

    Reads the subset of YAML in which the files are written: nested `name: value` lines, two spaces a level.

    Raises:
        FileNotFoundError, ValueError: the file is missing, is written in another way, or lacks a field.
    """
    uuid, section, stem = "", "", ""
    stems: dict[str, dict[str, str]] = {}
    for number, line in enumerate(required(path).read_text(encoding="utf-8").splitlines(), start=1):
        match = LINE.fullmatch(line.rstrip())
        depth = len(match[1]) if match else -1
        if match and depth == 0:
            section = match[2]
            uuid = (match[3] or "").strip("'") if section == "UUID" else uuid
        elif match and section == "stems" and depth == 2 and match[3] is None:
            stem = match[2]
            stems[stem] = {}
        elif match and section == "stems" and depth == 4 and stem:
            stems[stem][match[2]] = match[3] or ""
        elif section == "stems" and line.strip():
            raise ValueError(f"{path}, line {number}, is not written as Slakh writes its stems: {line.strip()!r}")
    if not uuid or not stems:
        raise ValueError(f"{path} does not describe a song: it has no {'stems' if uuid else 'UUID'}")
    for stem, fields in stems.items():
        if not fields.get(CLASS):
            raise ValueError(f"{path} gives stem {stem} no {CLASS}")
        for flag in FLAGS:
            if fields.get(flag) not in ("true", "false"):
                raise ValueError(f"{path} says {flag}: {fields.get(flag)} of stem {stem}; allowed are true and false")
    return uuid, stems
