"""Single notes with their symbols: what the translator learns from and is judged on, and which side of the split each is on.

A note is a file of one instrument playing one pitch at one dynamic. Real notes: the Philharmonia Orchestra's and the Salamander
piano; Studio On Line and TinySOL where somebody has them; any folder with a table of the user's own labels. Violin and trumpet
come from sound fonts (`renders`), and so does what training hears beside the real notes. `split.json` keeps whole cells of
pitch and dynamic aside, in every source of an instrument, and names the sources that are never trained on.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal, get_args

import numpy as np

INSTRUMENTS = ("violin", "cello", "double_bass", "flute", "saxophone", "trumpet", "french_horn", "piano")
PITCH_CLASSES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
OCTAVES = tuple(range(9))  # C0, pitch 12, begins octave 0
DYNAMICS = ("pp", "p", "mf", "f", "ff")
Side = Literal["train", "validation", "test", "other"]
SPLIT = Path(__file__).with_name("split.json")
FARTHEST_FROM_PITCH = 0.5  # semitones: a note that sounds farther from its label is another pitch to any listener
TEST_SHARE, VALIDATION_SHARE = 0.12, 0.08  # of an instrument's cells

_ORCHESTRA = {
    "molto-pianissimo": "pp", "pianissimo": "pp", "piano": "p", "mezzo-piano": "mf", "mezzo-forte": "mf", "forte": "f",
    "fortissimo": "ff",
}  # fmt: skip
_PIANO_LAYERS = {2: "pp", 4: "p", 6: "p", 8: "mf", 10: "mf", 12: "f", 14: "f", 16: "ff"}
_STUDIO_INSTRUMENTS = {
    "Vn": "violin", "Vc": "cello", "Cb": "double_bass", "Fl": "flute", "ASax": "saxophone", "TpC": "trumpet", "Hn": "french_horn",
    "Pno": "piano",
}  # fmt: skip
_STUDIO_NAME = re.compile(
    r"(?P<who>[A-Za-z]+)-(?P<how>[A-Za-z_+]+)-(?P<pitch>[A-G]#?\d)-(?P<dynamic>pp|p|mp|mf|f|ff)(-|$)"
)
_SOUNDS = (".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff")


@dataclass(frozen=True, slots=True)
class Note:
    """One file, or one stretch of it, in which one instrument plays one note.

    pitch: MIDI, as labelled. dynamic: one of DYNAMICS; empty where it changes or is not known. tuning: measured pitch less the
    label, semitones. labels: a user's own, by the name of their column. span: seconds; the whole file unless told otherwise.
    """

    source: str
    instrument: str
    pitch: int
    dynamic: str
    path: Path
    articulation: str = "normal"
    tuning: float = 0.0
    labels: Mapping[str, str] = field(default_factory=dict)
    span: tuple[float, float] | None = None

    @property
    def symbols(self) -> tuple[int, int, int]:
        """Pitch class 0..11 from C, octave 0..8, dynamics 0..4 or -1 where unknown."""
        return self.pitch % 12, self.pitch // 12 - 1, DYNAMICS.index(self.dynamic) if self.dynamic else -1

    @property
    def side(self) -> Side:
        """Which side of the split it is on."""
        split = _split()
        if self.source in split["other_sources"]:
            return "other"
        cells = split["cells"].get(self.instrument, {})
        for side in ("validation", "test"):
            if (self.pitch, self.dynamic) in cells.get(side, ()):
                return side  # type: ignore[return-value]  # one of Side's words
        return "train"

    @property
    def in_tune(self) -> bool:
        """Whether a listener would call it by its label."""
        return abs(self.tuning) <= FARTHEST_FROM_PITCH


def find_notes(data: Path) -> list[Note]:
    """Return the notes of all collections that are folders of `data`, or of `data` where it is one itself.

    Raises FileNotFoundError where there is none.
    """
    found: list[Note] = []
    for folder in (data, *sorted(path for path in data.iterdir() if path.is_dir())):
        if (folder / "index.csv").is_file() and folder.name.startswith("notes_philharmonia"):
            found += read_philharmonia(folder)
        elif folder.name.startswith("notes_salamander"):
            found += read_salamander(folder)
        elif folder.name.lower() in ("sol", "tinysol"):
            found += read_studio_on_line(folder)
        elif (folder / "notes.csv").is_file():
            found += read_table(folder / "notes.csv")
    if not found:
        raise FileNotFoundError(
            f"{data} holds no notes: neither notes_philharmonia, notes_salamander_piano, SOL nor a notes.csv"
        )
    return found


def read_philharmonia(folder: Path) -> list[Note]:
    """The Philharmonia Orchestra's notes, whose pitches were measured into index.csv; notes that were heard wrongly are left out."""
    with (folder / "index.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["pitch_ok"] == "True" and row["instrument"] in INSTRUMENTS]
    return [
        Note(
            "philharmonia", row["instrument"], int(row["midi"]), _ORCHESTRA.get(row["dynamic"], ""),
            folder / row["instrument"] / row["file"], row["articulation"], float(row["midi_measured"]) - int(row["midi"]),
        )
        for row in rows
    ]  # fmt: skip


def read_salamander(folder: Path) -> list[Note]:
    """The Salamander piano: A0v10.ogg is A0 in the tenth of 16 layers of velocity, Ds4v2.ogg is D sharp."""
    notes = []
    for path in sorted(folder.glob("*.ogg")):
        match = re.fullmatch(r"([A-G]s?)(\d)v(\d+)", path.stem)
        if match:
            pitch = pitch_of(match[1].replace("s", "#") + match[2])
            notes.append(
                Note("salamander", "piano", pitch, _PIANO_LAYERS[2 * round(int(match[3]) / 2)], path, "struck")
            )
    return notes


def read_studio_on_line(folder: Path) -> list[Note]:
    """Studio On Line or TinySOL: Strings/Violin/ordinario/Vn-ord-A#3-ff-4c-N.wav."""
    notes = []
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in _SOUNDS):
        match = _STUDIO_NAME.match(path.stem)
        if match and match["who"] in _STUDIO_INSTRUMENTS:
            dynamic = "mf" if match["dynamic"] == "mp" else match["dynamic"]
            instrument = _STUDIO_INSTRUMENTS[match["who"]]
            notes.append(Note("sol", instrument, pitch_of(match["pitch"]), dynamic, path, match["how"]))
    return notes


