"""What the published network hears: MIDI rendered by one sound font, and crops of two seconds out of the renders.

Stands in for the MAESTRO set's MIDI: GiantMIDI-Piano and POP909, split by piece (`split.json`). A performance is
rendered once, 60 s of it, and crops are cut out of it; their transforms are made once. `struck_anew` makes crops the
release's other way: each is rendered alone, and notes that sound on from before it are struck at its first sample.
Called by `training` and `validation`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.sound.performance import Performance, excerpt, read_performance, vary
from models.sound.soundfont import RENDER_RATE, play_soundfont
from models.transcriber.published.corrections import Corrections
from models.transcriber.published.features import (
    CROP_FRAMES,
    CROP_SAMPLES,
    CROP_SECONDS,
    ROWS,
    SAMPLE_RATE,
    constant_q,
)  # fmt: skip

logger = logging.getLogger(__name__)

FONT_FOLDER = Path("/usr/share/sounds/sf2")
FONT, UNSEEN_FONT = "FluidR3_GM.sf2", "TimGM6mb.sf2"
RENDER_SECONDS = 60.0
PUBLISHED_GAIN = 0.5  # of `play_soundfont`'s, which is twice the paper's FluidSynth gain of 0.2
EXPRESSIVE_SHARE = 0.7  # of the renders: GiantMIDI-Piano; the rest is POP909, given human timing and a pedal
GAP_SECONDS = 3.0  # between crops struck anew, to ring out
SEEDS = {"training": 0, "validation": 1, "test": 2}


@dataclass(frozen=True, slots=True)
class Part:
    """One side of the split: its pieces, how many renders are made of them and how many crops are cut out of each."""

    name: str
    expressive: tuple[Path, ...]
    mechanical: tuple[Path, ...]
    renders: int
    crops: int


@dataclass(frozen=True, slots=True)
class Crops:
    """magnitudes: (crops, ROWS, CROP_FRAMES) float16; notes: of each crop, (notes, 4), seconds from its start."""

    magnitudes: np.ndarray
    notes: tuple[np.ndarray, ...]


def parts(data: Path) -> dict[str, Part]:
    """Return training, validation and test pieces of `data`, with the paper's 137 and 177 crops of the latter two."""
    split = json.loads((Path(__file__).parents[1] / "split.json").read_text())
    giantmidi = sorted((data / "midi_giantmidi56").glob("*.mid"))
    pop909 = sorted((data / "midi_pop909").glob("[0-9]*/*.mid"))
    if not (giantmidi and pop909):
        raise FileNotFoundError(f"{data} holds no midi_giantmidi56 and midi_pop909 to play")
    kept = [path for path in giantmidi if path.stem in split["validation_giantmidi"]]
    songs = [path for path in pop909 if path.stem in split["validation_pop909"]]
    known = tuple(path for path in giantmidi if path not in kept)
    known_songs = tuple(path for path in pop909 if int(path.stem) <= split["last_training_pop909"])
    return {
        "training": Part("training", known, known_songs, renders=90, crops=4500),
        "validation": Part("validation", tuple(kept[0::2]), tuple(songs[0::2]), renders=12, crops=137),
        "test": Part("test", tuple(kept[1::2]), tuple(songs[1::2]), renders=12, crops=177),
    }


def render(part: Part, index: int, font: str, seed: int, folder: Path) -> tuple[np.ndarray, Performance]:
    """Return render `index` of a part: (samples,) float32 at SAMPLE_RATE and what it plays; made once, then read."""
    path = folder / f"{part.name}_{Path(font).stem}_{seed}_{index:03d}.npz"
    if not path.exists():
        performance = _choose(part, index, seed)
        audio = _play(performance, RENDER_SECONDS, font)
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}")
        with partial.open("wb") as file:
            stored = np.round(np.clip(audio, -1, 1) * 32767).astype(np.int16)
            np.savez(file, audio=stored, notes=performance.notes, pedal=performance.pedal)
        partial.rename(path)
    with np.load(path) as stored_render:
        audio = stored_render["audio"].astype(np.float32) / 32767
        return audio, Performance(stored_render["notes"], stored_render["pedal"])


def cut_crops(part: Part, font: str, seed: int, count: int, corrections: Corrections, folder: Path) -> Crops:
    """Cut `count` crops at seeded places out of the part's renders, the same ones for every font and transform."""
    starts = _starts(part, seed, count)
    played = [render(part, index, font, seed, folder)[1].notes for index in range(part.renders)]
    notes = tuple(sounding_notes(played[crop % part.renders], start / SAMPLE_RATE) for crop, start in enumerate(starts))

    def transform() -> np.ndarray:
        magnitudes = np.zeros((count, ROWS, CROP_FRAMES), np.float16)
        for index in range(part.renders):
            audio, _ = render(part, index, font, seed, folder)
            for crop in range(index, count, part.renders):
                magnitudes[crop] = constant_q(audio[starts[crop] : starts[crop] + CROP_SAMPLES], corrections)
            if index % 20 == 19:
                logger.info("%s: crops of %d of %d renders are made", part.name, index + 1, part.renders)
        return magnitudes

    return Crops(_kept(folder / f"{_name(part, font, seed, corrections)}_{count}.npy", transform), notes)


