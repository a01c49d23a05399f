"""The cache of rendered performances: numbered, seeded, made in parallel, resumable.

Render `index` of a plan is always the same piece, variation and instrument, so that a cache can be continued or made
again. The audio is dry and in tune only with itself; `augmentation` puts it in a room. Here is the piano's own plan;
`general` plans the other instruments. Called by training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from models.sound.exercises import Exercise, exercise
from models.sound.modelled_piano import ModelledPiano
from models.sound.performance import HIGHEST_PITCH, LOWEST_PITCH, Performance, excerpt, read_performance, vary
from models.sound.sampler import SampledPiano
from models.sound.soundfont import RENDER_RATE, play_soundfont

SAMPLE_RATE = 16000
TAIL_SECONDS = 1.0  # after the excerpt, for what rings on
# General MIDI programs, counted from 0: pianos first, then what else is struck or plucked
PIANO_PROGRAMS, OTHER_PROGRAMS = (0, 0, 0, 1, 1, 2, 3), (4, 5, 6, 8, 11, 24, 25, 46)


def _nothing() -> np.ndarray:
    return np.zeros((0, 2), np.int32)


@dataclass(frozen=True, slots=True)
class Render:
    """What was played and how it sounds, on the clock of SAMPLE_RATE.

    audio: (samples,) int16; notes: (notes, 4) int32: onset and offset sample, pitch, velocity; pedal: (spans, 2) int32:
    samples at which it goes down and up; bend: (points, 2) float32: sample, and semitones away from the written pitch,
    linear in between, empty where nothing bends; group: the family of the instrument, "" if it is not told.
    """

    audio: np.ndarray
    notes: np.ndarray
    pedal: np.ndarray = field(default_factory=_nothing)
    bend: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), np.float32))
    group: str = ""


class Plan(Protocol):
    """What a cache is made from: it names the group of a render, and opens the instruments that play it."""

    def group(self, index: int) -> str: ...

    def player(self) -> Callable[[int], Render]: ...


@dataclass(frozen=True, slots=True)
class RenderPlan:
    """A cache of pianos.

    giantmidi, pop909: MIDI files; fonts: sound fonts; salamander: folder of single notes, or None to leave the sampler
    out; exercises: the kinds of them, all if None. `modelled_share` is that of pianos that are made up, another for every
    render; of the other renders `salamander_share` and `pianos_only` say which instruments play. `transposition` moves
    pieces by semitones.
    """

    giantmidi: tuple[Path, ...]
    pop909: tuple[Path, ...]
    fonts: tuple[Path, ...]
    salamander: Path | None
    seed: int
    seconds: float = 60.0
    salamander_share: float = 0.55
    exercise_share: float = 0.2
    pianos_only: bool = False
    transposition: tuple[int, int] = (-6, 6)
    exercises: tuple[Exercise, ...] | None = None
    modelled_share: float = 0.0

    def group(self, index: int) -> str:
        return ""

    def player(self) -> Callable[[int], Render]:
        """Load the sampled notes; return what makes a render from its index."""
        if self.exercise_share < 1 and not (self.giantmidi and self.pop909):
            raise FileNotFoundError(
                "there are no MIDI files to play: renders need pieces of GiantMIDI-Piano and of POP909"
            )
        piano = SampledPiano(self.salamander, SAMPLE_RATE) if self.salamander else None

        def play(index: int) -> Render:
            rng = np.random.default_rng([self.seed, index])
            performance = _choose_performance(self, rng)
            if self.modelled_share and rng.random() < self.modelled_share:
                audio = ModelledPiano(rng, SAMPLE_RATE).play(performance, self.seconds + TAIL_SECONDS, rng)
                return as_render(audio, performance)
            return as_render(_play(self, performance, rng, piano), performance)

        return play


def make_renders(plan: Plan, folder: Path, indices: range, processes: int) -> Iterator[Path]:
    """Make the renders of `indices` that `folder` does not hold yet; yield each path as it is finished."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {index: render_path(folder, index, plan.group(index)) for index in indices}
    missing = {index: path for index, path in paths.items() if not path.exists()}
    if not missing:
        return
    play = plan.player()
    # threads share the sampled notes (0.4 GB); FluidSynth is a process of its own and NumPy lets go of the lock
    with ThreadPoolExecutor(processes) as pool:
        made = [pool.submit(_make_render, play, path, index) for index, path in missing.items()]
        try:
            for future in as_completed(made):
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def render_path(folder: Path, index: int, group: str = "") -> Path:
    return folder / f"render_{index:05d}{group and '_'}{group}.npz"


