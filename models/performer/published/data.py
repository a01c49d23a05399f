"""What the published network is trained on: rolls of the notes, log(1 + power) of the recording, chunks of 5 s that overlap.

Recordings are `performer.material`'s excerpts, those of MusicNet's own layout among them. Frame k of every array is centred on
sample k * hop. Called by `training`; `synthesis` lays out scores with `rolls`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.performer.material import SAMPLE_RATE, Excerpt
from models.performer.published.config import PITCHES, PublishedConfig
from models.performer.published.corrections import Corrections

CHUNK_HOP_SECONDS = {
    "cello": 1.0,
    "violin": 0.5,
    "flute": 0.25,
}  # the rarer the recordings, the more their chunks overlap
VALIDATION_SHARE = 0.1  # of each recording, its end, where no whole recording is there to validate on
RELEASED_VALIDATION_SHARE = 0.2  # of the chunks


@dataclass(frozen=True, slots=True)
class Piece:
    """A recording beside its score. log_power: (bins, frames) float32; pianoroll, on_off: (128, frames) int8."""

    log_power: np.ndarray
    pianoroll: np.ndarray
    on_off: np.ndarray

    @property
    def frames(self) -> int:
        return self.log_power.shape[1]


@dataclass(frozen=True, slots=True)
class Chunks:
    """Places (piece, first frame) of chunks of `frames` frames, cut out when they are asked for."""

    pieces: tuple[Piece, ...]
    places: tuple[tuple[int, int], ...]
    frames: int

    def __len__(self) -> int:
        return len(self.places)

    def batch(self, indices: Sequence[int] | np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        """Return pianoroll, on/off roll (batch, 128, frames) and log power (batch, bins, frames), float32."""
        cut = [self._cut(*self.places[index]) for index in indices]
        rolls, changes, powers = (np.stack(parts).astype(np.float32) for parts in zip(*cut, strict=True))
        return torch.from_numpy(rolls), torch.from_numpy(changes), torch.from_numpy(powers)

    def _cut(self, piece: int, start: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        whole, span = self.pieces[piece], slice(start, start + self.frames)
        return whole.pianoroll[:, span], whole.on_off[:, span], whole.log_power[:, span]


def piece_of(excerpt: Excerpt, config: PublishedConfig, corrections: Corrections) -> Piece:
    """Return an excerpt at the network's rate."""
    import soxr

    audio = soxr.resample(excerpt.audio.astype(np.float32) / 32768, SAMPLE_RATE, config.sample_rate)
    power = log_power(audio, config)
    return Piece(power, *rolls(excerpt.notes, power.shape[1], config.frame_rate, corrections))


def log_power(audio: np.ndarray, config: PublishedConfig) -> np.ndarray:
    """Return (bins, 1 + samples // hop) float32, log(1 + |STFT|^2) of (samples,) float32 audio; Hann window, centred."""
    window = torch.hann_window(config.n_fft)
    spectrum = torch.stft(
        torch.from_numpy(audio), config.n_fft, config.hop, window=window, center=True, pad_mode="constant",
        return_complex=True,
    )  # fmt: skip
    return np.asarray(torch.log1p(spectrum.abs().square()).numpy())


def rolls(notes: np.ndarray, frames: int, frame_rate: float, corrections: Corrections) -> tuple[np.ndarray, np.ndarray]:
    """Return the pianoroll (0 or 1) and the on/off roll (1 where notes begin, -1 where they have ended), (128, frames) int8.

    notes: (notes, 4), onset and offset in seconds, pitch, velocity. A frame sounds if its moment lies in a note.
    """
    sounding = np.zeros((PITCHES, frames + 1), np.int8)
    first, last = np.ceil(notes[:, :2].T * frame_rate - 1e-6).astype(int).reshape(2, -1)
    if corrections.every_onset:
        last = np.maximum(last, first + 1)
    pitches = notes[:, 2].astype(int)
    for pitch, begin, end in zip(pitches, first, last, strict=True):
        sounding[pitch, begin:end] = 1
    changes = np.diff(sounding, axis=1, prepend=0)[:, :frames].astype(np.int8)
    if corrections.every_onset:
        inside = (first >= 0) & (first < frames)
        changes[pitches[inside], first[inside]] = 1
    return sounding[:, :frames], changes


def split_chunks(
    excerpts: Sequence[Excerpt], config: PublishedConfig, corrections: Corrections, seed: int
) -> tuple[Chunks, Chunks]:
    """Cut the excerpts to train on and those to validate on into chunks; excerpts of other splits are left alone.

    Raises:
        ValueError: nothing is long enough to be trained on.
    """
    heard = [excerpt for excerpt in excerpts if excerpt.split == "train"]
    kept = [excerpt for excerpt in excerpts if excerpt.split == "validation"]
    pieces = tuple(piece_of(excerpt, config, corrections) for excerpt in (*heard, *kept))
    hops = [round(CHUNK_HOP_SECONDS[excerpt.instrument] * config.frame_rate) for excerpt in (*heard, *kept)]
    inside = range(len(heard))
    if not corrections.split_by_passage:
        places = [place for index in inside for place in _places(index, 0, pieces[index].frames, hops[index], config)]
        order = np.random.default_rng(seed).permutation(len(places))
        cut = round(RELEASED_VALIDATION_SHARE * len(places))
        training, validation = ([places[i] for i in part] for part in (order[cut:], order[:cut]))
    else:
        ends = [
            piece.frames if kept else round((1 - VALIDATION_SHARE) * piece.frames) for piece in pieces[: len(heard)]
        ]
        training = [place for index in inside for place in _places(index, 0, ends[index], hops[index], config)]
        apart = config.n_fft // config.hop  # frames: windows of neighbours share samples
        spans = [(index, ends[index] + apart) for index in inside] if not kept else []
        spans += [(len(heard) + index, 0) for index in range(len(kept))]
        validation = [
            p for index, begin in spans for p in _places(index, begin, pieces[index].frames, hops[index], config)
        ]
    if not training:
        raise ValueError(f"none of {len(heard)} training excerpts holds {config.frames} frames, a chunk")
    return Chunks(pieces, tuple(training), config.frames), Chunks(pieces, tuple(validation), config.frames)


def _places(piece: int, begin: int, end: int, hop: int, config: PublishedConfig) -> list[tuple[int, int]]:
    return [(piece, start) for start in range(begin, end - config.frames + 1, hop)]
