"""Songs as sound: a POP909 voice and its generated band by a General MIDI font, in a room, as spectra with labels. For training only.

Every render has instruments, levels, key, tuning and room of its own, all drawn from its seed.
"""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from models.arranger.config import SAMPLE_RATE
from models.arranger.songs import Song, notes_of
from models.arranger.spectrum import CEILING_DB, FLOOR_DB, spectra
from models.sound.augmentation import record
from models.sound.soundfont import RENDER_RATE

VOICES = (52, 53, 54, 85, 65, 66, 64, 73, 71, 40, 56, 68, 80, 81, 22, 26, 4, 0)
COMPINGS = (0, 0, 1, 4, 5, 16, 24, 24, 25, 25, 26, 27, 28, 48, 50, 88, 89, 11, 46, 6)
BASSES = (32, 33, 33, 34, 35, 36, 38, 39)
KITS = (0, 0, 8, 16, 24, 25, 32)
DRUM_CHANNEL, VOICE_CHANNEL, BASS_CHANNEL = 9, 0, 1
LEVELS = 255


def read_band(path: Path) -> dict[str, np.ndarray]:
    """Return the notes of a band's parts by their names, in seconds: (notes, 4); the drums are named Drum."""
    import pretty_midi

    midi = pretty_midi.PrettyMIDI(str(path))
    return {("Drum" if one.is_drum else one.name): notes_of(one) for one in midi.instruments if one.notes}


@dataclass(frozen=True, slots=True)
class Sounding:
    """A song as it sounds. audio: (samples,) float32 at SAMPLE_RATE. ratio: of its times to the song's. shift: its transposition.

    parts: the sounding notes of each, in seconds of the song, transposed.
    """

    audio: np.ndarray
    ratio: float
    shift: int
    parts: dict[str, np.ndarray]


def render(
    song: Song, band: dict[str, np.ndarray], voice: np.ndarray, font: Path, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Return spectra, the times' ratio, the transposition, and the sounding notes of each part, in seconds of the render.

    voice: (notes, 4) in seconds.
    """
    made = sound(band, voice, font, rng)
    seen = spectra(made.audio)
    coded = np.round((seen - FLOOR_DB) / (CEILING_DB - FLOOR_DB) * LEVELS).astype(np.uint8)
    stored = {"spectra": coded, "ratio": np.array(made.ratio), "shift": np.array(made.shift)}
    for name, notes in made.parts.items():
        stored[f"part {name}"] = (notes * [made.ratio, made.ratio, 1, 1]).astype(np.float32)
    return stored


def sound(band: dict[str, np.ndarray], voice: np.ndarray, font: Path, rng: np.random.Generator) -> Sounding:
    """Play a voice and its band, both in seconds."""
    import soxr

    shift, tuning = int(rng.integers(-5, 7)), float(2 ** (rng.uniform(-0.4, 0.4) / 12))
    ratio = 1 / tuning  # what is higher is shorter
    parts = {"voice": voice, **band}
    if rng.random() < 0.1:
        del parts["voice"]
    if rng.random() < 0.1:
        parts.pop("Drum", None)
    moved = {}
    for name, notes in parts.items():
        moved[name] = notes + np.array([0, 0, 0 if name == "Drum" else shift, 0])
        if name == "voice" and rng.random() < 0.2:
            moved[name] = moved[name] - np.array([0, 0, 12, 0])
        if name != "Drum":
            moved[name] = moved[name][(moved[name][:, 2] >= 0) & (moved[name][:, 2] < 128)]
    audio = _play(moved, font, rng)
    audio = soxr.resample(audio, RENDER_RATE * tuning, SAMPLE_RATE).astype(np.float32)
    return Sounding(record(audio, SAMPLE_RATE, rng), ratio, shift, moved)


def _play(parts: dict[str, np.ndarray], font: Path, rng: np.random.Generator) -> np.ndarray:
    """Return (samples,) at RENDER_RATE."""
    import mido
    import soundfile

    midi = mido.MidiFile(ticks_per_beat=1000)
    channels = iter([2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15])
    track = mido.MidiTrack()
    events: list[tuple[int, int, mido.Message]] = []
    for name, notes in parts.items():
        if name == "Drum":
            channel, program, level = DRUM_CHANNEL, int(rng.choice(KITS)), rng.integers(50, 120)
        elif name == "voice":
            channel, program, level = VOICE_CHANNEL, int(rng.choice(VOICES)), rng.integers(85, 127)
        elif name == "Bass":
            channel, program, level = BASS_CHANNEL, int(rng.choice(BASSES)), rng.integers(65, 120)
        else:
            channel, program, level = next(channels), int(rng.choice(COMPINGS)), rng.integers(35, 110)
        events.append((0, 0, mido.Message("program_change", channel=channel, program=program)))
        events.append((0, 0, mido.Message("control_change", channel=channel, control=7, value=int(level))))
        for on, off, pitch, velocity in notes:
            first = round(on * 2000)
            events.append(
                (first, 2, mido.Message("note_on", channel=channel, note=int(pitch), velocity=int(max(1, velocity))))
            )
            events.append(
                (max(first + 20, round(off * 2000)), 1, mido.Message("note_off", channel=channel, note=int(pitch)))
            )
    now = 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        track.append(message.copy(time=tick - now))
        now = tick
    midi.tracks.append(track)
    with tempfile.TemporaryDirectory() as folder:
        score, sound = Path(folder) / "song.mid", Path(folder) / "song.wav"
        midi.save(score)
        words = ["fluidsynth", "-ni", "-q", "-R", "0", "-C", "0", "-g", "0.3", "-r", str(RENDER_RATE)]
        words += [
            "-o",
            "synth.dynamic-sample-loading=1",
            "-O",
            "s16",
            "-T",
            "wav",
            "-F",
            str(sound),
            str(font),
            str(score),
        ]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        audio, _ = soundfile.read(sound, dtype="float32", always_2d=True)
    return audio.mean(1)


def placed(song: Song, ratio: float) -> Song:
    """Return a song with its beats where they are in a render."""
    return replace(song, beats=song.beats * ratio)
