"""A General MIDI instrument of a sound font, played by the FluidSynth program: a performance becomes samples.

FluidSynth's own reverb and chorus are off; rooms come from `augmentation`. Bends move the pitch wheel. Called by `renders` and
`general`.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import numpy as np

from models.sound.performance import Performance

RENDER_RATE = 32000  # Hz: FluidSynth does not filter before it resamples, so the product's 16 kHz would alias
BEND_RANGE = 2  # semitones at the wheel's ends
BEND_SECONDS = 0.005  # between two places of the wheel; FluidSynth itself moves in blocks of 2 ms


def play_soundfont(performance: Performance, font: Path, program: int, seconds: float) -> np.ndarray:
    """Return (samples,) float32 mono at RENDER_RATE, `seconds` long."""
    import soundfile

    with tempfile.TemporaryDirectory() as folder:
        midi_path, audio_path = Path(folder) / "performance.mid", Path(folder) / "performance.wav"
        _write_midi(performance, program, midi_path)
        command = [
            "fluidsynth",
            "-ni",
            "-q",
            "-R",
            "0",
            "-C",
            "0",
            "-g",
            "0.4",
            "-r",
            str(RENDER_RATE),
            "-o",
            "synth.polyphony=400",
            "-o",
            "synth.dynamic-sample-loading=1",  # reads only the instrument that plays: 1 to 2 s less a render
            "-O",
            "s16",
            "-T",
            "wav",
            "-F",
            str(audio_path),
            str(font),
            str(midi_path),
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        audio, _ = soundfile.read(audio_path, dtype="float32", always_2d=True)
    samples = np.zeros(int(seconds * RENDER_RATE), np.float32)
    length = min(len(samples), len(audio))
    samples[:length] = audio[:length].mean(1)
    return samples


def _write_midi(performance: Performance, program: int, path: Path) -> None:
    import pretty_midi

    midi = pretty_midi.PrettyMIDI(resolution=2000, initial_tempo=120)  # a tick is 0.25 ms
    instrument = pretty_midi.Instrument(program)
    instrument.notes = [pretty_midi.Note(int(v), int(p), float(on), float(off)) for on, off, p, v in performance.notes]
    for down, up in performance.pedal:
        instrument.control_changes += [
            pretty_midi.ControlChange(64, 127, float(down)),
            pretty_midi.ControlChange(64, 0, float(up)),
        ]
    if len(performance.bend):
        instrument.control_changes += [
            pretty_midi.ControlChange(number, value, tick * 0.00025)
            for tick, (number, value) in enumerate(((101, 0), (100, 0), (6, BEND_RANGE)))
        ]
        instrument.pitch_bends = _wheel(performance.bend)
    midi.instruments.append(instrument)
    midi.write(str(path))


def _wheel(bend: np.ndarray) -> list[object]:
    """Return the wheel's steps along (points, 2) seconds and semitones, each set half a step early: steps in the middle."""
    import pretty_midi

    times = np.arange(0, bend[-1, 0] + 2 * BEND_SECONDS, BEND_SECONDS)
    places = np.round(np.interp(times, bend[:, 0], bend[:, 1]) * (8192 / BEND_RANGE)).clip(-8192, 8191).astype(int)
    moved = np.flatnonzero(np.diff(places, prepend=0))
    return [pretty_midi.PitchBend(int(places[i]), max(0.001, float(times[i]) - BEND_SECONDS / 2)) for i in moved]
