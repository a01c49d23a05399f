"""What the drummer learns from: songs with a bass and drums, and drums alone, on the beats they were played to.

A song's notes are placed in beats, so that tempo is a fact about the song and micro-timing is how far a note is from its
sixteenth. Called by training and by the benchmarks; the sources' layouts are known here and nowhere else.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from models.drummer.kit import is_drum
from models.events import DRUM_CHANNEL

Split = Literal["train", "validation", "test"]
SOURCES = ("groove", "multitrack", "band")
BASS_PROGRAMS = range(32, 40)  # General MIDI
FEWEST_NOTES = 24  # of bass and of drums, in a song that is learned from
LONGEST_BEATS = 480  # of a song: what follows repeats
SPLIT = Path(__file__).with_name("split.json")


@dataclass(frozen=True, slots=True)
class Song:
    """One song, or one take of a drummer.

    bass: (notes, 4) float32: place and length in beats, pitch, velocity 1..127; empty where there is none.
    drums: (notes, 3) float32: place in beats, General MIDI drum note, velocity.
    numbers: (beats,) int16: the number in its bar of every beat, from 1; beat 0 is the place 0.
    """

    name: str
    source: str
    style: str
    tempo_bpm: float
    bass: np.ndarray
    drums: np.ndarray
    numbers: np.ndarray
    split: Split


def read_songs(data: Path, source: str, wanted: Callable[[str], bool] = lambda name: True) -> Iterator[Song]:
    """Read the songs of one source from the project's data folder in the order of their names.

    wanted: of a generated band's song, whether it is read.

    Raises:
        ValueError: there is no such source.
        FileNotFoundError: its folder is missing.
    """
    readers: dict[str, Callable[[Path], Iterator[Song]]] = {
        "groove": _groove,
        "multitrack": _multitrack,
        "band": partial(_band, pop909=data / "midi_pop909", wanted=wanted),
    }
    if source not in readers:
        raise ValueError(f"source is '{source}'; allowed: {', '.join(SOURCES)}")
    folder = data / {"groove": "midi_groove", "multitrack": "midi_multitrack", "band": "midi_pop909_band"}[source]
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    yield from readers[source](folder)


def store_songs(songs: list[Song], path: Path) -> None:
    """Write songs to one npz file, under another name first, so that it is whole or missing."""
    arrays: dict[str, np.ndarray] = {}
    for index, song in enumerate(songs):
        arrays |= {f"{index}/{part}": getattr(song, part) for part in ("bass", "drums", "numbers")}
    cards = [[song.name, song.source, song.style, song.tempo_bpm, song.split] for song in songs]
    partial_path = path.with_name(f".{path.name}")
    with partial_path.open("wb") as file:
        np.savez_compressed(file, cards=np.array(json.dumps(cards)), allow_pickle=False, **arrays)
    partial_path.rename(path)


def load_songs(path: Path, split: Split | None = None) -> list[Song]:
    """Read what `store_songs` wrote, of one split if asked."""
    with np.load(path) as stored:
        cards = json.loads(str(stored["cards"]))
        return [
            Song(name, source, style, tempo, *_arrays(stored, index), of)
            for index, (name, source, style, tempo, of) in enumerate(cards)
            if split in (None, of)
        ]


def _arrays(stored: Mapping[str, np.ndarray], index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return stored[f"{index}/bass"], stored[f"{index}/drums"], stored[f"{index}/numbers"]


def _groove(folder: Path) -> Iterator[Song]:
    """Groove MIDI: drums alone, played to a click that begins at 0; the set's own split."""
    with (folder / "info.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        path = folder / row["midi_filename"]
        numerator, denominator = (int(n) for n in row["time_signature"].split("-"))
        if denominator != 4 or not path.exists():
            continue
        tracks, _ = _tracks(path)
        drums = np.concatenate([drums for _, drums, _ in tracks] or [np.zeros((0, 3))])
        split: Split = {"train": "train", "validation": "validation", "test": "test"}[row["split"]]  # type: ignore[assignment]
        style = f"{row['style'].split('/')[0]}/{row['beat_type']}"
        name = path.relative_to(folder).with_suffix("").as_posix()
        yield _song(name, "groove", style, float(row["bpm"]), np.zeros((0, 4)), drums, numerator, split)


def _multitrack(folder: Path) -> Iterator[Song]:
    """Game music: the lowest busy track of a bass program, and channel 10."""
    from mido import KeySignatureError

    held_out = set(json.loads(SPLIT.read_text())["multitrack"])
    for path in sorted(folder.glob("*/*.mid")):
        try:
            tracks, clock = _tracks(path)
        except (OSError, ValueError, EOFError, KeySignatureError):
            continue  # two of the set do not parse
        basses = [bass for bass, _, program in tracks if program in BASS_PROGRAMS and len(bass) >= FEWEST_NOTES]
        drums = np.concatenate([drums for _, drums, _ in tracks] or [np.zeros((0, 3))])
        tempo, numerator, denominator = clock
        if not basses or len(drums) < FEWEST_NOTES or denominator != 4:
            continue
        bass = max(basses, key=len)
        name = path.relative_to(folder).with_suffix("").as_posix()
        split: Split = "validation" if name in held_out else "train"
        yield _song(name, "multitrack", path.parent.name, tempo, bass, drums, numerator, split)


def _band(folder: Path, pop909: Path, wanted: Callable[[str], bool]) -> Iterator[Song]:
    """Generated bands: notes lie in seconds on POP909's beats."""
    first_held_out = json.loads(SPLIT.read_text())["band_from"]
    with (folder / "index.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    for row in rows:
        path = folder / f"{row['song']}_{row['version']}.mid"
        if not wanted(path.stem):
            continue
        beats = np.loadtxt(pop909 / row["song"] / "beat_midi.txt")
        downbeats = np.flatnonzero(beats[:, 2] == 1)
        if not path.exists() or len(downbeats) < 8:
            continue
        tracks, (tempo, _, _) = _tracks(path)
        seconds = 60 / tempo
        basses = [bass for bass, _, program in tracks if program in BASS_PROGRAMS and len(bass) >= FEWEST_NOTES]
        drums = np.concatenate([drums for _, drums, _ in tracks] or [np.zeros((0, 3))])
        if not basses or len(drums) < FEWEST_NOTES:
            continue
        bass = max(basses, key=len)
        for notes in (bass, drums):
            notes[:, 0] = np.interp(notes[:, 0] * seconds, beats[:, 0], np.arange(len(beats)), -1, -1) - downbeats[0]
        bass[:, 1] *= seconds / np.median(np.diff(beats[:, 0]))
        numerator = int(np.bincount(np.diff(downbeats)).argmax())
        split: Split = "validation" if int(row["song"]) >= first_held_out else "train"
        song_tempo = 60 / float(np.median(np.diff(beats[:, 0])))
        yield _song(f"{row['song']}_{row['version']}", "band", row["groove"], song_tempo, bass, drums, numerator, split)


def _song(
    name: str, source: str, style: str, tempo: float, bass: np.ndarray, drums: np.ndarray, numerator: int, split: Split
) -> Song:
    bass, drums = bass[(bass[:, 0] > -0.1)], drums[drums[:, 0] > -0.1]
    drums = drums[[is_drum(int(pitch)) for pitch in drums[:, 1]]] if len(drums) else drums
    end = min(LONGEST_BEATS, max(bass[:, 0].max(initial=0), drums[:, 0].max(initial=0)) + 1)
    beats = int(np.ceil(end / numerator)) * numerator
    kept = [notes[notes[:, 0] < beats][:, :] for notes in (bass, drums)]
    kept = [notes[np.argsort(notes[:, 0], kind="stable")].astype(np.float32) for notes in kept]
    return Song(
        name, source, style, tempo, kept[0], kept[1], (np.arange(beats) % numerator + 1).astype(np.int16), split
    )


Tracks = list[tuple[np.ndarray, np.ndarray, int]]


def _tracks(path: Path) -> tuple[Tracks, tuple[float, int, int]]:
    """Return of every channel of every track its notes, its drum notes and its program; and tempo (median) and time signature.

    Places and lengths are in quarter notes.
    """
    import mido

    midi = mido.MidiFile(path)
    tempi, signatures = [500_000], [(4, 4)]
    out: Tracks = []
    for track in midi.tracks:
        now = 0
        programs: dict[int, int] = {}
        open_notes: dict[tuple[int, int], tuple[int, int]] = {}
        notes: dict[int, list[tuple[float, float, int, int]]] = {}
        for message in track:
            now += message.time
            if message.type == "set_tempo":
                tempi.append(message.tempo)
            elif message.type == "time_signature":
                signatures.append((message.numerator, message.denominator))
            elif message.type == "program_change":
                programs.setdefault(message.channel, message.program)
            elif message.type in ("note_on", "note_off"):
                key = message.channel, message.note
                if key in open_notes:
                    start, velocity = open_notes.pop(key)
                    length = (now - start) / midi.ticks_per_beat
                    notes.setdefault(key[0], []).append((start / midi.ticks_per_beat, length, key[1], velocity))
                if message.type == "note_on" and message.velocity:
                    open_notes[key] = now, message.velocity
        for channel, rows in notes.items():
            array = np.array(rows, float)
            if channel == DRUM_CHANNEL or (midi.type == 0 and len(notes) == 1 and "drum" in track.name.lower()):
                out.append((np.zeros((0, 4)), array[:, [0, 2, 3]], -1))
            else:
                out.append((array, np.zeros((0, 3)), programs.get(channel, 0)))
    tempo = 6e7 / float(np.median(tempi[1:] or tempi))
    return out, (tempo, *signatures[1 if len(signatures) > 1 else 0])