def load_render(path: Path) -> Render:
    """Read a render; one that was stored before pedals and bends were has none."""
    with np.load(path) as stored:
        given = {name: stored[name] for name in ("pedal", "bend") if name in stored}
        group = str(stored["group"]) if "group" in stored else ""
        return Render(stored["audio"], stored["notes"], group=group, **given)


def store_render(render: Render, path: Path) -> None:
    """Write under another name first, so that a file is whole or missing."""
    partial = path.with_name(f".{path.name}")
    with partial.open("wb") as file:
        np.savez(file, audio=render.audio, notes=render.notes, pedal=render.pedal, bend=render.bend, group=render.group)
    partial.rename(path)


def as_render(audio: np.ndarray, performance: Performance, group: str = "") -> Render:
    """Bring audio (samples,) float32 at SAMPLE_RATE to a peak of 0.5, and times to samples."""
    audio = audio * (0.5 / (np.abs(audio).max() + 1e-9))
    bend = performance.bend * [SAMPLE_RATE, 1]
    bend[:, 0] = np.round(bend[:, 0])
    return Render(
        np.round(audio * 32767).astype(np.int16),
        np.round(performance.notes * [SAMPLE_RATE, SAMPLE_RATE, 1, 1]).astype(np.int32),
        np.round(performance.pedal * SAMPLE_RATE).astype(np.int32),
        bend.astype(np.float32),
        group,
    )


def _make_render(play: Callable[[int], Render], path: Path, index: int) -> Path:
    store_render(play(index), path)
    return path


def _choose_performance(plan: RenderPlan, rng: np.random.Generator) -> Performance:
    kind = rng.random()
    if kind < plan.exercise_share:
        return exercise(rng, plan.seconds, plan.exercises)
    expressive = kind < plan.exercise_share + 0.7 * (1 - plan.exercise_share)
    paths = plan.giantmidi if expressive else plan.pop909
    path = paths[int(rng.integers(len(paths)))]
    tracks = None if expressive or rng.random() < 0.3 else ("PIANO",)
    whole = vary(read_performance(path, tracks), rng, mechanical=not expressive, transposition=plan.transposition)
    end = whole.notes[:, 1].max(initial=0)
    return excerpt(whole, float(rng.uniform(0, max(0.0, end - plan.seconds))), plan.seconds)


def _play(
    plan: RenderPlan, performance: Performance, rng: np.random.Generator, piano: SampledPiano | None
) -> np.ndarray:
    """Play transposed and at another pace, then resample back: another size of the instrument, and its tuning."""
    steps = int(rng.integers(-4, 5)) if rng.random() < 0.6 else 0
    if len(performance.notes):
        steps = int(
            np.clip(steps, performance.notes[:, 2].max() - HIGHEST_PITCH, performance.notes[:, 2].min() - LOWEST_PITCH)
        )
    ratio = 2 ** ((steps + rng.uniform(-0.2, 0.2)) / 12)
    played = Performance(performance.notes * [ratio, ratio, 1, 1] - [0, 0, steps, 0], performance.pedal * ratio)
    seconds = (plan.seconds + TAIL_SECONDS) * ratio
    if piano is not None and rng.random() < plan.salamander_share:
        audio, rate = piano.play(played, seconds, rng), piano.sample_rate
    else:
        font = plan.fonts[int(rng.integers(len(plan.fonts)))]
        programs = PIANO_PROGRAMS if plan.pianos_only or rng.random() < 0.75 else OTHER_PROGRAMS
        audio, rate = play_soundfont(played, font, int(rng.choice(programs)), seconds), RENDER_RATE
    import soxr

    return soxr.resample(audio, rate * ratio, SAMPLE_RATE).astype(np.float32)
