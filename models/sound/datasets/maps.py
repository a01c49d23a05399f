"""MAPS: nine pianos, seven played by software and two by a Disklavier in two microphone positions.

Layout: a folder a piano, each with MUS (pieces), ISOL (single notes), RAND and UCHO (chords), every .wav beside a .mid
and a .txt of the same name; or the same below the MAPS_PIANO_n folders into which the archives unpack. Emiya, Badeau and
David, IEEE TASLP 2010.

Notes, velocities and pedal are read from the .mid. The .txt ends a note where its sound ends under the pedal, not where
its key is let go (Hawthorne et al., ISMIR 2018), and is read only where there is no .mid.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from models.sound.datasets.recording import (
    UNKNOWN_VELOCITY,
    Recording,
    keep_apart,
    performance_of,
    read_midi,
    read_rows,
    require_layout,
)
from models.sound.performance import Performance

DISKLAVIERS = ("ENSTDkAm", "ENSTDkCl")
SOFTWARE_PIANOS = ("AkPnBcht", "AkPnBsdf", "AkPnCGdD", "AkPnStgb", "SptkBGAm", "SptkBGCl", "StbgTGd2")
KINDS = ("MUS", "ISOL", "RAND", "UCHO")
LAYOUT = tuple(
    f"{above}{piano}/{kind}" for piano in DISKLAVIERS + SOFTWARE_PIANOS for above in ("", "MAPS_*/") for kind in KINDS
)
TWO_PIECES = ("MAPS_MUS-scn15_5_SptkBGCl",)  # found by Ycart and Benetos, ICASSP 2018
COLUMNS = ("OnsetTime", "OffsetTime", "MidiPitch")


def maps(root: Path, kinds: tuple[str, ...] = ("MUS",)) -> Iterator[Recording]:
    """Yield the recordings of `kinds` in the usual split: the Disklaviers test, the others train.

    A piece that a Disklavier plays is left out of training. Single notes and chords are no pieces.
    """
    require_layout(root, LAYOUT, "MAPS")
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise ValueError(f"MAPS has no recordings {unknown[0]!r}; allowed are {', '.join(KINDS)}")
    yield from keep_apart(_recordings(root, kinds))


def _recordings(root: Path, kinds: tuple[str, ...]) -> Iterator[Recording]:
    for piano in DISKLAVIERS + SOFTWARE_PIANOS:
        folders = [*root.glob(piano), *root.glob(f"MAPS_*/{piano}")]
        for audio in sorted(
            path for folder in folders for kind in kinds for path in (folder / kind).rglob("MAPS_*.wav")
        ):
            if audio.stem in TWO_PIECES:
                continue
            piece = audio.stem.removeprefix("MAPS_MUS-").removesuffix(f"_{piano}").removesuffix("-format0")
            yield Recording(
                dataset="maps",
                name=audio.stem,
                piece=piece if audio.stem.startswith("MAPS_MUS-") else audio.stem,
                split="test" if piano in DISKLAVIERS else "train",
                instrument="piano",
                audio=audio,
                reads=partial(_read, audio),
            )


def _read(audio: Path) -> Performance:
    midi, text = audio.with_suffix(".mid"), audio.with_suffix(".txt")
    if midi.is_file() or not text.is_file():
        return read_midi(midi)
    try:
        notes = [tuple(float(row[column]) for column in COLUMNS) for row in read_rows(text, COLUMNS, "\t")]
    except ValueError as error:
        raise ValueError(f"{text} is no list of notes: {error}") from error
    return performance_of([(onset, offset, pitch, UNKNOWN_VELOCITY) for onset, offset, pitch in notes])