def read_table(table: Path) -> list[Note]:
    """A user's own notes: a CSV with a column `file`, beside it the files; `instrument`, `pitch` (a number or A#3), `dynamic`,
    `articulation` and `source` where they are known, and columns of any other labels.

    Raises ValueError with the line where a row cannot be understood.
    """
    own = ("file", "instrument", "pitch", "dynamic", "articulation", "source")
    notes = []
    with table.open(newline="", encoding="utf-8") as file:
        for line, row in enumerate(csv.DictReader(file), 2):
            name, dynamic = row.get("file") or "", row.get("dynamic") or ""
            if not name:
                raise ValueError(f"{table}, line {line}: no file is named in column 'file'")
            try:
                pitch = pitch_of(row.get("pitch") or "-1")
            except ValueError as error:
                raise ValueError(f"{table}, line {line}: {error}") from error
            notes.append(
                Note(
                    row.get("source") or "own", row.get("instrument") or "", pitch, dynamic, table.parent / name,
                    row.get("articulation") or "normal", labels={key: value for key, value in row.items() if key not in own},
                )
            )  # fmt: skip
    return notes


def pitch_of(name: str) -> int:
    """'A#3' -> 58, '58' -> 58, C4 being 60. Raises ValueError where it is neither."""
    if re.fullmatch(r"-?\d+", name):
        return int(name)
    match = re.fullmatch(r"([A-G]#?)(-?\d)", name)
    if match is None:
        raise ValueError(f"pitch is '{name}'; allowed: a MIDI number, or a name as A#3")
    return PITCH_CLASSES.index(match[1]) + 12 * (int(match[2]) + 1)


def read_audio(note: Note, sample_rate: int, tuned: bool = False) -> np.ndarray:
    """(samples,) float32 mono of a note from 1 ms before its attack on, at the level it was recorded with.

    tuned: brought to its label by playing it faster or slower.
    """
    import soundfile
    import soxr

    raw, rate = soundfile.read(note.path, dtype="float32", always_2d=True)
    mono = raw.mean(1)
    if note.span is not None:
        mono = mono[round(note.span[0] * rate) : round(note.span[1] * rate)]
    mono = mono[attack_of(mono, rate) :]
    played_at = rate / 2 ** (note.tuning / 12) if tuned else rate  # slower where it sounds too high
    return np.asarray(soxr.resample(mono, played_at, sample_rate) if played_at != sample_rate else mono, np.float32)


def attack_of(samples: np.ndarray, rate: int) -> int:
    """Where a note begins: 1 ms before its level first passes a tenth of its attack's."""
    width = max(1, rate // 1000)
    envelope = np.abs(samples[: len(samples) // width * width].reshape(-1, width)).max(1, initial=0)
    if not envelope.any():
        return 0
    begin = int(np.argmax(envelope > 0.1 * envelope.max()))
    attack = envelope[begin : begin + 250].max()
    return max(0, int(np.argmax(envelope > 0.1 * attack)) - 1) * width


def on_side(notes: Iterable[Note], side: Side) -> list[Note]:
    """The notes of one side of the split that sound as they are labelled."""
    if side not in get_args(Side):
        raise ValueError(f"there is no side '{side}'; allowed: {', '.join(get_args(Side))}")
    return [note for note in notes if note.side == side and note.in_tune]


def draw_split(notes: Sequence[Note], seed: int = 1) -> dict[str, dict[str, list[tuple[int, str]]]]:
    """Draw an instrument's cells of pitch and dynamic for each held-out side: instrument -> side -> cells. What made `split.json`."""
    rng = np.random.default_rng(seed)
    drawn: dict[str, dict[str, list[tuple[int, str]]]] = {}
    for instrument in INSTRUMENTS:
        cells = sorted({(note.pitch, note.dynamic) for note in notes if note.instrument == instrument and note.dynamic})
        order = [cells[i] for i in rng.permutation(len(cells))]
        tested, validated = round(TEST_SHARE * len(cells)), round(VALIDATION_SHARE * len(cells))
        drawn[instrument] = {"test": sorted(order[:tested]), "validation": sorted(order[tested : tested + validated])}
    return drawn


@cache
def _split() -> dict[str, dict[str, dict[str, set[tuple[int, str]]]]]:
    stored = json.loads(SPLIT.read_text())
    cells = {
        instrument: {side: {(pitch, dynamic) for pitch, dynamic in some} for side, some in sides.items()}
        for instrument, sides in stored["cells"].items()
    }
    return {"cells": cells, "other_sources": stored["other_sources"]}
