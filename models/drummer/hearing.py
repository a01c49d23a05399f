"""The bass as the network hears it: six figures for every sixteenth of a beat, from notes or strokes on a beat grid.

The same code serves training, where notes come from MIDI, and playing, where they come from MIDI or from the ear.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.drummer.config import HEARD, LONGEST_BAR, SIXTEENTHS, USUAL_BPM

LEAP = 7  # semitones from the note before that count as one: a fifth or an octave is another gesture than a step
MIDDLE = 36.0  # MIDI pitch: `height` is octaves / 2 from here


@dataclass(frozen=True, slots=True)
class BassNote:
    """place, length: beats. strength: 0..1. pitch: MIDI, 0 where it is not known."""

    place: float
    length: float
    pitch: float
    strength: float


class BassLine:
    """Notes heard so far, asked for by beat. One owner; notes come in the order of their places."""

    def __init__(self) -> None:
        self._beats: dict[int, np.ndarray] = {}
        self._pitch = 0.0

    def hear(self, note: BassNote) -> None:
        """Take a note; of two on one sixteenth the later counts, with the strength of the louder."""
        step = int(np.floor(note.place * SIXTEENTHS + 0.5))
        row = self._row(step)
        row[0] = max(row[0], note.strength)
        row[1] = 1.0
        row[2] = note.place * SIXTEENTHS - step
        known = note.pitch > 0 and self._pitch > 0
        row[3] = float(known and round(note.pitch) == round(self._pitch))
        row[4] = float(known and abs(note.pitch - self._pitch) >= LEAP)
        row[5] = (note.pitch - MIDDLE) / 24 if note.pitch > 0 else 0.0
        self._pitch = note.pitch or self._pitch
        self.sound(note.place, note.place + note.length)

    def sound(self, place: float, until: float) -> None:
        """Take that what began at `place` still sounds before `until`."""
        first = int(np.floor(place * SIXTEENTHS + 0.5)) + 1
        for later in range(first, int(np.floor(until * SIXTEENTHS + 0.25))):
            self._row(later)[1] = 1.0

    def knows(self, number: int) -> bool:
        """Return whether a beat was heard, be it silent."""
        return number >= 0

    def beat(self, number: int) -> np.ndarray:
        """Return what was heard of a beat: (sixteenths, features) float32."""
        return self._beats.get(number, nothing_heard()).copy()

    def forget_before(self, beat: int) -> None:
        """Let go of beats that are no longer asked for."""
        for number in [n for n in self._beats if n < beat]:
            del self._beats[number]

    def _row(self, step: int) -> np.ndarray:
        beat, sixteenth = divmod(step, SIXTEENTHS)
        if beat not in self._beats:
            self._beats[beat] = nothing_heard()
        return self._beats[beat][sixteenth]


def nothing_heard() -> np.ndarray:
    """Return a beat in which the bass is silent: (sixteenths, features) float32."""
    return np.zeros((SIXTEENTHS, len(HEARD)), np.float32)


def bass_grid(bass: np.ndarray, beats: int) -> np.ndarray:
    """(notes, 4) place, length, pitch, velocity in the order of places -> (beats, sixteenths, features) float32."""
    line = BassLine()
    for place, length, pitch, velocity in bass:
        line.hear(BassNote(float(place), float(length), float(pitch), float(velocity) / 127))
    return np.stack([line.beat(beat) for beat in range(beats)])


def heard_for(
    line: BassLine, beat: int, place: int, bar: int, tempo_bpm: float, known: int = SIXTEENTHS
) -> dict[str, np.ndarray]:
    """Return what the step that plans `beat` hears, as `network.Heard` says, with a batch of 1 in front.

    place: of the planned beat in its bar, from 0. bar: beats of a bar, at most LONGEST_BAR. known: sixteenths of the beat before that
    have been heard.
    """
    places = np.eye(LONGEST_BAR, dtype=np.float32)
    part = np.zeros((SIXTEENTHS, len(HEARD) + 1), np.float32)
    if line.knows(beat - 1):
        part[:known, :-1], part[:known, -1] = line.beat(beat - 1)[:known], 1
    order = np.zeros((LONGEST_BAR, LONGEST_BAR), np.float32)
    order[:bar] = places[(place + np.arange(bar)) % bar]
    rows = {
        "whole": line.beat(beat - 2) if line.knows(beat - 2) else nothing_heard(),
        "whole_place": places[(place - 2) % bar] if line.knows(beat - 2) else np.zeros(LONGEST_BAR, np.float32),
        "part": part,
        "order": order,
        "tempo": np.array([np.log2(tempo_bpm / USUAL_BPM)], np.float32),
    }
    return {name: np.ascontiguousarray(values[None]) for name, values in rows.items()}
