"""POP909 on its grid: beats, chords, the voice, the human arrangement and a band on the same time axis. For training only.

The arrangement is BRIDGE and PIANO, as published, or with the voice (MELODY) in it. A song is cut into bars of four beats; songs in
another metre are left out (paper, section 3.1).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from models.arranger.config import BEATS_A_BAR, ROOTS, SIXTEENTHS

BETWEEN = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"]
FLATS = {"Db": "C#", "Eb": "D#", "Fb": "E", "Gb": "F#", "Ab": "G#", "Bb": "A#", "Cb": "B", "E#": "F", "B#": "C"}
QUALITIES = {
    "maj": (0, 4, 7), "min": (0, 3, 7), "dim": (0, 3, 6), "aug": (0, 4, 8), "sus2": (0, 2, 7), "sus4": (0, 5, 7),
    "7": (0, 4, 7, 10), "maj7": (0, 4, 7, 11), "min7": (0, 3, 7, 10), "minmaj7": (0, 3, 7, 11), "maj6": (0, 4, 7, 9),
    "min6": (0, 3, 7, 9), "dim7": (0, 3, 6, 9), "hdim7": (0, 3, 6, 10), "sus4(b7)": (0, 5, 7, 10), "maj9": (0, 2, 4, 7, 11),
    "min9": (0, 2, 3, 7, 10), "9": (0, 2, 4, 7, 10),
}  # fmt: skip
DEGREES = {
    "1": 0,
    "b2": 1,
    "2": 2,
    "b3": 3,
    "3": 4,
    "4": 5,
    "b5": 6,
    "5": 7,
    "#5": 8,
    "b6": 8,
    "6": 9,
    "b7": 10,
    "7": 11,
}
FEWEST_BARS = 8
SPLIT = Path(__file__).with_name("split.json")


@dataclass(frozen=True, slots=True)
class Song:
    """beats: seconds, (beats,) from the first downbeat on. chords: (beats, CHORD). voice, bridge, piano: (notes, 4) onset and
    offset in beats, pitch, velocity."""

    name: str
    beats: np.ndarray
    chords: np.ndarray
    voice: np.ndarray
    bridge: np.ndarray
    piano: np.ndarray
    band: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def bars(self) -> int:
        return len(self.beats) // BEATS_A_BAR

    def arrangement(self, melody: bool) -> np.ndarray:
        """Return the human arrangement, with the voice in it or not: (notes, 4)."""
        parts = (self.voice, self.bridge, self.piano) if melody else (self.bridge, self.piano)
        return np.concatenate(parts)


def read_split() -> dict[str, list[str]]:
    """Return the songs of each part: train, validation, test."""
    parts: dict[str, list[str]] = json.loads(SPLIT.read_text())
    return parts


def read_song(folder: Path) -> Song | None:
    """Read the longest section of POP909/NNN in bars of four beats; None where there is none."""
    return max(read_sections(folder), key=lambda section: len(section.beats), default=None)


def read_sections(folder: Path) -> list[Song]:
    """Read the sections of POP909/NNN, each of at least FEWEST_BARS bars of four beats in a row: many songs have odd bars in between."""
    import pretty_midi

    rows = np.loadtxt(folder / "beat_midi.txt", ndmin=2)
    downs = np.flatnonzero(rows[:, 2] > 0)
    regular = np.diff(downs) == BEATS_A_BAR
    edges = np.flatnonzero(np.diff(np.concatenate([[False], regular, [False]]).astype(int)))
    runs = [(downs[a], downs[b]) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a >= FEWEST_BARS]
    midi = pretty_midi.PrettyMIDI(str(folder / f"{folder.name}.mid")) if runs else None
    sections = []
    for first, last in runs:
        beats = rows[first:last, 0]
        parts = {one.name: in_beats(notes_of(one), beats) for one in midi.instruments} if midi else {}
        voice, bridge, piano = (parts.get(name, np.zeros((0, 4))) for name in ("MELODY", "BRIDGE", "PIANO"))
        sections.append(Song(folder.name, beats, _chords(folder / "chord_midi.txt", beats), voice, bridge, piano))
    return sections


def notes_of(instrument: object) -> np.ndarray:
    """Return a pretty_midi instrument's notes: (notes, 4) onset, offset in seconds, pitch, velocity."""
    rows = [(n.start, n.end, n.pitch, n.velocity) for n in instrument.notes]  # type: ignore[attr-defined]
    return np.array(sorted(rows), float).reshape(-1, 4)


