"""Where lines and chords come from: tracks of MIDI pieces, sorted by what an instrument can make of them.

Reads POP909, an accompaniment band for it, game music of many tracks, and GiantMIDI-Piano. Called by `general`; what an
instrument makes of a track is the business of `manners`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.sound.performance import read_performance, tidy

BASS_PROGRAMS = range(32, 40)
FIRST_EFFECT_PROGRAM = 112  # from here General MIDI has percussion and noises
FEWEST_NOTES = 16  # of a track that is worth playing


@dataclass(frozen=True, slots=True)
class Library:
    """The MIDI files of one side of the split. Each method draws a track: (notes, 4) float64, as in `Performance.notes`."""

    pop909: tuple[Path, ...]
    band: tuple[Path, ...]
    multitrack: tuple[Path, ...]
    giantmidi: tuple[Path, ...]

    def melody(self, rng: np.random.Generator) -> np.ndarray:
        """Draw a line of single notes: a song's voice, or one that a game's music gives to any instrument."""
        if rng.random() < 0.5:
            name = "MELODY" if rng.random() < 0.8 else "BRIDGE"
            return read_performance(_draw(self.pop909, rng), (name,)).notes
        return _one_of([t.notes for t in _tracks(_draw(self.multitrack, rng)) if t.single > 0.9 and not t.is_bass], rng)

    def bass(self, rng: np.random.Generator) -> np.ndarray:
        if rng.random() < 0.5:
            return read_performance(_draw(self.band, rng), ("Bass",)).notes
        return _one_of([track.notes for track in _tracks(_draw(self.multitrack, rng)) if track.is_bass], rng)

    def chords(self, rng: np.random.Generator) -> np.ndarray:
        """Draw an accompaniment."""
        kind = rng.random()
        if kind < 0.5:
            return read_performance(_draw(self.pop909, rng), ("PIANO",)).notes
        path = _draw(self.band if kind < 0.75 else self.multitrack, rng)
        return _one_of([track.notes for track in _tracks(path) if track.single < 0.6], rng)

    def piece(self, rng: np.random.Generator) -> np.ndarray:
        """Draw a whole piece for a keyboard."""
        kind = rng.random()
        if kind < 0.75:
            return read_performance(_draw(self.giantmidi if kind < 0.5 else self.pop909, rng)).notes
        return self.chords(rng)


@dataclass(frozen=True, slots=True)
class _Track:
    notes: np.ndarray
    single: float  # share of notes that begin when, but for 30 ms, no other sounds
    is_bass: bool


def _tracks(path: Path) -> list[_Track]:
    import pretty_midi

    tracks = []
    for instrument in pretty_midi.PrettyMIDI(str(path)).instruments:
        if instrument.is_drum or instrument.program >= FIRST_EFFECT_PROGRAM or len(instrument.notes) < FEWEST_NOTES:
            continue
        notes = tidy(np.array([(n.start, n.end, n.pitch, n.velocity) for n in instrument.notes], float))
        if len(notes) < FEWEST_NOTES:
            continue
        sounding_until = np.maximum.accumulate(notes[:-1, 1])
        single = float(np.mean(notes[1:, 0] > sounding_until - 0.03))
        is_bass = instrument.program in BASS_PROGRAMS or "bass" in instrument.name.lower()
        tracks.append(_Track(notes, single, is_bass))
    return tracks


def _draw(paths: tuple[Path, ...], rng: np.random.Generator) -> Path:
    return paths[int(rng.integers(len(paths)))]


def _one_of(tracks: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    return tracks[int(rng.integers(len(tracks)))] if tracks else np.zeros((0, 4))
