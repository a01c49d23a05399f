"""An instrument played from recorded single notes of any layout, one note after another or together, with bends.

A recording is cut to begin at its attack and is moved by at most three semitones. A note shorter than its recording is
released as the instrument would; one that is longer ends, in its label too, where the recording's sound does. Called by
`general`; the piano has its own sampler, with pedal and dampers.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.sound.performance import Performance, tidy
from models.sound.sampler import NOTE_NAMES

FARTHEST_SEMITONES = 3
DYNAMICS = {
    "molto-pianissimo": 0.1, "pianissimo": 0.2, "piano": 0.35, "mezzo-piano": 0.5, "mezzo-forte": 0.65, "forte": 0.8,
    "fortissimo": 0.95,
}  # fmt: skip
BASS_DYNAMICS = {"pp": 0.2, "p": 0.4, "f": 0.7, "ff": 0.9, "vl1": 0.1, "vl2": 0.3, "vl3": 0.5, "vl4": 0.7, "vl5": 0.9}


@dataclass(frozen=True, slots=True)
class Recording:
    """One note: audio (samples,) float32 from its attack on, measured pitch, dynamic 0..1, and how long it sounds."""

    audio: np.ndarray
    sample_rate: int
    pitch: float
    dynamic: float
    sounding_seconds: float


class SingleNotes:
    """An instrument made of recordings at one sample rate. Read-only once built."""

    def __init__(self, recordings: Iterable[Recording], *, release_seconds: tuple[float, float]) -> None:
        self.recordings = tuple(recordings)
        if not self.recordings:
            raise FileNotFoundError("there are no recorded notes to play")
        if len({recording.sample_rate for recording in self.recordings}) > 1:
            raise ValueError("an instrument's recordings differ in sample rate")
        self.sample_rate = self.recordings[0].sample_rate
        self.release_seconds = release_seconds
        self._pitches = np.array([recording.pitch for recording in self.recordings])
        self._dynamics = np.array([recording.dynamic for recording in self.recordings])
        self._sounding = np.array([recording.sounding_seconds for recording in self.recordings])
        self.lowest, self.highest = int(np.ceil(self._pitches.min() - 1)), int(np.floor(self._pitches.max() + 1))

    def play(
        self, performance: Performance, seconds: float, rng: np.random.Generator
    ) -> tuple[np.ndarray, Performance]:
        """Return (samples,) float32 at the instrument's rate, and what was played: notes end where their sound does.

        Notes that no recording is near enough to are left out of both.
        """
        output = np.zeros(int(seconds * self.sample_rate), np.float32)
        touch, release = rng.uniform(0.5, 1.6), rng.uniform(*self.release_seconds)
        intonation = rng.uniform(0, 0.06)
        played = []
        for onset, offset, pitch, velocity in performance.notes:
            recording = self._choose(pitch, velocity / 127, offset - onset, rng)
            if recording is None:
                continue
            steps = pitch - recording.pitch + rng.normal(0, intonation)
            length = min(offset - onset, recording.sounding_seconds / 2 ** (steps / 12))
            note = self._note(recording, performance.bend, onset, steps, length, release)
            first = round(onset * self.sample_rate)
            note = note[: max(0, len(output) - first)]
            output[first : first + len(note)] += (velocity / 127) ** touch * note
            played.append((onset, onset + length, pitch, velocity))
        return output, Performance(tidy(np.array(played, float).reshape(-1, 4)), np.zeros((0, 2)), performance.bend)

    def _choose(self, pitch: float, dynamic: float, length: float, rng: np.random.Generator) -> Recording | None:
        away = np.abs(self._pitches - pitch)
        cost = 0.3 * away + 3 * np.abs(self._dynamics - dynamic) + np.maximum(length - self._sounding, 0)
        cost = np.where(away <= FARTHEST_SEMITONES, cost + rng.uniform(0, 0.5, len(cost)), np.inf)
        best = int(np.argmin(cost))
        return self.recordings[best] if np.isfinite(cost[best]) else None

    def _note(
        self, recording: Recording, bend: np.ndarray, onset: float, steps: float, length: float, release: float
    ) -> np.ndarray:
        time = np.arange(int((length + 6 * release) * self.sample_rate)) / self.sample_rate
        moved = steps + (np.interp(onset + time, bend[:, 0], bend[:, 1]) if len(bend) else np.zeros(len(time)))
        place = np.concatenate([[0], np.cumsum(2 ** (moved[:-1] / 12))])
        place = place[place < len(recording.audio) - 1]
        note = np.interp(place, np.arange(len(recording.audio)), recording.audio)
        note *= np.exp(-np.maximum(time[: len(place)] - length, 0) / release)
        return note.astype(np.float32)


def read_orchestra(folder: Path, instrument: str) -> SingleNotes:
    """Read one instrument of the Philharmonia Orchestra's notes, whose pitches were measured into index.csv."""
    with (folder / "index.csv").open(newline="") as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if row["instrument"] == instrument
            and row["pitch_ok"] == "True"
            and row["dynamic"] in DYNAMICS
            and row["articulation"] in ("normal", "arco-normal")
        ]
    return SingleNotes(
        (
            read_note(folder / instrument / row["file"], float(row["midi_measured"]), DYNAMICS[row["dynamic"]])
            for row in rows
        ),
        release_seconds=(0.015, 0.06),
    )


def read_bass(folder: Path) -> SingleNotes:
    """Read an electric bass: a2_f_rr1.ogg is A1 (33) loud, its file names being an octave high; c2_vl3.ogg likewise."""
    recordings = []
    for path in sorted(folder.glob("*.ogg")):
        name, _, rest = path.stem.removeprefix("killer_bass_").partition("_")
        dynamic = rest.split("_")[0]
        if dynamic in BASS_DYNAMICS:
            recordings.append(read_note(path, _pitch(name), BASS_DYNAMICS[dynamic]))
    return SingleNotes(recordings, release_seconds=(0.02, 0.08))


def read_note(path: Path, pitch: float, dynamic: float) -> Recording:
    """Read a note and cut it to begin 1 ms before its level first passes a tenth of its attack's."""
    import soundfile

    audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return cut(audio.mean(1), rate, pitch, dynamic)


def cut(audio: np.ndarray, rate: int, pitch: float, dynamic: float) -> Recording:
    """Cut (samples,) to its sound, at the same level as any other: its loudest quarter of a second has a level of 0.1."""
    width = rate // 1000
    envelope = np.abs(audio[: len(audio) // width * width].reshape(-1, width)).max(1)
    loud = envelope > 0.1 * envelope.max()
    begin = int(np.argmax(loud))
    attack = envelope[begin : begin + 250].max()
    begin = max(0, int(np.argmax(envelope > 0.1 * attack)) - 1)
    end = len(envelope) - int(np.argmax(loud[::-1]))
    sound = audio[begin * width :].copy()
    energy = np.concatenate([[0], np.cumsum(sound.astype(float) ** 2)])
    span = min(len(sound), rate // 4)
    sound *= np.float32(0.1 / (np.sqrt((energy[span:] - energy[:-span]).max() / span) + 1e-9))
    sound[:width] *= np.linspace(0, 1, width, dtype=np.float32)
    fade = min(len(sound), 20 * width)
    sound[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    return Recording(sound, rate, pitch, dynamic, max(1, end - begin) * width / rate)


def _pitch(name: str) -> int:
    """'eb3' -> 39, C4 being 48 here: these files' octaves are one too high."""
    letter, flat, octave = name[0].upper(), "b" in name[1:-1], int(name[-1])
    return NOTE_NAMES.index(letter) - flat + 12 * octave
