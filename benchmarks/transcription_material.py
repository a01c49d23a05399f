"""Material whose notes are known exactly: held-out pieces on an unseen instrument, and signals made to catch a transcriber out.

    PYTHONPATH=. python benchmarks/transcription_material.py --data DATA --output DIR

DATA holds `midi_giantmidi56` and `midi_pop909`; the pieces are those that models/transcriber/split.json keeps from
training, played by its validation font through FluidSynth. DIR gets dry/, room/, restrike/, drift/ (each audio/NAME.flac
and ref/NAME.mid, the pedal in the reference too) and noise/audio. All is 48 kHz and follows from the seed.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks.record import ROOT
from benchmarks.transcription_signals import NOISES
from models.events import ControlChange, Event, NoteOff, NoteOn, time_order
from models.sound.augmentation import record
from models.sound.performance import Performance, excerpt, read_performance, vary
from models.sound.soundfont import RENDER_RATE, play_soundfont
from server.audio.file import write_audio
from server.evaluation import TICKS
from server.midi.file import write_midi

SPLIT = ROOT / "models" / "transcriber" / "split.json"
FONTS = Path("/usr/share/sounds/sf2")  # where Debian puts them
RATE = 48_000
PROGRAM = 0  # General MIDI's grand piano
PIECE_SECONDS, MINUTE, MINUTES = 30.0, 60.0, 10
REST_SECONDS = 1.5  # after the last note of a piece, for what rings on
PEAK = 0.5
GAPS_MS = (60, 80, 120, 200)
PITCHES = (28, 36, 43, 50, 57, 64, 71, 78, 85, 92, 99)  # one every fifth or so, E1 to D#7
VELOCITIES = (35, 70, 105)
PAIR_SECONDS = 1.6  # from one pair of strikes to the next: long enough for the last to have gone
RELEASED = 0.6  # of the gap, when the key is up again
FULL, UP = 127, 0
Piece: TypeAlias = tuple[Path, tuple[str, ...] | None]  # a MIDI file, and which of its tracks where not all


def make(data: Path, output: Path, seed: int, pieces: int) -> None:
    """Make all material."""
    split = json.loads(SPLIT.read_text(encoding="utf-8"))
    font = FONTS / split["validation_font"]
    if not font.exists():
        raise FileNotFoundError(f"there is no {font}; its Debian package installs it")
    held_out: list[Piece] = [
        (data / "midi_giantmidi56" / f"{name}.mid", None) for name in split["validation_giantmidi"]
    ]
    held_out += [(data / "midi_pop909" / name / f"{name}.mid", ("PIANO",)) for name in split["validation_pop909"]]
    for index in range(pieces):
        rng = np.random.default_rng([seed, index])
        path, tracks = held_out[index % len(held_out)]
        part = _excerpt(path, tracks, PIECE_SECONDS, rng)
        name = f"{index:02d}_{path.stem[:24]}"
        dry = _play(part, font, PIECE_SECONDS)
        _keep(output / "dry", name, part, dry)
        _keep(output / "room", name, part, record(dry, RATE, rng))
    for name, part, seconds in restrikes():
        _keep(output / "restrike", name, part, _play(part, font, seconds))
    long = ten_minutes(held_out, np.random.default_rng([seed, 1000]))
    _keep(output / "drift", "ten_minutes", long, _play(long, font, MINUTES * MINUTE))
    for place, (name, noise) in enumerate(NOISES.items()):
        samples = noise(round(MINUTE * RATE), RATE, np.random.default_rng([seed, 2000, place]))
        _write(output / "noise" / "audio" / f"{name}.flac", samples)


def restrikes() -> Iterator[tuple[str, Performance, float]]:
    """Yield (name, performance, seconds): a pitch struck twice, over gaps, registers and velocities, without and with pedal."""
    starts = 0.5 + PAIR_SECONDS * np.arange(len(PITCHES) * len(VELOCITIES))
    seconds = float(starts[-1] + PAIR_SECONDS)
    for gap_ms in GAPS_MS:
        gap = gap_ms / 1000
        strikes = zip(starts, ((p, v) for v in VELOCITIES for p in PITCHES), strict=True)
        notes = [(on, on + RELEASED * gap, p, v) for start, (p, v) in strikes for on in (start, start + gap)]
        pressed = np.stack([starts - 0.1, starts + gap + 0.8], 1)
        yield f"{gap_ms}ms_keys", Performance(np.array(notes), np.zeros((0, 2))), seconds
        yield f"{gap_ms}ms_pedal", Performance(np.array(notes), pressed), seconds


def ten_minutes(held_out: Sequence[Piece], rng: np.random.Generator) -> Performance:
    """Return ten minutes of playing whose last minute is its first again, so that only time differs between them."""
    parts = [_excerpt(*held_out[i % len(held_out)], MINUTE, rng) for i in range(MINUTES - 1)]
    parts.append(parts[0])
    starts = MINUTE * np.arange(MINUTES)
    notes = [part.notes + np.array([start, start, 0, 0]) for start, part in zip(starts, parts, strict=True)]
    pedal = [part.pedal + start for start, part in zip(starts, parts, strict=True)]
    return Performance(np.concatenate(notes), np.concatenate(pedal))


def events_of(part: Performance) -> list[Event]:
    """Return notes and pedal as events in time order, places in units of 1 / TICKS s."""
    events: list[Event] = []
    for onset, offset, pitch, velocity in part.notes:
        events.append(NoteOn(round(onset * TICKS), int(pitch), int(velocity)))
        events.append(NoteOff(round(offset * TICKS), int(pitch)))
    for down, up in part.pedal:
        events.append(ControlChange(round(down * TICKS), 64, FULL))
        events.append(ControlChange(round(up * TICKS), 64, UP))
    return sorted(events, key=time_order)


def _excerpt(path: Path, tracks: tuple[str, ...] | None, seconds: float, rng: np.random.Generator) -> Performance:
    """Cut a piece at random; a mechanical one (with `tracks`) is played as a person would."""
    whole = read_performance(path, tracks)
    if tracks is not None:
        whole = vary(whole, rng, mechanical=True, transposition=(0, 0))
    last = float(whole.notes[:, 1].max()) - seconds
    return excerpt(whole, float(rng.uniform(0, max(0.0, last))), seconds)


def _play(part: Performance, font: Path, seconds: float) -> NDArray[np.float32]:
    import soxr

    dry = soxr.resample(play_soundfont(part, font, PROGRAM, seconds + REST_SECONDS), RENDER_RATE, RATE)
    return np.asarray(PEAK * dry / np.abs(dry).max(), np.float32)


def _keep(folder: Path, name: str, part: Performance, samples: NDArray[np.float32]) -> None:
    (folder / "ref").mkdir(parents=True, exist_ok=True)
    write_midi(folder / "ref" / f"{name}.mid", events_of(part), TICKS, name)
    _write(folder / "audio" / f"{name}.flac", samples)


def _write(path: Path, samples: NDArray[np.float32]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_audio(path, samples[None], RATE)


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Material whose notes are known exactly.")
    parser.add_argument("--data", type=Path, required=True, metavar="DATA")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pieces", type=int, default=10, metavar="N", help="excerpts of 30 s (default 10)")
    chosen = parser.parse_args(words)
    make(chosen.data, chosen.output, chosen.seed, chosen.pieces)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
