"""Where the performer's excerpts come from, and on which side of the split each is.

Violin: solo Bach, with the onsets of the pieces trained on refined by `alignment`. Cello and flute: the synthetic phrases of
`phrases`. Any of the three: MusicNet's solo recordings. `split.json` says what is kept aside, by piece, by player, by song
and by cell of pitch and dynamic. `python -m models.performer.sources DATA FOLDER` fills a folder.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, get_args

import numpy as np

from models.performer.alignment import refine_onsets
from models.performer.config import INSTRUMENTS
from models.performer.loudness import ends_of, levels, velocities_of
from models.performer.material import SAMPLE_RATE, Excerpt, Split, load_excerpt, make_excerpts
from models.performer.phrases import Cell, Notes, join, read_samples
from models.performer.pitch_track import track_pitch
from models.sound.datasets.conversion import audio_of, read_audio
from models.sound.datasets.musicnet import musicnet, read_notes
from models.sound.datasets.recording import Recording, has_layout, read_midi
from models.sound.datasets.registry import LAYOUTS
from models.sound.library import FEWEST_NOTES

logger = logging.getLogger(__name__)

SPLIT = Path(__file__).with_name("split.json")
MUSICNET_PROGRAMS = {"violin": 41, "cello": 43, "flute": 74}  # counted from 1
PHRASE_SECONDS = 35.0
PHRASES: dict[Split, int] = {"train": 24, "validation": 3, "test_piece": 4}  # of each instrument
BACH_SHARE = 0.25  # of the phrases whose line is the violin's; the others' are POP909's melodies


def violin_makers(folder: Path) -> dict[str, Callable[[], Excerpt]]:
    """The movements of solo Bach that `split.json` names: PLAYER_PIECE.mp3 or .ogg beside PLAYER_PIECE.mid."""
    split = json.loads(SPLIT.read_text())["violin"]

    def maker(name: str, side: Split) -> Callable[[], Excerpt]:
        return lambda: _movement(folder, name, side)

    return {f"violin_{name}": maker(name, side) for side in get_args(Split) for name in split.get(side, ())}


def _movement(folder: Path, name: str, split: Split) -> Excerpt:
    player, _, piece = name.partition("_")
    sounds = sorted(path for path in folder.glob(f"{name}.*") if path.suffix in (".mp3", ".ogg", ".wav", ".flac"))
    if not sounds:
        raise FileNotFoundError(f"{folder} holds no recording {name}.mp3 or {name}.ogg")
    audio = read_audio(sounds[0], SAMPLE_RATE)
    notes = read_midi(folder / f"{name}.mid").notes
    return as_excerpt(audio, notes, "violin", player, piece, split)


def as_excerpt(audio: np.ndarray, notes: np.ndarray, instrument: str, player: str, piece: str, split: Split) -> Excerpt:
    """Measure audio (samples,) int16 against its notes: onsets, if it is trained on, and pitch."""
    heard = audio.astype(np.float32) / 32768
    if split == "train":
        refined = refine_onsets(heard, SAMPLE_RATE, notes)
        logger.info("%s %s: %s", player, piece, moved(notes, refined))
        notes = refined
    return Excerpt(audio, notes, track_pitch(heard, SAMPLE_RATE, notes), instrument, player, piece, split)


def moved(given: np.ndarray, refined: np.ndarray) -> str:
    """Say how far onsets were moved."""
    shift = 1000 * (np.sort(refined[:, 0]) - np.sort(given[:, 0]))
    some = shift[shift != 0]
    if not len(some):
        return f"none of {len(shift)} onsets moved"
    low, quarter, middle, three, high = np.percentile(some, [5, 25, 50, 75, 95])
    return (
        f"{len(some)} of {len(shift)} onsets moved, by {middle:.1f} ms in the middle "
        f"(quarters {quarter:.1f} and {three:.1f}, 5 % and 95 % {low:.1f} and {high:.1f})"
    )


def musicnet_makers(folder: Path) -> dict[str, Callable[[], Excerpt]]:
    """MusicNet's recordings of one violin, cello or flute alone; velocities are measured, since the set knows none."""
    makers: dict[str, Callable[[], Excerpt]] = {}
    for recording in musicnet(folder):
        if recording.instrument in MUSICNET_PROGRAMS and _alone(folder, recording):
            makers[f"{recording.instrument}_musicnet_{recording.name}"] = _solo_maker(recording)
    return makers


