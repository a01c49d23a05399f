"""What the ear said lately, frame by frame, and what of it lies in a bar. Owns a stream's frames; the same grid as in training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.arranger.bars import Bar
from models.arranger.chords import decode_chords
from models.arranger.config import BAR, BEATS_A_BAR, CHORD, EAR_AHEAD, HEARD, HOP, LOWEST, PITCHES, SIXTEENTHS
from models.arranger.grid import Written, pool, pool_chords
from models.arranger.spectrum import LATENCY
from models.step import Tensors

HEARD_AFTER = LATENCY / HOP - 1 + EAR_AHEAD  # frames from a moment to the one in which the ear speaks of it
KEPT_FRAMES = 2400  # 48 s: two of the longest bars and what a commit stream may wait
SURE = 0.5  # activation from which a note counts as heard
FEWEST_ONSETS = 3  # sixteenths of a bar, from its pitches, that make it music
ONSET, MELODY_ONSET, MELODY_FRAME = (HEARD.index(name) for name in ("onset", "melody_onset", "melody_frame"))


@dataclass(frozen=True, slots=True)
class HeardBar:
    """What was heard of a bar. heard: (BAR, len(HEARD), PITCHES). chords: (BEATS_A_BAR, CHORD) activations. loudness: (BAR,) 0..1.

    Steps that the bar does not have, or that were not heard yet, are zero; beats that were not heard yet have the last chord.
    """

    heard: np.ndarray
    chords: np.ndarray
    loudness: np.ndarray

    @property
    def is_music(self) -> bool:
        """Whether enough notes begin in it."""
        return bool((self.heard[:, ONSET] >= SURE).sum() >= FEWEST_ONSETS)

    def decided(self) -> np.ndarray:
        """Return the likeliest chord of each beat, as scores have it: (BEATS_A_BAR, CHORD) of 0 and 1; 0 where nothing was heard."""
        out = np.zeros_like(self.chords)
        there = np.flatnonzero(self.chords.any(1))
        if len(there):
            out[there] = [chord.row() for chord in decode_chords(self.chords[there])]
        return out

    def packed(self) -> HeardBar:
        """Return it in half the room, to be remembered."""
        return HeardBar(*(part.astype(np.float16) for part in (self.heard, self.chords, self.loudness)))

    def unpacked(self) -> HeardBar:
        """Return it as it was before it was packed, to three digits."""
        return HeardBar(*(part.astype(np.float32) for part in (self.heard, self.chords, self.loudness)))

    def melody(self) -> tuple[Written, ...]:
        """Return the notes of the melody that were heard, in the order of their steps."""
        begins, sounds = self.heard[:, MELODY_ONSET] >= SURE, self.heard[:, MELODY_FRAME] >= SURE
        notes = []
        for step, place in np.argwhere(begins).tolist():
            end = step + 1
            while end < BAR and sounds[end, place] and not begins[end, place]:
                end += 1
            notes.append(Written(step, end - step, LOWEST + place, float(self.heard[step, MELODY_ONSET, place])))
        return tuple(notes)


def nothing_heard() -> HeardBar:
    """Return a bar of which nothing was heard."""
    return HeardBar(
        np.zeros((BAR, len(HEARD), PITCHES), np.float32), np.zeros((BEATS_A_BAR, CHORD), np.float32), np.zeros(BAR, np.float32)
    )  # fmt: skip


class Hearing:
    """The frames of one stream."""

    def __init__(self) -> None:
        rows = 2 * KEPT_FRAMES
        self._heard = np.zeros((rows, len(HEARD), PITCHES), np.float32)
        self._chords = np.zeros((rows, CHORD), np.float32)
        self._loudness = np.zeros(rows, np.float32)
        self.reset()

    def reset(self) -> None:
        """Have heard nothing."""
        self._count = self._first = 0  # rows that are filled, and the frame in the first of them

    @property
    def frames(self) -> int:
        """How many frames were heard in all."""
        return self._first + self._count

    def add(self, outputs: Tensors) -> None:
        """Take what the ear said of a frame; see `ear_network`."""
        if self._count == len(self._heard):
            for kept in (self._heard, self._chords, self._loudness):
                kept[:KEPT_FRAMES] = kept[-KEPT_FRAMES:]
            self._first, self._count = self._first + self._count - KEPT_FRAMES, KEPT_FRAMES
        self._heard[self._count] = outputs["heard"][0]
        self._chords[self._count] = outputs["chord"][0]
        self._loudness[self._count] = outputs["loudness"][0, 0]
        self._count += 1

    def until(self) -> float:
        """Return the sample before which everything was heard."""
        return moment(self.frames - 1)

    def bar(self, bar: Bar) -> HeardBar:
        """Return what was heard of a bar, whose beats are samples, so far."""
        steps, found = bar.steps, nothing_heard()
        places = told(bar.places())
        found.heard[:steps] = pool(self._heard[: self._count], places, self._first)
        beats = places[::SIXTEENTHS]
        pooled = pool_chords(self._chords[: self._count], beats, self._first)
        there = np.flatnonzero(pooled.any(1))
        if len(there):
            pooled[there[-1] + 1 :] = pooled[there[-1]]
        found.chords[: len(pooled)] = pooled
        rows = np.clip(np.ceil(places[:-1]).astype(int) - self._first, 0, max(0, self._count - 1))
        if self._count:
            found.loudness[:steps] = np.where(places[:-1] < self.frames, self._loudness[rows], 0)
        return found


def told(samples: np.ndarray) -> np.ndarray:
    """Return the frames in which the ear speaks of samples."""
    return samples / HOP + HEARD_AFTER


def moment(frame: float) -> float:
    """Return the sample that the ear speaks of in a frame."""
    return (frame - HEARD_AFTER) * HOP
