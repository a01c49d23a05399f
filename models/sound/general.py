"""The general transcriber's cache: any pitched instrument playing what suits it, in tune or not, straight or bent.

A render strings passages together, each with its own piece, tempo and articulation, on one instrument: of a sound font,
of recorded single notes, or an oscillator. A fifth of them are `renders`' pianos. Called by training.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from models.sound.bends import with_bends
from models.sound.instruments import (
    BENT_MANNERS,
    BENT_SHARE,
    DRIVEN_PROGRAMS,
    DRIVEN_SHARE,
    HARP_PROGRAM,
    INSTRUMENTS,
    ORCHESTRA,
    OSCILLATOR_SHARE,
    PEDAL_SHARE,
    RECORDED_SHARE,
    SHARES,
    Instrument,
)
from models.sound.library import Library
from models.sound.oscillator import OSCILLATOR_RATE, play_oscillator
from models.sound.passages import string_passages
from models.sound.performance import Performance, invented_pedal
from models.sound.renders import SAMPLE_RATE, TAIL_SECONDS, Render, RenderPlan, as_render
from models.sound.single_notes import SingleNotes, read_bass, read_orchestra
from models.sound.soundfont import RENDER_RATE, play_soundfont

TRAINING_SECONDS, VALIDATION_SECONDS = 60.0, 20.0


@dataclass(frozen=True, slots=True)
class GeneralPlan:
    """A cache of all instruments.

    piano: how pianos are rendered; its fonts, seed and seconds are everyone's. orchestra: folder of the Philharmonia
    Orchestra's notes or None; basses: folders of electric bass notes. groups: taken in turn; None draws them by SHARES.
    fonts_only: leave the oscillator out.
    """

    piano: RenderPlan
    library: Library
    orchestra: Path | None = None
    basses: tuple[Path, ...] = ()
    groups: tuple[str, ...] | None = None
    fonts_only: bool = False

    def group(self, index: int) -> str:
        if self.groups:
            return self.groups[index % len(self.groups)]
        return str(np.random.default_rng([self.piano.seed, index, 1]).choice(list(SHARES), p=list(SHARES.values())))

    def player(self) -> Callable[[int], Render]:
        """Load the recorded notes; return what makes a render from its index."""
        missing = [name for name in ("pop909", "band", "multitrack", "giantmidi") if not getattr(self.library, name)]
        if missing:
            raise FileNotFoundError(
                f"there are no MIDI files of {', '.join(missing)}: other instruments play from them"
            )
        recorded: dict[str, list[SingleNotes]] = {"bass": [read_bass(folder) for folder in self.basses]}
        if self.orchestra is not None:
            for name, group in ORCHESTRA.items():
                recorded.setdefault(group, []).append(read_orchestra(self.orchestra, name))
        play_piano = self.piano.player() if "piano" in (self.groups or SHARES) else None

        def play(index: int) -> Render:
            group = self.group(index)
            if group == "piano" and play_piano is not None:
                return replace(play_piano(index), group=group)
            return _render(self, group, np.random.default_rng([self.piano.seed, index, 2]), recorded.get(group, []))

        return play


def general_plans(
    data: Path, seed: int, fonts: tuple[Path, ...], validation_font: Path
) -> tuple[GeneralPlan, GeneralPlan]:
    """Return the plans of training and of validation for the folders of `data`; the pieces of each never meet."""
    split = json.loads(Path(__file__).with_name("general_split.json").read_text())
    pop909 = sorted((data / "midi_pop909").glob("[0-9]*/*.mid"))
    band = sorted((data / "midi_pop909_band").glob("[0-9]*.mid"))
    multitrack = [
        path
        for path in sorted((data / "midi_multitrack").glob("*/*.mid"))
        if path.stem not in split["unreadable_multitrack"]
    ]
    giantmidi = sorted((data / "midi_giantmidi56").glob("*.mid"))

    def side(validation: bool) -> Library:
        return Library(
            tuple(p for p in pop909 if (int(p.stem) > split["last_training_pop909"]) == validation),
            tuple(p for p in band if (int(p.stem[:3]) > split["last_training_pop909"]) == validation),
            tuple(p for p in multitrack if (p.stem in split["validation_multitrack"]) == validation),
            tuple(p for p in giantmidi if (p.stem in split["validation_giantmidi"]) == validation),
        )

    heard, held = side(False), side(True)
    salamander = data / "notes_salamander_piano"
    basses = data / "notes_electric_bass", data / "notes_electric_bass2"
    pianos = RenderPlan(heard.giantmidi, heard.pop909, fonts, salamander, seed, TRAINING_SECONDS)
    held_pianos = RenderPlan(held.giantmidi, held.pop909, (validation_font,), None, seed + 1, VALIDATION_SECONDS)
    others = tuple(group for group in INSTRUMENTS if group != "plucked")
    return (
        GeneralPlan(pianos, heard, data / "notes_philharmonia", basses),
        GeneralPlan(held_pianos, held, groups=others, fonts_only=True),
    )


@dataclass(frozen=True, slots=True)
class _Cast:
    """Who plays: an instrument of a font, or one with recorded notes, or one that is an oscillator of this shape."""

    instrument: Instrument
    recorded: SingleNotes | None = None
    shape: str = ""


def _render(plan: GeneralPlan, group: str, rng: np.random.Generator, recorded: list[SingleNotes]) -> Render:
    cast = _cast(plan, group, rng, recorded)
    instrument, seconds = cast.instrument, plan.piano.seconds
    manner = instrument.manners[int(rng.integers(len(instrument.manners)))]
    notes = string_passages(plan.library, instrument, manner, seconds, rng)
    pedal = np.zeros((0, 2))
    if (group == "mallets" or instrument.program == HARP_PROGRAM) and rng.random() < PEDAL_SHARE:
        pedal = np.clip(invented_pedal(rng, seconds), 0, seconds)
        pedal = pedal[pedal[:, 1] > pedal[:, 0]]
    performance = Performance(notes, pedal)
    if instrument.bends and manner in BENT_MANNERS and rng.random() < BENT_SHARE:
        performance = with_bends(performance, rng, upward=instrument.upward)
    audio, performance = _play(plan, cast, performance, rng)
    return as_render(audio, performance, group)


def _cast(plan: GeneralPlan, group: str, rng: np.random.Generator, recorded: list[SingleNotes]) -> _Cast:
    family = INSTRUMENTS[group]
    instrument = family[int(rng.integers(len(family)))]
    kind = rng.random()
    if recorded and kind < RECORDED_SHARE[group]:
        notes = recorded[int(rng.integers(len(recorded)))]
        manners = ("bass", "bass", "line", "drill") if group == "bass" else ("line", "line", "drill")
        return _Cast(Instrument(-1, notes.lowest, notes.highest, 1, manners, True, group == "bass"), notes)
    if kind < OSCILLATOR_SHARE.get(group, 0) and not plan.fonts_only:
        lowest, highest = (41, 81) if group == "voice" else (36, 96)
        soloist = Instrument(-1, lowest, highest, manners=("line", "line", "line", "drill"), bends=True)
        return _Cast(soloist, shape="voice" if group == "voice" else "lead")
    return _Cast(instrument)


def _play(
    plan: GeneralPlan, cast: _Cast, performance: Performance, rng: np.random.Generator
) -> tuple[np.ndarray, Performance]:
    """Return (samples,) float32 at SAMPLE_RATE and the performance as it sounds.

    Played at another pace, and sometimes transposed, then resampled back: its tuning, and another size of the instrument.
    """
    import soxr

    instrument, notes = cast.instrument, performance.notes
    ratio = 2 ** (rng.uniform(-0.3, 0.3) / 12)
    steps = int(rng.integers(-3, 4)) if rng.random() < 0.3 and not cast.shape and cast.recorded is None else 0
    if len(notes):
        steps = int(np.clip(steps, notes[:, 2].max() - instrument.highest, notes[:, 2].min() - instrument.lowest))
    ratio *= 2 ** (steps / 12)
    moved = performance.at_pace(ratio)
    played = replace(moved, notes=moved.notes - [0, 0, steps, 0])
    seconds = (plan.piano.seconds + TAIL_SECONDS) * ratio
    if cast.recorded is not None:
        audio, sounded = cast.recorded.play(played, seconds, rng)
        rate, performance = cast.recorded.sample_rate, sounded.at_pace(1 / ratio)
    elif cast.shape:
        shape = "voice" if cast.shape == "voice" else None
        audio, rate = play_oscillator(played, seconds, rng, shape), OSCILLATOR_RATE
    else:
        font = plan.piano.fonts[int(rng.integers(len(plan.piano.fonts)))]
        audio, rate = play_soundfont(played, font, instrument.program, seconds), RENDER_RATE
    if instrument.program in DRIVEN_PROGRAMS and rng.random() < DRIVEN_SHARE:
        audio = np.tanh(np.exp(rng.uniform(0.5, 3)) * audio / (np.abs(audio).max() + 1e-9))
    return soxr.resample(audio, rate * ratio, SAMPLE_RATE).astype(np.float32), performance
