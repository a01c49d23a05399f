"""The grid of sixteenths: where they lie in time, what was heard on each, and notes as cells.

The same code serves training and playing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.arranger.config import CHORD, FRAME_RATE, HEARD, KEYS, LONGEST, LOWEST_KEY, PITCHES, ROOTS, SIXTEENTHS

ONSETS = np.array([name.endswith("onset") for name in HEARD])


@dataclass(frozen=True, slots=True)
class Written:
    """A note on the grid of its bar. step: from the bar's beginning. length: steps, may reach beyond the bar. pitch: MIDI.

    sure: how probable the network found it, 0..1.
    """

    step: int
    length: int
    pitch: int
    sure: float = 1.0


def sixteenths(beats: np.ndarray) -> np.ndarray:
    """Return the places of sixteenths between beats: (n + 1,) -> (SIXTEENTHS * n + 1,), in the same unit."""
    number = np.arange(SIXTEENTHS * (len(beats) - 1) + 1) / SIXTEENTHS
    return np.interp(number, np.arange(len(beats)), beats)


def pool(heard: np.ndarray, places: np.ndarray, first: int = 0) -> np.ndarray:
    """Return what was heard on each sixteenth: (len(places) - 1, len(HEARD), PITCHES) float32.

    heard: (frames, len(HEARD), PITCHES), of which the first is frame `first`. places: frames, the sixteenths' beginnings and the
    last one's end. Of onsets the strongest within half a sixteenth counts, of frames the mean.
    """
    out = np.zeros((len(places) - 1, len(HEARD), PITCHES), np.float32)
    for step, (begin, end) in enumerate(zip(places[:-1] - first, places[1:] - first, strict=True)):
        half = (end - begin) / 2
        around = heard[_span(begin - half, begin + half, len(heard))][:, ONSETS]
        within = heard[_span(begin, end, len(heard))][:, ~ONSETS]
        if len(around):
            out[step, ONSETS] = around.max(0)
        if len(within):
            out[step, ~ONSETS] = within.mean(0)
    return out


def pool_chords(chords: np.ndarray, beats: np.ndarray, first: int = 0) -> np.ndarray:
    """Return the mean activations of each beat's frames: (frames, CHORD) -> (len(beats) - 1, CHORD) float32."""
    out = np.zeros((len(beats) - 1, CHORD), np.float32)
    for beat, (begin, end) in enumerate(zip(beats[:-1] - first, beats[1:] - first, strict=True)):
        within = chords[_span(begin, end, len(chords))]
        if len(within):
            out[beat] = within.mean(0)
    return out


def decided(chords: np.ndarray) -> np.ndarray:
    """Return chords as the network knows them from scores, one root, one bass and whole tones: (beats, CHORD)."""
    out = np.zeros_like(chords)
    rows = np.arange(len(chords))
    root, bass = chords[:, :ROOTS].argmax(1), chords[:, ROOTS + 12 :].argmax(1)
    out[rows, root] = out[rows, ROOTS + 12 + bass] = 1
    out[:, ROOTS : ROOTS + 12] = (chords[:, ROOTS : ROOTS + 12] > 0.5) & (root < ROOTS - 1)[:, None]
    return out


def roll(notes: Sequence[Written], steps: int) -> np.ndarray:
    """Return (steps, KEYS) float32: how long the note lasts that begins there, in LONGEST; 0 where none does."""
    cells = np.zeros((steps, KEYS), np.float32)
    for note in notes:
        if 0 <= note.step < steps and LOWEST_KEY <= note.pitch < LOWEST_KEY + KEYS:
            cells[note.step, note.pitch - LOWEST_KEY] = min(note.length, LONGEST) / LONGEST
    return cells


def frames(seconds: np.ndarray) -> np.ndarray:
    """Return times as places among the ear's frames, whose middles lie at whole numbers."""
    return seconds * FRAME_RATE


def _span(begin: float, end: float, count: int) -> slice:
    first = max(0, int(np.ceil(begin)))
    return slice(min(first, count), min(count, max(first + 1, int(np.ceil(end)))))
