"""What the arranger's network learns from: for every song what an ear heard on each sixteenth, and what the pianist wrote.

A piece is one hearing of one section of a song, moved to its render's key. All pieces lie one after the other in flat arrays, each with two
empty bars before and after it, so that a window is a slice. For training only.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from models.arranger.config import (
    BAR,
    BEATS_A_BAR,
    CHORD,
    HEARD,
    LOWEST,
    LOWEST_KEY,
    MODES,
    PITCHES,
    ROOTS,
    SIXTEENTHS,
    WINDOW,
)  # fmt: skip
from models.arranger.foresight import AHEAD, MOST_BARS, foreseen, models_of
from models.arranger.moves import cells, move, move_chords, move_heard, move_keys, move_notes, top
from models.arranger.songs import Song, in_beats, read_sections, steps

logger = logging.getLogger(__name__)

AROUND = 2  # empty bars before and after a piece
LOUDEST = 255  # what 1.0 is written as
WITHOUT, WITH, PIANO = 0, 1, 2  # which notes: bridge and piano, the voice too, the piano alone
BASS_SURE, BASS_NOT = 48, 60  # MIDI pitches between which a lowest note becomes less of a bass
ARRAYS = ("heard", "chords", "true_chords", "notes", "line", "bass")


class Batch(NamedTuple):
    """Windows. heard: (windows, WINDOW, HEARD, PITCHES), chords: (windows, beats, CHORD), both 0..1, and true_chords.

    notes, prompt, texture: (windows, WINDOW, SLOTS, 2) int64, keys from 0 in rising order, or -1, and lengths. mode: (windows,
    MODES). line: (windows, WINDOW) int64 key of the melody that begins, or -1. bass: (windows, WINDOW) 0..1.
    """

    heard: np.ndarray
    chords: np.ndarray
    true_chords: np.ndarray
    notes: np.ndarray
    prompt: np.ndarray
    texture: np.ndarray
    mode: np.ndarray
    line: np.ndarray
    bass: np.ndarray


@dataclass(frozen=True, slots=True)
class Material:
    """names: of pieces, SONG_VERSION_SECTION. starts, bars: of each its first bar in the arrays and how many it has.

    heard: (steps, HEARD, PITCHES), chords: (beats, CHORD), both in LOUDEST, true_chords 0 or 1: uint8. notes: (3, steps, SLOTS, 2)
    int8, by WITHOUT, WITH, PIANO. line: (2, steps) int8 by WITHOUT, WITH. bass: (steps,) in LOUDEST, uint8.
    """

    names: tuple[str, ...]
    starts: np.ndarray
    bars: np.ndarray
    heard: np.ndarray
    chords: np.ndarray
    true_chords: np.ndarray
    notes: np.ndarray
    line: np.ndarray
    bass: np.ndarray

    def pieces_of(self, songs: Iterable[str]) -> np.ndarray:
        """Return the numbers of the pieces of some songs."""
        wanted = set(songs)
        return np.array([i for i, name in enumerate(self.names) if name.split("_")[0] in wanted], int)

    def windows(self, pieces: np.ndarray, plan: bool) -> np.ndarray:
        """Return all windows of pieces: (windows, 2) piece and bar n. Following, the first bar written is n; planning, n + 1."""
        rows = [
            np.stack([np.full(n, piece), np.arange(n)], 1) for piece in pieces if (n := self.bars[piece] - plan) > 0
        ]
        return np.concatenate([*rows, np.zeros((0, 2), int)])

    def take(
        self,
        windows: np.ndarray,
        plan: np.ndarray,
        melody: np.ndarray,
        shift: int = 0,
        heard_of: np.ndarray | None = None,
    ) -> Batch:
        """Return windows with the notes that a human wrote; the prompt is what the human wrote before, and there is no texture.

        windows: (windows, 2) piece and bar; following, it and the next bar are heard, and planning, what they may be like after it.
        plan, melody: (windows,) bool. shift: semitones that all is moved by. heard_of: (windows,) pieces that are heard instead, from
        their beginning again where they are shorter.
        """
        plan, melody = plan.astype(int), melody.astype(int)
        heard_of = windows[:, 0] if heard_of is None else heard_of
        bar, first = self.starts[windows[:, 0]] + windows[:, 1], self.starts[heard_of]
        now = first + windows[:, 1] % np.maximum(1, self.bars[heard_of])
        step, beat = np.arange(WINDOW), np.arange(WINDOW // SIXTEENTHS)
        at, before = (((bar + k) * BAR)[:, None] + step for k in (plan, plan - 2))
        heard = self.heard[(now * BAR)[:, None] + step].astype(np.float32)
        chords = self.chords[(now * BEATS_A_BAR)[:, None] + beat].astype(np.float32)
        for i in np.flatnonzero(plan):
            heard[i], chords[i] = self._foreseen(int(first[i]), int(now[i]))
        heard, chords = heard / LOUDEST, chords / LOUDEST
        true = self.true_chords[((bar + plan) * BEATS_A_BAR)[:, None] + beat].astype(np.float32)
        mode = np.zeros((len(windows), len(MODES)), np.float32)
        mode[:, 0], mode[:, 1], mode[:, 2] = plan, melody, windows[:, 1] > 0
        kind = melody[:, None]
        notes, prompt = self.notes[kind, at].astype(np.int64), self.notes[kind, before].astype(np.int64)
        line = self.line[kind, at].astype(np.int64)
        if shift:
            heard, chords, true = move_heard(heard, shift), move_chords(chords, shift), move_chords(true, shift)
            notes, prompt, line = move_notes(notes, shift), move_notes(prompt, shift), move_keys(line, shift)
        texture = np.full_like(notes, -1)
        return Batch(
            heard, chords, true, notes, prompt, texture, mode, line, self.bass[at].astype(np.float32) / LOUDEST
        )

    def _foreseen(self, first: int, now: int) -> tuple[np.ndarray, np.ndarray]:
        """Return what may be heard and its chords in the two bars after bar `now` of the piece that begins at bar `first`, in LOUDEST.

        As live, nothing of the last beat of `now` was heard yet; its chord is that of the beat before.
        """
        begin = min(max(first, now - MOST_BARS + 1), now - AHEAD)  # two empty bars are before the first
        heard = self.heard[begin * BAR : (now + 1) * BAR].reshape(-1, BAR, len(HEARD), PITCHES)
        chords = self.chords[begin * BEATS_A_BAR : (now + 1) * BEATS_A_BAR].astype(np.float32)
        chords = chords.reshape(-1, BEATS_A_BAR, CHORD)
        chords[-1, -1] = chords[-1, -2]
        bars = [*heard[:-1], heard[-1].copy()]
        bars[-1][-SIXTEENTHS:] = 0
        places, shares = models_of(chords)
        soon = foreseen(bars, places, shares).reshape(WINDOW, len(HEARD), PITCHES)
        return soon, foreseen(list(chords), places, shares).reshape(-1, CHORD)

    def piano(self, windows: np.ndarray, plan: np.ndarray, shift: int = 0) -> np.ndarray:
        """Return what the piano alone has where windows are written: (windows, WINDOW, SLOTS, 2) int64."""
        bar = self.starts[windows[:, 0]] + windows[:, 1] + plan.astype(int)
        return move_notes(self.notes[PIANO, (bar * BAR)[:, None] + np.arange(WINDOW)].astype(np.int64), shift)


def piece_of(song: Song, heard: np.ndarray, chords: np.ndarray, shift: int) -> dict[str, np.ndarray]:
    """Return the arrays of one piece with the bars around it; heard (steps, HEARD, PITCHES) and chords (beats, CHORD) as uint8."""
    long = song.bars * BAR
    shifted = {name: move(steps(notes), shift) for name, notes in
               (("voice", song.voice), ("bridge", song.bridge), ("piano", song.piano))}  # fmt: skip
    together = {
        WITHOUT: [shifted["bridge"], shifted["piano"]], WITH: list(shifted.values()), PIANO: [shifted["piano"]],
    }  # fmt: skip
    notes = np.stack([cells(np.concatenate(together[kind]), long) for kind in (WITHOUT, WITH, PIANO)])
    bass = cells(steps(song.piano), long)[:, 0, 0] + LOWEST_KEY  # as the human wrote it, before it is moved
    how = np.where(bass < LOWEST_KEY, 0, np.clip((BASS_NOT - bass) / (BASS_NOT - BASS_SURE), 0, 1))
    line = np.stack([top(shifted["bridge"], long), top(shifted["voice"], long)])
    true = move_chords(song.chords[: song.bars * BEATS_A_BAR], shift)
    arrays = {
        "heard": _long(heard, long), "chords": _long(chords, song.bars * BEATS_A_BAR), "true_chords": true.astype(np.uint8),
        "notes": notes, "line": line, "bass": np.round(how * LOUDEST).astype(np.uint8),
    }  # fmt: skip
    before = {"chords": AROUND * BEATS_A_BAR, "true_chords": AROUND * BEATS_A_BAR}
    out = {}
    for name, values in arrays.items():
        around = before.get(name, AROUND * BAR)
        axis = 1 if name in ("notes", "line") else 0
        pads = [(around, around) if i == axis else (0, 0) for i in range(values.ndim)]
        out[name] = np.pad(values, pads, constant_values=-1 if axis else 0)
    return out


def join(pieces: Sequence[tuple[str, dict[str, np.ndarray]]]) -> Material:
    """Return the material of named pieces."""
    if not pieces:
        raise ValueError("there is no song to learn from")
    arrays = {
        name: np.concatenate([piece[name] for _, piece in pieces], 1 if name in ("notes", "line") else 0)
        for name in ARRAYS
    }
    lengths = np.array([len(piece["bass"]) // BAR for _, piece in pieces])
    starts = np.cumsum(lengths) - lengths + AROUND
    return Material(tuple(name for name, _ in pieces), starts, lengths - 2 * AROUND, **arrays)


def read_material(songs: Path, heard: Path | None, names: Iterable[str], seed: int = 1) -> Material:
    """Read POP909 folders and what an ear heard, heard/SONG_VERSION_SECTION.npz; without a folder of that, hearing is simulated.

    Raises ValueError where nothing is found.
    """
    pieces = []
    for name in names:
        files = sorted(file for file in heard.glob(f"{name}_*_*.npz") if "." not in file.stem) if heard else []
        sections = read_sections(songs / name) if (files or not heard) and (songs / name).is_dir() else []
        if not heard:
            for number, song in enumerate(sections):
                made = simulate(song, np.random.default_rng([seed, int(name), number]))
                pieces.append((f"{name}_0_{number}", piece_of(song, made["heard"], made["chords"], 0)))
        for file in files:
            song = sections[int(file.stem.split("_")[2])]
            with np.load(file) as stored:
                pieces.append((file.stem, piece_of(song, stored["heard"], stored["chords"], int(stored["shift"]))))
    logger.info("%d pieces", len(pieces))
    return join(pieces)


def write_packed(material: Material, folder: Path) -> None:
    """Keep material so that several runs can share it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ARRAYS[:-1]:
        np.save(folder / f"{name}.npy", getattr(material, name))
    np.savez(
        folder / "pieces.npz",
        names=np.array(material.names),
        starts=material.starts,
        bars=material.bars,
        bass=material.bass,
    )


