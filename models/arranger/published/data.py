"""Songs of POP909 become segments of two bars, and segments batches, transposed and masked as a stage has it. Called by `training`.

A segment begins at every bar. Sound is the song's own where there is any, or a render on the same time axis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.arranger.config import BAR, BEATS_A_BAR
from models.arranger.published.config import BEATS, STEPS, STRETCHED_RATE, PublishedConfig
from models.arranger.published.corrections import Corrections
from models.arranger.published.features import segment_spectrum
from models.arranger.published.schedules import Stage
from models.arranger.published.symbols import (
    SHIFT_WEIGHTS,
    SHIFTS,
    chords_of,
    features_of,
    masked,
    moved,
    roll_of,
    tree_of,
)
from models.arranger.songs import Song, read_sections, steps


@dataclass(frozen=True, slots=True)
class Segment:
    """Two bars of a song. seconds: (BEATS + 1,). chords: (BEATS, CHORD). bridge, piano: notes as `symbols` has them; prompt: those of
    both in the two bars that stage 3b is told, empty where the song has not begun."""

    song: str
    seconds: np.ndarray
    chords: np.ndarray
    bridge: np.ndarray
    piano: np.ndarray
    prompt: np.ndarray


@dataclass(frozen=True, slots=True)
class Batch:
    """spectrum: (batch, BANDS, FRAMES). chords: (batch, BEATS, chord_size). tree: (batch, STEPS, slots, 6). roll: (batch, STEPS, PITCHES).
    features: (batch, STEPS, 3)."""

    spectrum: Tensor
    chords: Tensor
    tree: Tensor
    roll: Tensor
    features: Tensor

    def to(self, device: str) -> Batch:
        return Batch(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))


def segments_of(song: Song, corrections: Corrections) -> list[Segment]:
    """Return the segments of all bars but the last."""
    bridge, piano = (steps(notes)[:, :3] for notes in (song.bridge, song.piano))
    ends = np.append(song.beats, 2 * song.beats[-1] - song.beats[-2])
    back = 2 * BAR if corrections.previous_bars else BAR

    def within(notes: np.ndarray, first: int) -> np.ndarray:
        chosen = notes[(notes[:, 0] >= first) & (notes[:, 0] < first + STEPS)]
        return chosen - [first, 0, 0]

    found = []
    for bar in range(song.bars - 1):
        beat, step = bar * BEATS_A_BAR, bar * BAR
        told = within(np.concatenate([bridge, piano]), step - back) if step >= back else bridge[:0]
        seconds, chords = ends[beat : beat + BEATS + 1], song.chords[beat : beat + BEATS]
        found.append(Segment(song.name, seconds, chords, within(bridge, step), within(piano, step), told))
    return found


class Material:
    """Segments and the sound of their songs, of one side of the split.

    sounds: song -> (samples,) at STRETCHED_RATE, 16-bit or float, perhaps mapped from a file.

    Raises:
        ValueError: no song has sound.
    """

    def __init__(self, songs: Sequence[Song], sounds: Mapping[str, np.ndarray], corrections: Corrections) -> None:
        self.sounds, self.corrections = sounds, corrections
        self.segments = [one for song in songs if song.name in sounds for one in segments_of(song, corrections)]
        if not self.segments:
            raise ValueError(f"of {len(songs)} songs none has sound and two bars: there is nothing to learn from")

    def __len__(self) -> int:
        return len(self.segments)

    def batch(self, size: int, stage: Stage, config: PublishedConfig, rng: np.random.Generator) -> Batch:
        """Draw segments, all transposed alike."""
        shift = int(rng.choice(SHIFTS, p=SHIFT_WEIGHTS))
        return self.rows(rng.integers(len(self), size=size), stage, config, rng, shift)

    def rows(
        self,
        numbers: Sequence[int] | np.ndarray,
        stage: Stage,
        config: PublishedConfig,
        rng: np.random.Generator,
        shift: int = 0,
    ) -> Batch:
        """Return the segments of these numbers, higher by semitones."""
        made = [self._row(self.segments[number], stage, config, rng, shift) for number in numbers]
        return Batch(*(torch.from_numpy(np.stack(part)) for part in zip(*made, strict=True)))

    def _row(
        self, one: Segment, stage: Stage, config: PublishedConfig, rng: np.random.Generator, shift: int
    ) -> tuple[np.ndarray, ...]:
        bridge, piano = moved(one.bridge, shift), moved(one.piano, shift)
        roll = roll_of(moved(one.prompt, shift) if stage.symbols == "previous" else piano)
        if stage.symbols == "masked":
            roll = masked(roll, rng, self.corrections)
        heard = (bridge, piano) if self.corrections.moved_bass else (one.bridge, one.piano)
        return (
            segment_spectrum(self.sounds[one.song], STRETCHED_RATE, one.seconds, shift),
            chords_of(one.chords, self.corrections, shift),
            tree_of(bridge, piano, config.slots, self.corrections),
            roll.astype(np.float32),
            features_of(*heard),
        )


def read_songs(root: Path, audio: Path, names: Sequence[str]) -> tuple[list[Song], dict[str, np.ndarray]]:
    """Read songs of POP909 and their own sound: of those of `names` that have sound, the sections in bars of four beats.

    audio: a folder as `models.sound.datasets.pop909` takes it. Without it, material is made of renders instead.
    """
    from models.sound.datasets.conversion import read_audio
    from models.sound.datasets.pop909 import pop909

    songs: list[Song] = []
    sounds: dict[str, np.ndarray] = {}
    for recording in pop909(root, audio=audio):
        if recording.name not in names or recording.audio is None:
            continue
        folder = root / "POP909" if (root / "POP909").is_dir() else root
        sections = read_sections(folder / recording.name)
        if sections:
            songs += sections
            sounds[recording.name] = read_audio(recording.audio, STRETCHED_RATE)
    return songs, sounds
