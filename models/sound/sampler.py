"""A grand piano played from recorded single notes, with velocity layers, pedal and dampers.

The recordings (30 pitches, 8 velocity layers) begin with 1 to 44 ms of silence, which is cut so that a note's first
sample is its onset; pitches between them are resampled from the nearest one. Called by `renders`.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from models.sound.performance import HIGHEST_PITCH, LOWEST_PITCH, Performance

NOTE_NAMES = ("C", "Cs", "D", "Ds", "E", "F", "Fs", "G", "Gs", "A", "As", "B")
FIRST_UNDAMPED_PITCH = 90  # the highest strings of a grand carry no dampers


class SampledPiano:
    """The recorded notes at one sample rate, ready to be played. Read-only once built."""

    def __init__(self, folder: Path, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.layers, recordings = _load_recordings(folder)
        self._notes = {
            (pitch, layer): _repitch(recordings, pitch, layer, sample_rate)
            for pitch in range(LOWEST_PITCH, HIGHEST_PITCH + 1)
            for layer in self.layers
        }
        self._level = {
            key: float(np.sqrt(np.mean(note[: sample_rate // 4] ** 2)) + 1e-6) for key, note in self._notes.items()
        }

    def play(self, performance: Performance, seconds: float, rng: np.random.Generator) -> np.ndarray:
        """Return (samples,) float32 mono at the sampler's rate."""
        output = np.zeros(int(seconds * self.sample_rate), np.float32)
        brightness = rng.uniform(-3, 3)  # layers up or down: another voicing of the hammers
        touch = rng.uniform(1.0, 2.2)  # exponent from velocity to amplitude
        damping_seconds = rng.uniform(0.04, 0.14)
        stops = _sounding_until(performance)
        for (onset, _, pitch, velocity), stop in zip(performance.notes, stops, strict=True):
            wanted = velocity / 8 + brightness + rng.normal(0, 0.7)
            layer = min(self.layers, key=lambda candidate: abs(candidate - wanted))
            key = int(pitch), layer
            gain = (
                self._level[int(pitch), self.layers[-1]]
                / self._level[key]
                * (velocity / 127) ** touch
                * 10 ** (rng.normal(0, 1.0) / 20)
            )
            start = round(onset * self.sample_rate)
            note = self._damped(self._notes[key][: max(0, len(output) - start)], stop - onset, pitch, damping_seconds)
            output[start : start + len(note)] += gain * note
        return output

    def _damped(self, note: np.ndarray, held_seconds: float, pitch: float, damping_seconds: float) -> np.ndarray:
        if pitch >= FIRST_UNDAMPED_PITCH:
            return note
        held = int(held_seconds * self.sample_rate)
        constant = damping_seconds * 2 ** ((60 - pitch) / 36) * self.sample_rate  # heavy bass strings stop later
        end = min(len(note), held + int(8 * constant))
        if held >= end:
            return note[:end]
        note = note[:end].copy()
        note[held:] *= np.exp(-np.arange(end - held) / constant).astype(np.float32)
        return note


def _sounding_until(performance: Performance) -> np.ndarray:
    """(notes,) seconds at which each note's damper falls: key release, or pedal up, or its key struck again."""
    stops = performance.notes[:, 1].copy()
    for down, up in performance.pedal:
        held = (stops >= down) & (stops < up)
        stops[held] = up
    next_strike: dict[float, float] = {}
    for index in range(len(stops) - 1, -1, -1):
        onset, _, pitch, _ = performance.notes[index]
        stops[index] = min(stops[index], next_strike.get(pitch, np.inf))
        next_strike[pitch] = onset
    return stops


def _load_recordings(folder: Path) -> tuple[tuple[int, ...], dict[tuple[int, int], tuple[np.ndarray, int]]]:
    import soundfile

    recordings: dict[tuple[int, int], tuple[np.ndarray, int]] = {}
    for path in sorted(folder.glob("*.ogg")):
        match = re.fullmatch(r"([A-G]s?)(\d)v(\d+)", path.stem)
        if match is None:
            continue
        audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
        pitch = NOTE_NAMES.index(match[1]) + 12 * (int(match[2]) + 1)
        mono = audio.mean(1)
        recordings[pitch, int(match[3])] = mono[_onset_index(mono, rate) :], rate
    if not recordings:
        raise FileNotFoundError(f"{folder} holds no recorded notes such as C4v8.ogg")
    return tuple(sorted({layer for _, layer in recordings})), recordings


def _onset_index(audio: np.ndarray, rate: int) -> int:
    """First sample of the note: where the 1 ms envelope first passes a tenth of the attack's peak, less 1 ms."""
    width = rate // 1000
    envelope = np.abs(audio[: len(audio) // width * width].reshape(-1, width)).max(1)
    first = int(np.argmax(envelope > 0.1 * envelope[:250].max()))
    return max(0, first - 1) * width


def _repitch(
    recordings: dict[tuple[int, int], tuple[np.ndarray, int]], pitch: int, layer: int, sample_rate: int
) -> np.ndarray:
    import soxr

    source = min((p for p, recorded in recordings if recorded == layer), key=lambda candidate: abs(candidate - pitch))
    audio, rate = recordings[source, layer]
    note = soxr.resample(audio, rate * 2 ** ((pitch - source) / 12), sample_rate).astype(np.float32)
    fade = min(len(note), sample_rate // 2)  # the recordings stop at 10 s
    note[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    return note
