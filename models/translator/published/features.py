"""Notes to what the published network hears: frames of a note's stationary part, and the normalised logarithm of their magnitudes.

A frame is kept as the coefficients it lies between, so that sounds can still be added before the magnitude. Notes' frames are
made once and kept in a folder. Called by `data` and `listening`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np

from models.translator.notes import Note, read_audio
from models.translator.published.config import FIRST_FRAME, LAST_FRAME, SAMPLE_RATE, SIGNAL_SAMPLES
from models.translator.published.corrections import Corrections
from models.translator.published.nsgt import Nsgt

FLOOR = 1e-6  # of a magnitude, full scale being 1
SHORTEST = 3  # frames: a note that is over sooner gives none
AUDIBLE = 0.1  # of its loudest: below this a note is over


@dataclass(frozen=True, slots=True)
class Frames:
    """Frames of notes. coefficients: (frames, 2, bands) complex64. shares: (frames, 2). note: (frames,) which note each is of."""

    coefficients: np.ndarray
    shares: np.ndarray
    note: np.ndarray

    def __len__(self) -> int:
        return len(self.note)

    def __getitem__(self, rows: np.ndarray) -> Frames:
        return Frames(self.coefficients[rows], self.shares[rows], self.note[rows])

    @property
    def magnitudes(self) -> np.ndarray:
        """(frames, bands) float32."""
        return np.asarray((np.abs(self.coefficients) * self.shares[:, :, None]).sum(1))


@dataclass(frozen=True, slots=True)
class Statistics:
    """What normalises logarithms: (log - mean) / span, so that all lie within -1 and 1."""

    mean: float
    span: float

    def to_json(self) -> dict[str, float]:
        return asdict(self)

    @classmethod
    def of(cls, logarithms: np.ndarray) -> Statistics:
        """Return those of an array of any shape; as released's minus infinities are left out."""
        values = logarithms[np.isfinite(logarithms)]
        mean = float(values.mean())
        return cls(mean, float(np.abs(values - mean).max()))

    def normalised(self, logarithms: np.ndarray) -> np.ndarray:
        """Any shape -> the same, float32."""
        return np.asarray((logarithms - self.mean) / self.span, np.float32)

    def magnitudes(self, normalised: np.ndarray) -> np.ndarray:
        """What `normalised` was made of."""
        return np.exp(normalised * self.span + self.mean)


def logarithms(magnitudes: np.ndarray, corrections: Corrections) -> np.ndarray:
    """Return natural logarithms, of the floor at least; as released, minus infinity of nothing."""
    if corrections.floored_log:
        return np.log(np.maximum(magnitudes, FLOOR))
    with np.errstate(divide="ignore"):
        return np.log(magnitudes)


def frames_of(audio: np.ndarray) -> Frames:
    """Return the frames of one sound from its attack on, (samples,) at 22,050 Hz.

    They are the paper's 10th to 24th, 0.32 to 0.80 s; of a sound that is over before, its last three fifths.
    """
    transform = _transform()
    end = min(
        transform.frames,
        LAST_FRAME + 1,
        round(sounding_seconds(audio) * transform.frames * SAMPLE_RATE / SIGNAL_SAMPLES),
    )
    begin = round(end * FIRST_FRAME / (LAST_FRAME + 1))
    places = np.arange(begin, end) if end - begin >= SHORTEST else np.arange(0)
    fitted = np.zeros(SIGNAL_SAMPLES, np.float32)
    kept = min(len(audio), SIGNAL_SAMPLES)
    fitted[:kept] = audio[:kept]
    fade = min(kept, SAMPLE_RATE // 20)
    fitted[kept - fade : kept] *= np.linspace(1, 0, fade, dtype=np.float32)
    coefficients, shares = transform.at_frames(transform.forward(fitted), places)
    return Frames(coefficients, shares, np.zeros(len(places), int))


def sounding_seconds(audio: np.ndarray) -> float:
    """Return when a sound is last as loud as a tenth of its loudest 10 ms; 0 for silence."""
    width = SAMPLE_RATE // 100
    level = np.abs(audio[: len(audio) // width * width].reshape(-1, width)).max(1, initial=0)
    loud = np.flatnonzero(level > AUDIBLE * level.max(initial=0))
    return float((loud[-1] + 1) * width / SAMPLE_RATE) if len(loud) else 0.0


def frames_of_notes(notes: Sequence[Note], folder: Path | None = None) -> Frames:
    """Return the frames of all notes, in their order; `folder` keeps them for the next time."""
    path = folder / f"{_key(notes)}.npz" if folder else None
    if path is not None and path.is_file():
        with np.load(path) as stored:
            return Frames(stored["coefficients"], stored["shares"], stored["note"])
    found = [frames_of(read_audio(note, SAMPLE_RATE)) for note in notes]
    numbers = np.repeat(np.arange(len(found)), [len(frames) for frames in found])
    empty = frames_of(np.zeros(0, np.float32))
    coefficients, shares = (
        np.concatenate([getattr(empty, name), *(getattr(frames, name) for frames in found)])
        for name in ("coefficients", "shares")
    )
    frames = Frames(coefficients, shares, numbers)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}")
        np.savez(partial, coefficients=frames.coefficients, shares=frames.shares, note=frames.note)
        partial.rename(path)
    return frames


@cache
def _transform() -> Nsgt:
    return Nsgt(SIGNAL_SAMPLES, SAMPLE_RATE)


def _key(notes: Sequence[Note]) -> str:
    """A name for the frames of these notes, by their files' names and sizes."""
    told = "\n".join(f"{note.path.resolve()} {note.path.stat().st_size} {note.span}" for note in notes)
    return hashlib.sha256(told.encode()).hexdigest()[:20]