def read_packed(folder: Path) -> Material:
    """Open what `write_packed` wrote; what was heard stays on the disk."""
    with np.load(folder / "pieces.npz") as stored:
        few = {name: stored[name] for name in ("starts", "bars", "bass")}
        names = tuple(str(name) for name in stored["names"])
    return Material(names, **few, **{name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ARRAYS[:-1]})


def simulate(song: Song, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return `heard` and `chords`, uint8, as an ear might: late or missing onsets, some that are not there, all a bit unsure.

    Heard are the voice and the song's band (its notes in beats), or where it has none its chords, struck on every beat.
    """
    long = song.bars * BAR
    band = {name: notes for name, notes in song.band.items() if name != "Drum"} or _plain_band(song)
    sounding = np.zeros((long, len(HEARD), PITCHES), np.float32)
    for name, notes in {"voice": song.voice, **band}.items():
        rows = [0, 1] + ([2, 3] if name == "voice" else [4] if name == "Bass" else [])
        for onset, length, pitch, _ in steps(notes):
            if 0 <= onset < long and 0 <= pitch - LOWEST < PITCHES and rng.random() > 0.15:
                late = onset + int(rng.choice([-1, 0, 0, 0, 0, 0, 0, 1]))
                for row in rows:
                    span = slice(max(0, late), max(0, late) + (1 if HEARD[row].endswith("onset") else length))
                    sounding[span, row, pitch - LOWEST] = rng.uniform(0.4, 1.0)
    false = rng.random(sounding.shape) < 0.003
    sounding[false] = rng.uniform(0.1, 0.7, int(false.sum()))
    sounding = np.clip(sounding + rng.exponential(0.01, sounding.shape), 0, 1)
    chords = song.chords[: song.bars * BEATS_A_BAR] * rng.uniform(0.5, 1.0, (song.bars * BEATS_A_BAR, 1))
    chords = np.clip(chords + rng.exponential(0.03, chords.shape), 0, 1)
    wrong = np.flatnonzero(rng.random(len(chords)) < 0.15)
    chords[wrong] = chords[rng.integers(0, len(chords), len(wrong))]
    return {
        "heard": np.round(sounding * LOUDEST).astype(np.uint8),
        "chords": np.round(chords * LOUDEST).astype(np.uint8),
    }


def with_band(song: Song, band: dict[str, np.ndarray]) -> Song:
    """Return a song with a band whose notes are in seconds."""
    return replace(song, band={name: in_beats(notes, song.beats) for name, notes in band.items()})


def _long(values: np.ndarray, long: int) -> np.ndarray:
    """Return values cut or filled with zeros to a length."""
    return np.pad(values[:long], [(0, max(0, long - len(values)))] + [(0, 0)] * (values.ndim - 1))


def _plain_band(song: Song) -> dict[str, np.ndarray]:
    """Return the chords on every beat above middle C and their bass on every other one, in beats."""
    chords, bass = [], []
    for beat, row in enumerate(song.chords[: song.bars * BEATS_A_BAR]):
        chords += [(beat, beat + 0.9, 60 + tone, 80) for tone in np.flatnonzero(row[ROOTS : ROOTS + 12])]
        if beat % 2 == 0 and row[ROOTS + 12 : CHORD - 1].any():
            bass.append((beat, beat + 1.9, 36 + int(row[ROOTS + 12 : CHORD - 1].argmax()), 80))
    return {"Keys": np.array(chords, float).reshape(-1, 4), "Bass": np.array(bass, float).reshape(-1, 4)}
