"""The cache of rendered performances: numbered, seeded, made in parallel, resumable.

Render `index` of a seed is always the same piece, variation and instrument, so that a cache can be continued or made
again. The audio is dry and in tune only with itself; `augmentation` puts it in a room. Called by training.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.sound.exercises import exercise
from models.sound.performance import HIGHEST_PITCH, LOWEST_PITCH, Performance, excerpt, read_performance, vary
from models.sound.sampler import SampledPiano
from models.sound.soundfont import RENDER_RATE, play_soundfont

SAMPLE_RATE = 16000
TAIL_SECONDS = 1.0  # after the excerpt, for what rings on
# General MIDI programs, counted from 0: pianos first, then what else is struck or plucked
PIANO_PROGRAMS, OTHER_PROGRAMS = (0, 0, 0, 1, 1, 2, 3), (4, 5, 6, 8, 11, 24, 25, 46)


@dataclass(frozen=True, slots=True)
class RenderPlan:
    """What a cache is made from.

    giantmidi, pop909: MIDI files; fonts: sound fonts; salamander: folder of single notes, or None to leave the sampler
    out. `salamander_share` and `pianos_only` say which instruments play; `transposition` moves pieces by semitones.
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


def make_renders(plan: RenderPlan, folder: Path, indices: range, processes: int) -> Iterator[Path]:
    """Make the renders of `indices` that `folder` does not hold yet; yield each path as it is finished."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [index for index in indices if not render_path(folder, index).exists()]
    if not missing:
        return
    if plan.exercise_share < 1 and not (plan.giantmidi and plan.pop909):
        raise FileNotFoundError("there are no MIDI files to play: renders need pieces of GiantMIDI-Piano and of POP909")
    piano = SampledPiano(plan.salamander, SAMPLE_RATE) if plan.salamander else None
    # threads share the sampled notes (0.4 GB); FluidSynth is a process of its own and NumPy lets go of the lock
    with ThreadPoolExecutor(processes) as pool:
        made = [pool.submit(_make_render, plan, folder, index, piano) for index in missing]
        try:
            for future in as_completed(made):
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def render_path(folder: Path, index: int) -> Path:
    return folder / f"render_{index:05d}.npz"


def load_render(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return audio (samples,) int16 at 16 kHz and notes (notes, 4) int32: onset and offset sample, pitch, velocity."""
    with np.load(path) as stored:
        return stored["audio"], stored["notes"]


def _make_render(plan: RenderPlan, folder: Path, index: int, piano: SampledPiano | None) -> Path:
    rng = np.random.default_rng([plan.seed, index])
    performance = _choose_performance(plan, rng)
    audio = _play(plan, performance, rng, piano)
    audio *= 0.5 / (np.abs(audio).max() + 1e-9)
    notes = performance.notes * [SAMPLE_RATE, SAMPLE_RATE, 1, 1]
    path = render_path(folder, index)
    partial = path.with_name(f".{path.name}")
    with partial.open("wb") as file:
        np.savez(file, audio=np.round(audio * 32767).astype(np.int16), notes=np.round(notes).astype(np.int32))
    partial.rename(path)
    return path


def _choose_performance(plan: RenderPlan, rng: np.random.Generator) -> Performance:
    kind = rng.random()
    if kind < plan.exercise_share:
        return exercise(rng, plan.seconds)
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
