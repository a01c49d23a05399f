"""What is played: the notes and the pedal of a performance, read from MIDI, cut to an excerpt and varied.

Not audio. Called by `renders` and `general`; the instruments of `sampler`, `single_notes`, `oscillator` and `soundfont`
play what is made here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

LOWEST_PITCH, HIGHEST_PITCH = 21, 108  # the piano's keys


@dataclass(frozen=True, slots=True)
class Performance:
    """Notes, pedal and bends on one time axis.

    notes: (notes, 4) float64: onset and offset (key release) in seconds, pitch, velocity 1..127; sorted by onset.
    pedal: (spans, 2) float64: seconds at which the sustain pedal goes down and up.
    bend: (points, 2) float64: seconds, and semitones by which all that sounds is away from its written pitch; linear
        in between, constant outside, empty where nothing bends. `excerpt` and `vary` drop it: it is put on last.
    """

    notes: np.ndarray
    pedal: np.ndarray
    bend: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))

    def at_pace(self, ratio: float) -> Performance:
        """Return it with all times multiplied."""
        return Performance(self.notes * [ratio, ratio, 1, 1], self.pedal * ratio, self.bend * [ratio, 1])


def read_performance(path: Path, tracks: tuple[str, ...] | None = None) -> Performance:
    """Read a MIDI file; `tracks` keeps only the instruments of these names."""
    import pretty_midi

    midi = pretty_midi.PrettyMIDI(str(path))
    instruments = [i for i in midi.instruments if not i.is_drum and (tracks is None or i.name in tracks)]
    notes = np.array([(n.start, n.end, n.pitch, n.velocity) for i in instruments for n in i.notes], float).reshape(
        -1, 4
    )
    changes = sorted((c.time, c.value >= 64) for i in instruments for c in i.control_changes if c.number == 64)
    return Performance(tidy(notes), _pedal_spans(changes, float(notes[:, 1].max(initial=0))))


def excerpt(performance: Performance, start_seconds: float, seconds: float) -> Performance:
    """Cut what is struck within the excerpt, its time starting at 0."""
    notes, pedal = performance.notes, performance.pedal
    kept = notes[(notes[:, 0] >= start_seconds) & (notes[:, 0] < start_seconds + seconds - 0.5)].copy()
    kept[:, :2] -= start_seconds
    kept[:, 1] = np.minimum(kept[:, 1], seconds)
    spans = np.clip(pedal - start_seconds, 0, seconds)
    return Performance(kept, spans[spans[:, 1] > spans[:, 0]])


def vary(
    performance: Performance, rng: np.random.Generator, *, mechanical: bool, transposition: tuple[int, int] = (-6, 6)
) -> Performance:
    """Transpose (by semitones, both ends included), change tempo and touch; a `mechanical` source also
    gets human timing, accents and a pedal.

    Pitches moved off the keyboard are dropped.
    """
    notes, pedal = performance.notes.copy(), performance.pedal.copy()
    pace = np.exp(rng.uniform(np.log(0.8), np.log(1.25)))
    notes[:, :2] *= pace
    pedal *= pace
    notes[:, 2] += rng.integers(transposition[0], transposition[1] + 1)
    if mechanical:
        notes[:, 0] += rng.normal(0, 0.012, len(notes))
        notes[:, 1] = notes[:, 0] + np.maximum(
            0.04, (notes[:, 1] - performance.notes[:, 0] * pace) * rng.uniform(0.5, 1.05, len(notes))
        )
        notes[:, 3] += rng.normal(0, 10, len(notes))
        pedal = invented_pedal(rng, float(notes[:, 1].max(initial=0))) if rng.random() < 0.7 else np.zeros((0, 2))
    elif rng.random() < 0.15:
        pedal = np.zeros((0, 2))
    # a softer or louder player with a narrower or wider touch
    notes[:, 3] = (notes[:, 3] - 70) * rng.uniform(0.7, 1.3) + 70 + rng.uniform(-25, 20)
    return Performance(tidy(notes), pedal)


def tidy(notes: np.ndarray) -> np.ndarray:
    """Sort, keep to the keyboard, and end a note where its own key is struck again."""
    notes = notes[(notes[:, 2] >= LOWEST_PITCH) & (notes[:, 2] <= HIGHEST_PITCH) & (notes[:, 0] >= 0)]
    notes = notes[np.lexsort((notes[:, 2], notes[:, 0]))].copy()
    notes[:, 1] = np.maximum(notes[:, 1], notes[:, 0] + 0.03)
    notes[:, 3] = np.clip(np.round(notes[:, 3]), 8, 127)
    kept = np.ones(len(notes), bool)
    last: dict[float, int] = {}
    for index, (onset, _, pitch, _) in enumerate(notes):
        before = last.get(pitch)
        if before is not None and onset - notes[before, 0] < 0.04:  # no key repeats faster than 25 times a second
            kept[index] = False
            continue
        if before is not None:
            notes[before, 1] = min(notes[before, 1], onset)
        last[pitch] = index
    return notes[kept]


def _pedal_spans(changes: list[tuple[float, bool]], end_seconds: float) -> np.ndarray:
    spans: list[tuple[float, float]] = []
    down_at: float | None = None
    for seconds, down in [*changes, (end_seconds, False)]:
        if down and down_at is None:
            down_at = seconds
        elif not down and down_at is not None:
            spans.append((down_at, max(seconds, down_at)))
            down_at = None
    return np.array(spans, float).reshape(-1, 2)


def invented_pedal(rng: np.random.Generator, end_seconds: float) -> np.ndarray:
    """A pedal changed about once a bar."""
    period = rng.uniform(0.8, 3.0)
    changes = np.arange(0, end_seconds + period, period) + rng.normal(
        0, 0.05, int(np.ceil((end_seconds + period) / period))
    )
    gaps = rng.uniform(0.05, 0.3, len(changes) - 1)
    return np.maximum(np.stack([changes[:-1] + gaps, np.maximum(changes[1:], changes[:-1] + gaps)], 1), 0)