def _alone(folder: Path, recording: Recording) -> bool:
    labels = folder / f"{recording.split}_labels" / f"{recording.name}.csv"
    own = read_notes(labels, MUSICNET_PROGRAMS[recording.instrument])
    return len(own.notes) == len(recording.performance().notes) > 0


def _solo_maker(recording: Recording) -> Callable[[], Excerpt]:
    def make() -> Excerpt:
        audio = read_audio(audio_of(recording), SAMPLE_RATE)
        notes = recording.performance().notes.copy()
        loudness = levels(audio / 32768, SAMPLE_RATE, notes)
        notes[:, 3] = velocities_of(loudness, ends_of(loudness))
        side: Split = "train" if recording.split == "train" else "test_piece"
        return replace(
            as_excerpt(audio, notes, recording.instrument, "musicnet", recording.name, side), piece=recording.piece
        )

    return make


def phrase_makers(
    data: Path, instrument: str, counts: dict[Split, int] | None = None
) -> dict[str, Callable[[], Excerpt]]:
    """Synthetic phrases out of single notes: lines of the side's own songs and movements, see `phrases`.

    The cells of pitch and dynamic that `split.json` keeps for the tests are not heard on the other sides.
    """
    orchestra, apart = data / "notes_philharmonia", json.loads(SPLIT.read_text())
    cells: list[Cell] = [(pitch, dynamic) for pitch, dynamic in apart["test_cells"][instrument]]
    read = cache(lambda: read_samples(orchestra, instrument))  # when a phrase is missing

    def maker(side: Split, number: int) -> Callable[[], Excerpt]:
        def make() -> Excerpt:
            rng = np.random.default_rng([INSTRUMENTS.index(instrument), get_args(Split).index(side), number])
            tested = side == "test_piece"
            notes = Notes(read(), without=() if tested else cells, first=cells if tested else ())
            song, line = _line(data, apart["phrases"], side, rng)
            made = join(line, notes, PHRASE_SECONDS, SAMPLE_RATE, rng)
            audio = np.round(made.audio * 32767).astype(np.int16)
            return Excerpt(audio, made.notes, made.f0, instrument, "philharmonia", song, side)

        return make

    return {
        f"{instrument}_philharmonia_{side}_{number:02d}": maker(side, number)
        for side, count in (counts or PHRASES).items()
        for number in range(count)
    }


def _line(data: Path, sources: dict[str, Any], side: Split, rng: np.random.Generator) -> tuple[str, np.ndarray]:
    """Draw a line that is long enough: the name of its piece, and (notes, 4)."""
    movements, (first, last) = sources["bach"][side], sources["pop909"][side]
    while True:
        if movements and rng.random() < BACH_SHARE:
            name = str(rng.choice(movements))
            path, tracks = data / "perf_violin_bach" / f"{name}.mid", None
        else:
            name = f"{rng.integers(first, last + 1):03d}"
            path, tracks = data / "midi_pop909" / name / f"{name}.mid", ("MELODY",)
        line = read_midi(path, tracks).notes
        if len(line) >= FEWEST_NOTES:
            return f"{'pop909-' if tracks else ''}{name}", line


def prepare(data: Path, folder: Path, threads: int = 1) -> list[Path]:
    """Make all excerpts that the folders of `data` (or `data` itself, if it is MusicNet) have the recordings for."""
    makers: dict[str, Callable[[], Excerpt]] = {}
    if (data / "perf_violin_bach").is_dir():
        makers |= violin_makers(data / "perf_violin_bach")
    if (data / "notes_philharmonia").is_dir():
        for instrument in json.loads(SPLIT.read_text())["test_cells"]:
            makers |= phrase_makers(data, instrument)
    for place in (data, data / "musicnet"):
        if place.is_dir() and has_layout(place, LAYOUTS["musicnet"]):
            makers |= musicnet_makers(place)
    return list(make_excerpts(makers, folder, threads))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for path in prepare(given.data, given.folder, given.threads):
        excerpt = load_excerpt(path)
        logger.info(
            "%s: %s, %.0f s, %d notes, %d points of pitch",
            path.name, excerpt.split, len(excerpt.audio) / SAMPLE_RATE, len(excerpt.notes), len(excerpt.f0),
        )  # fmt: skip


if __name__ == "__main__":
    main()