def struck_anew(part: Part, font: str, seed: int, corrections: Corrections, folder: Path) -> Crops:
    """The part's crops at the same places, each rendered alone with what sounds on from before struck at its start."""
    notes, struck, pedal = [], [], []
    for crop, begin in enumerate(_starts(part, seed, part.crops) / SAMPLE_RATE):
        _, performance = render(part, crop % part.renders, font, seed, folder)
        inside = sounding_notes(performance.notes, begin)
        inside[:, :2] = np.clip(inside[:, :2], 0, CROP_SECONDS)
        notes.append(inside)
        spans = np.clip(performance.pedal - begin, 0, CROP_SECONDS)
        place = crop * (CROP_SECONDS + GAP_SECONDS)
        struck.append(np.add(inside, [place, place, 0, 0]))
        pedal.append(spans[spans[:, 1] > spans[:, 0]] + place)

    def transform() -> np.ndarray:
        whole = Performance(np.concatenate(struck), np.concatenate(pedal))
        audio = _play(whole, part.crops * (CROP_SECONDS + GAP_SECONDS), font)
        spacing = int((CROP_SECONDS + GAP_SECONDS) * SAMPLE_RATE)
        pieces = [audio[crop * spacing :][:CROP_SAMPLES] for crop in range(part.crops)]
        return np.stack([constant_q(piece, corrections) for piece in pieces]).astype(np.float16)

    return Crops(_kept(folder / f"{_name(part, font, seed, corrections)}_struck.npy", transform), tuple(notes))


def sounding_notes(notes: np.ndarray, begin: float) -> np.ndarray:
    """Return the notes (notes, 4) whose keys are down in the crop at `begin` seconds, on its own time axis."""
    inside = notes[(notes[:, 1] > begin) & (notes[:, 0] < begin + CROP_SECONDS)].copy()
    inside[:, :2] -= begin
    return inside


def _choose(part: Part, index: int, seed: int) -> Performance:
    """The pieces in turn; training pieces transposed and paced anew, those of validation and test as they were played."""
    rng = np.random.default_rng([seed, SEEDS[part.name], 0, index])
    expressive = round(EXPRESSIVE_SHARE * part.renders)
    mechanical = index >= expressive
    paths = part.mechanical if mechanical else part.expressive
    number = index - expressive if mechanical else index
    path = paths[int(rng.integers(len(paths)))] if part.renders < len(paths) else paths[number % len(paths)]
    whole = read_performance(path, ("PIANO",) if mechanical else None)
    if mechanical or part.name == "training":
        reach = (-6, 6) if part.name == "training" else (0, 0)
        whole = vary(whole, rng, mechanical=mechanical, transposition=reach)
    last = max(0.0, float(whole.notes[:, 1].max(initial=0)) - RENDER_SECONDS)
    return excerpt(whole, float(rng.uniform(0, last)), RENDER_SECONDS)


def _play(performance: Performance, seconds: float, font: str) -> np.ndarray:
    """Return (samples,) float32 at SAMPLE_RATE of the font's first piano."""
    import soxr

    path = FONT_FOLDER / font
    if not path.exists():
        raise FileNotFoundError(f"there is no sound font {path}; its Debian package installs it")
    played = play_soundfont(performance, path, 0, seconds)
    audio = soxr.resample(PUBLISHED_GAIN * played, RENDER_RATE, SAMPLE_RATE).astype(np.float32)
    return np.pad(audio, (0, max(0, int(seconds * SAMPLE_RATE) - len(audio))))


def _starts(part: Part, seed: int, count: int) -> np.ndarray:
    """First samples of crops; crop k lies in render k modulo their number."""
    places = np.random.default_rng([seed, SEEDS[part.name], 1])
    return places.integers(0, int(RENDER_SECONDS * SAMPLE_RATE) - CROP_SAMPLES, count)


def _name(part: Part, font: str, seed: int, corrections: Corrections) -> str:
    return f"{part.name}_{Path(font).stem}_{seed}_{'a0' if corrections.aligned_rows else 'c1'}"


def _kept(path: Path, make: Callable[[], np.ndarray]) -> np.ndarray:
    """Read an array, or make and keep it."""
    if not path.exists():
        partial = path.with_name(f".{path.name}")
        np.save(partial, make())
        partial.rename(path)
    return np.load(path)
