"""What end_to_end plays: struck notes and chords whose every onset is known to the sample.

    make_material(seconds, find_font()) -> Material

Six groups take turns: single notes below E2, in the middle and above, chords of two, four and six. A piano of a sound font
plays them, or one that is made up where there is none. FluidSynth begins a note in blocks of 2 ms, and not all keys sound at
once, so each strike is cut out of what was rendered and laid so that its first audible sample is the onset.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.transcription_material import FONTS, PROGRAM, SPLIT
from models.sound.modelled_piano import ModelledPiano
from models.sound.performance import Performance
from models.sound.soundfont import RENDER_RATE, play_soundfont

RATE = 48_000
APART = 25_609  # samples from strike to strike, 533.5 ms and a prime: onsets fall at ever other places of block, hop and rolling window
HELD_SECONDS = 0.35
LEAD, TAIL = RATE, 3 * RATE // 2  # samples before the first onset, and from the last one to the end
SINGLE = {"below E2": (28, 39), "middle": (48, 72), "high": (77, 100)}  # lowest and highest pitch
CHORDS = {"2 notes": 2, "4 notes": 4, "6 notes": 6}
CHORD_RANGE = (43, 86)
GROUPS = (*SINGLE, *CHORDS)
LEAST_INTERVAL = 3  # semitones within a chord
REST_STRIKES = 4  # a pitch rests for so many strikes, 2 s, so that a late answer is nobody else's
VELOCITIES = (50, 105)
PEAK = 0.5
EVERY_SECONDS, BEFORE_SECONDS, CUT_SECONDS = 2.0, 0.01, 1.5  # strikes as rendered: how far apart, and what is cut out
MODELLED_RATE = 24_000  # Hz: the most at which a made-up hammer's time fits into a block of its modes
AUDIBLE = 0.003  # of the strike's peak, -50 dB: where it begins
FADE = 480  # samples at the end of a cut


@dataclass(frozen=True, slots=True)
class Strike:
    """Keys struck together. frame: of the onset, counted from the first sample played."""

    frame: int
    pitches: tuple[int, ...]
    velocity: int
    group: str


@dataclass(frozen=True, slots=True)
class Material:
    """sound: (samples,) float32 at RATE. played_by: the font's name, or that the piano is made up."""

    sound: NDArray[np.float32]
    strikes: tuple[Strike, ...]
    played_by: str


def find_font() -> Path | None:
    """Return the sound font that the transcriber's training kept apart; None where it cannot be played here."""
    font = FONTS / str(json.loads(SPLIT.read_text(encoding="utf-8"))["validation_font"])
    playable = shutil.which("fluidsynth") and all(map(find_spec, ("pretty_midi", "soxr", "soundfile")))
    return font if playable and font.is_file() else None


def make_material(seconds: float, font: Path | None, seed: int = 1) -> Material:
    """Return about `seconds` of strikes; with one seed, always the same. At least one strike of every group."""
    strikes = make_strikes(max(len(GROUPS), round((seconds * RATE - LEAD - TAIL) / APART)), seed)
    frames = strikes[-1].frame + TAIL
    starts = [EVERY_SECONDS * (1 + number) for number in range(len(strikes))]
    sound = _lay(strikes, frames, _render(strikes, starts, font, seed), starts)
    played_by = "modelled piano" if font is None else font.name
    return Material((PEAK / np.abs(sound).max() * sound).astype(np.float32), tuple(strikes), played_by)


def make_strikes(count: int, seed: int) -> list[Strike]:
    """Return `count` strikes, the groups in turn."""
    rng, strikes = np.random.default_rng(seed), list[Strike]()
    for number in range(count):
        group = GROUPS[number % len(GROUPS)]
        used = {pitch for strike in strikes[-REST_STRIKES:] for pitch in strike.pitches}
        pitches = _pitches(group, used, rng)
        strikes.append(Strike(LEAD + number * APART, pitches, int(rng.integers(*VELOCITIES, endpoint=True)), group))
    return strikes


def _pitches(group: str, used: set[int], rng: np.random.Generator) -> tuple[int, ...]:
    """Draw the pitches of one strike, none of them in `used`."""
    low, high = SINGLE.get(group, CHORD_RANGE)
    wanted, chosen = CHORDS.get(group, 1), list[int]()
    while len(chosen) < wanted:
        free = [p for p in range(low, high + 1) if p not in used and all(abs(p - c) >= LEAST_INTERVAL for c in chosen)]
        chosen = [*chosen, int(rng.choice(free))] if free else []
    return tuple(sorted(chosen))


def _render(strikes: Sequence[Strike], starts: Sequence[float], font: Path | None, seed: int) -> NDArray[np.float32]:
    """Return (samples,) at RATE: each strike at its start, in seconds."""
    import soxr

    notes = [
        (start, start + HELD_SECONDS, pitch, strike.velocity)
        for strike, start in zip(strikes, starts, strict=True)
        for pitch in strike.pitches
    ]
    performance, seconds = Performance(np.array(notes, float), np.zeros((0, 2))), starts[-1] + CUT_SECONDS
    if font is not None:
        return np.asarray(soxr.resample(play_soundfont(performance, font, PROGRAM, seconds), RENDER_RATE, RATE))
    piano = ModelledPiano(np.random.default_rng([seed, 1]), MODELLED_RATE)
    played = piano.play(performance, seconds, np.random.default_rng([seed, 2]))
    return np.asarray(soxr.resample(played, MODELLED_RATE, RATE))


def _lay(
    strikes: Sequence[Strike], frames: int, rendered: NDArray[np.float32], starts: Sequence[float]
) -> NDArray[np.float32]:
    """Return (frames,) with every strike where it belongs."""
    sound = np.zeros(frames, np.float32)
    for strike, start in zip(strikes, starts, strict=True):
        cut = rendered[round((start - BEFORE_SECONDS) * RATE) :][: round(CUT_SECONDS * RATE)]
        cut = cut[np.argmax(np.abs(cut) > AUDIBLE * np.abs(cut).max()) :][: frames - strike.frame].copy()
        cut[-FADE:] *= np.linspace(1, 0, FADE, dtype=np.float32)
        sound[strike.frame : strike.frame + cut.size] += cut
    return sound
