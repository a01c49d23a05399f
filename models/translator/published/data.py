"""What the published network is trained on: frames of one instrument, or of two or three at once, with their symbols.

Mixtures are drawn anew for every batch, so that in time every combination is heard. Called by `training`, `baseline` and
`separation`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.translator.notes import DYNAMICS, OCTAVES, PITCH_CLASSES, Note, Side, on_side
from models.translator.published.corrections import Corrections
from models.translator.published.features import FLOOR, Frames, Statistics, frames_of_notes, logarithms
from models.translator.published.vocabulary import SILENT, Label, Vocabulary, notes_vocabulary

RELEASED_VALIDATION_SHARE = 0.2  # of the frames
RESTING_SHARE = 0.08  # of a source's examples
LOUDEST_REST = 3e-3  # magnitude of the faintest noise that is not taken for silence, at the highest band
STATISTICS_EXAMPLES = 2048
LOWEST_PITCH = 12  # octave 0 begins


@dataclass(frozen=True, slots=True)
class Source:
    """What one source may sound like. frames: of its notes; symbols: (frames, columns) float32, nan where unknown."""

    frames: Frames
    symbols: np.ndarray
    silent: np.ndarray  # the row that says it rests

    def __getitem__(self, rows: np.ndarray) -> Source:
        return Source(self.frames[rows], self.symbols[rows], self.silent)


@dataclass(frozen=True, slots=True)
class Material:
    """Sources that sound together, one in each place, and how their sum is made and normalised.

    united: all sources are named in one row, as the pitches of one polyphonic instrument; else each in columns of its own.
    """

    sources: tuple[Source, ...]
    vocabulary: Vocabulary
    statistics: Statistics
    corrections: Corrections
    united: bool = False

    def __len__(self) -> int:
        """Frames of the source that has the most."""
        return max(len(source.frames) for source in self.sources)

    def batch(self, size: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Return (size, bands) normalised spectra and (size, columns) symbols, both float32."""
        rows = [rng.integers(len(source.frames), size=size) for source in self.sources]
        rests = np.stack([rng.random(size) < RESTING_SHARE * self.corrections.silence_heard for _ in self.sources])
        symbols = [
            np.where(rest[:, None], source.silent, source.symbols[row])
            for source, row, rest in zip(self.sources, rows, rests, strict=True)
        ]
        spectra = self.statistics.normalised(self._logarithms(rows, rests, rng))
        named = np.max(symbols, 0) if self.united else np.concatenate(symbols, 1)
        return torch.from_numpy(spectra), torch.from_numpy(named.astype(np.float32))

    def with_statistics(self, rng: np.random.Generator) -> Material:
        """Return the same with the mean and range of what it sounds like; as released, of its first source alone."""
        material = self
        if not self.corrections.own_statistics:
            material = replace(self, sources=self.sources[:1])
        rows = [rng.integers(len(source.frames), size=STATISTICS_EXAMPLES) for source in material.sources]
        rests = np.zeros((len(rows), STATISTICS_EXAMPLES), bool)
        single = Statistics.of(material._logarithms(rows, rests, rng))
        return replace(self, statistics=single)

    def _logarithms(self, rows: Sequence[np.ndarray], rests: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(sources, examples) rows and rests -> (examples, bands): of a sum of sounds; as released, a sum of them."""
        drawn = [source.frames[row] for source, row in zip(self.sources, rows, strict=True)]
        if len(drawn) > 1 and not self.corrections.signal_mixing:
            parts = [self.statistics.normalised(logarithms(frames.magnitudes, self.corrections)) for frames in drawn]
            return np.sum(parts, 0) * self.statistics.span + self.statistics.mean
        sound = faint_noise(drawn[0].coefficients.shape, rng) if rests.any() else 0.0
        shares = np.zeros(drawn[0].shares.shape, np.float32)
        for frames, rest in zip(drawn, rests, strict=True):
            turned = np.exp(2j * np.pi * rng.random((len(rest), 1, 1))).astype(np.complex64)  # when it began
            sound = sound + np.where(rest[:, None, None], 0, turned * frames.coefficients)
            shares += frames.shares / len(drawn)
        return logarithms((np.abs(sound) * shares[:, :, None]).sum(1), self.corrections)


def faint_noise(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Return complex64 coefficients (examples, 2, bands) of noise from nothing up to what is barely heard."""
    level = np.exp(rng.uniform(np.log(FLOOR / 10), np.log(LOUDEST_REST), (shape[0], 1, 1)))
    tilt = np.linspace(-1, 0, shape[2]) * rng.uniform(-2, 5, (shape[0], 1, 1))  # nepers towards the lowest band
    parts = rng.normal(0, np.sqrt(0.5), (2, *shape))
    return np.asarray(level * np.exp(tilt) * (parts[0] + 1j * parts[1]), np.complex64)


def source_of(notes: Sequence[Note], vocabulary: Vocabulary, folder: Path | None = None) -> Source:
    """Return the frames of notes, named by this vocabulary's groups. Raises ValueError where the notes give no frame."""
    frames = frames_of_notes(notes, folder)
    if not len(frames):
        raise ValueError(f"{len(notes)} notes give no frame: they are missing, silent or over at once")
    rows = np.stack([vocabulary.row(_labels(note, vocabulary)) for note in notes])
    resting = {g.name: () if g.several else SILENT if SILENT in g.classes else None for g in vocabulary.groups}
    return Source(frames, rows[frames.note], vocabulary.row(resting))


def split_materials(
    notes: Sequence[Note],
    instruments: Sequence[str],
    corrections: Corrections,
    seed: int,
    folder: Path | None = None,
) -> tuple[Material, Material]:
    """Return the material to train on and that to validate on: one source for each instrument, in this order.

    Notes of the sides `test` and `other` are never heard, but as released, where the split is of frames and all notes but
    those of other sources are on both sides.
    """
    rng = np.random.default_rng(seed)
    empty = Material((), notes_vocabulary(len(instruments)), Statistics(0.0, 1.0), corrections)
    if corrections.split_by_note:
        training = on_one_side(empty, notes, instruments, "train", folder).with_statistics(rng)
        return training, on_one_side(training, notes, instruments, "validation", folder)
    heard, kept = [], []
    for instrument in instruments:
        own = [n for n in notes if n.instrument == instrument and n.side != "other" and n.in_tune]
        whole = source_of(own, notes_vocabulary(), folder)
        order = rng.permutation(len(whole.frames))
        cut = round(RELEASED_VALIDATION_SHARE * len(order))
        heard.append(whole[order[cut:]])
        kept.append(whole[order[:cut]])
    training = replace(empty, sources=tuple(heard)).with_statistics(rng)
    return training, replace(training, sources=tuple(kept))


def on_one_side(
    like: Material, notes: Sequence[Note], instruments: Sequence[str], side: Side, folder: Path | None = None
) -> Material:
    """Return the material of one side of the split, mixed and normalised as `like`."""
    parts = [[note for note in notes if note.instrument == instrument] for instrument in instruments]
    return replace(like, sources=tuple(source_of(on_side(own, side), notes_vocabulary(), folder) for own in parts))


def _labels(note: Note, vocabulary: Vocabulary) -> dict[str, Label]:
    """What the groups of a vocabulary say of a note: its symbols, or its user's own labels."""
    said: dict[str, Label] = {"dynamics": note.dynamic if note.dynamic in DYNAMICS else None}
    if note.pitch >= LOWEST_PITCH:
        pitch_class, octave, _ = note.symbols
        said |= {"octave": str(OCTAVES[octave]), "pitch": PITCH_CLASSES[pitch_class], "pitches": (str(note.pitch),)}
    for group in vocabulary.groups:
        if group.name in note.labels:
            cell = note.labels[group.name]
            said[group.name] = (tuple(cell.split("|")) if group.several else cell) if cell else None
    return {group.name: said.get(group.name) for group in vocabulary.groups}
