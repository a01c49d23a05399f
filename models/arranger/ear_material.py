"""What the ear is taught: crops of rendered songs with what sounds in them, frame by frame. For training only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.arranger.config import BANDS, CHORD, EAR_AHEAD, FRAME_RATE, HEARD, HOP, LOWEST, PITCHES, ROOTS
from models.arranger.renders import LEVELS
from models.arranger.songs import Song
from models.arranger.spectrum import CEILING_DB, FLOOR_DB, LATENCY

HEARD_AFTER = LATENCY / HOP - 1 + EAR_AHEAD  # frames from a moment to the one in which the ear speaks of it
GAIN_DB = 8.0
NARROW_SHARE, NARROW_BANDS = (
    0.12,
    5,
)  # crops as of a recording of a low rate, and how many of its highest bands may be silent


@dataclass(frozen=True, slots=True)
class Labelled:
    """A render as the ear hears it. spectra: (frames, BANDS) uint8. beats, downbeats: frames in which they are told.

    chords: (beats, CHORD) of the beats. parts: notes of each part, onset and offset as told frames, pitch.
    """

    spectra: np.ndarray
    beats: np.ndarray
    chords: np.ndarray
    parts: dict[str, np.ndarray]


def load_render(path: Path, song: Song) -> Labelled:
    """Read a render of `renders.render` beside the song that it is of."""
    with np.load(path) as stored:
        ratio, shift = float(stored["ratio"]), int(stored["shift"])
        parts = {name[5:]: stored[name][:, :3].astype(float) for name in stored.files if name.startswith("part ")}
        seen = stored["spectra"]
    for notes in parts.values():
        notes[:, :2] = told(notes[:, :2])
    return Labelled(seen, told(song.beats * ratio), transposed(song.chords, shift), parts)


def told(seconds: np.ndarray) -> np.ndarray:
    """Return the frames in which the ear speaks of moments."""
    return seconds * FRAME_RATE + HEARD_AFTER


def transposed(chords: np.ndarray, shift: int) -> np.ndarray:
    """Return chords (beats, CHORD) moved by semitones."""
    out = chords.copy()
    for first in (0, ROOTS, ROOTS + 12):
        out[:, first : first + 12] = np.roll(chords[:, first : first + 12], shift, 1)
    return out


def crop(song: Labelled, first: int, frames: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return frames of a song with labels: spectrum (frames, BANDS) dB, beat (frames, 2), chord (frames, CHORD), heard (frames,
    HEARD, PITCHES), voice (1,) whether the render has one."""
    seen = song.spectra[first : first + frames]
    spectrum = seen.astype(np.float32) * ((CEILING_DB - FLOOR_DB) / LEVELS) + FLOOR_DB
    spectrum = np.clip(spectrum + np.float32(rng.uniform(-GAIN_DB, GAIN_DB)), FLOOR_DB, CEILING_DB)
    if rng.random() < NARROW_SHARE:
        spectrum[:, BANDS - int(rng.integers(1, NARROW_BANDS + 1)) :] = FLOOR_DB
    if len(seen) < frames:
        spectrum = np.pad(spectrum, ((0, frames - len(seen)), (0, 0)), constant_values=FLOOR_DB)
    beat = np.zeros((frames, 2), np.float32)
    _peak(beat[:, 0], song.beats - first)
    _peak(beat[:, 1], song.beats[::4] - first)
    numbers = np.clip(np.searchsorted(song.beats - first, np.arange(frames), "right") - 1, 0, len(song.beats) - 1)
    chord = song.chords[numbers].copy()
    outside = (np.arange(frames) + first < song.beats[0]) | (np.arange(frames) + first > song.beats[-1] + 25)
    chord[outside] = 0
    chord[np.ix_(outside, [ROOTS - 1, CHORD - 1])] = 1
    heard = np.zeros((frames, len(HEARD), PITCHES), np.float32)
    for name, notes in song.parts.items():
        if name == "Drum":
            continue
        near = notes[(notes[:, 1] > first) & (notes[:, 0] < first + frames)]
        rows = [0, 1] + ([2, 3] if name == "voice" else []) + ([4] if name == "Bass" else [])
        _notes(heard, near - [first, first, LOWEST], rows)
    return {"spectrum": spectrum, "beat": beat, "chord": chord, "heard": heard}


def nothing(frames: int, spectra: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return frames of what is no music, (n, BANDS) dB, with labels that say so."""
    first = int(rng.integers(max(1, len(spectra) - frames)))
    chord = np.zeros((frames, CHORD), np.float32)
    chord[:, [ROOTS - 1, CHORD - 1]] = 1
    seen = np.full((frames, BANDS), FLOOR_DB, np.float32)
    seen[: len(spectra) - first] = spectra[first : first + frames]
    return {
        "spectrum": seen, "beat": np.zeros((frames, 2), np.float32), "chord": chord,
        "heard": np.zeros((frames, len(HEARD), PITCHES), np.float32),
    }  # fmt: skip


def batch(crops: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.stack([one[name] for one in crops]) for name in crops[0]}


def _peak(row: np.ndarray, places: np.ndarray) -> None:
    """Mark places, and their neighbours by half, in (frames,)."""
    for place in np.round(places[(places > -1) & (places < len(row))]).astype(int):
        for frame, value in ((place - 1, 0.5), (place, 1.0), (place + 1, 0.5)):
            if 0 <= frame < len(row):
                row[frame] = max(row[frame], value)


def _notes(heard: np.ndarray, notes: np.ndarray, rows: list[int]) -> None:
    """Mark notes (n, 3) of begin, end and place in (frames, HEARD, PITCHES)."""
    for begin, end, place in notes:
        if not 0 <= place < PITCHES:
            continue
        onset, last = round(begin), max(round(begin) + 1, round(end))
        for row in rows:
            if HEARD[row].endswith("onset"):
                for frame, value in ((onset - 1, 0.5), (onset, 1.0), (onset + 1, 0.5)):
                    if 0 <= frame < len(heard):
                        heard[frame, row, int(place)] = max(heard[frame, row, int(place)], value)
            else:
                heard[max(0, onset) : last, row, int(place)] = 1