def in_beats(notes: np.ndarray, beats: np.ndarray) -> np.ndarray:
    """Return notes whose times are beats: those within the song."""
    placed = notes.copy()
    placed[:, :2] = position(notes[:, :2], beats)
    return placed[(placed[:, 0] >= -0.125) & (placed[:, 0] < len(beats) - 0.125)]


def position(seconds: np.ndarray, beats: np.ndarray) -> np.ndarray:
    """Return where times lie among beats, going on at the ends as they go there."""
    numbers = np.arange(len(beats), dtype=float)
    inside = np.interp(seconds, beats, numbers)
    first, last = beats[1] - beats[0], beats[-1] - beats[-2]
    inside = np.where(seconds < beats[0], (seconds - beats[0]) / first, inside)
    return np.where(seconds > beats[-1], numbers[-1] + (seconds - beats[-1]) / last, inside)


def chord_row(root: int, tones: tuple[int, ...], bass: int) -> np.ndarray:
    """Return (CHORD,): root (12 is no chord), chroma, bass."""
    row = np.zeros(2 * ROOTS + 12, np.float32)
    row[root] = row[ROOTS + 12 + bass] = 1
    if root < ROOTS - 1:
        row[[ROOTS + (root + tone) % 12 for tone in tones]] = 1
    return row


def parse_chord(name: str) -> np.ndarray:
    """Return (CHORD,) of a chord as data sets write it, such as Ab:min7/b3 or N.

    Raises:
        ValueError: the name is none.
    """
    if name == "N":
        return chord_row(ROOTS - 1, (), ROOTS - 1)
    root_name, _, rest = name.partition(":")
    quality, _, degree = rest.partition("/")
    if not rest:
        root_name, _, degree = name.partition("/")
    root_name = FLATS.get(root_name, root_name)
    if root_name not in BETWEEN or (quality or "maj") not in QUALITIES or (degree and degree not in DEGREES):
        raise ValueError(f"chord {name!r} is none that is known; it looks like C:maj, F#:min7 or Ab:maj/3")
    root = BETWEEN.index(root_name)
    return chord_row(root, QUALITIES[quality or "maj"], (root + DEGREES.get(degree, 0)) % 12)


def _chords(path: Path, beats: np.ndarray) -> np.ndarray:
    """Return the chord of every beat, (beats, CHORD): the one that sounds in its middle."""
    spans = [line.split("\t") for line in path.read_text().splitlines() if line.strip()]
    starts = np.array([float(span[0]) for span in spans])
    rows = [parse_chord(span[2]) for span in spans]
    middles = beats + np.diff(beats, append=2 * beats[-1] - beats[-2]) / 2
    return np.stack([rows[max(0, int(np.searchsorted(starts, middle, "right")) - 1)] for middle in middles])


def steps(notes: np.ndarray) -> np.ndarray:
    """Return (notes, 4) int: step of the onset, steps that it lasts (at least 1), pitch, velocity."""
    onset = np.floor(notes[:, 0] * SIXTEENTHS + 0.5).astype(int)
    offset = np.floor(notes[:, 1] * SIXTEENTHS + 0.5).astype(int)
    return np.stack([onset, np.maximum(1, offset - onset), notes[:, 2].astype(int), notes[:, 3].astype(int)], 1)
