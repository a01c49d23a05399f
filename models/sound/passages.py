"""Passages for an instrument: an excerpt of some piece played in one of its manners, one after another. Called by `general`."""

from __future__ import annotations

import numpy as np

from models.sound import manners
from models.sound.drills import drill
from models.sound.instruments import Instrument
from models.sound.library import FEWEST_NOTES, Library
from models.sound.performance import tidy

MOST_DRAWS = 200  # of pieces that hold nothing for an instrument, before we give up
FEWEST_PITCHES = 4  # of a track: some keep to one note, as a drone or an effect


def string_passages(
    library: Library, instrument: Instrument, manner: str, seconds: float, rng: np.random.Generator
) -> np.ndarray:
    """String passages of 5 to 30 s together until `seconds` are full: (notes, 4)."""
    parts, time, misses = [], float(rng.uniform(0.1, 0.8)), 0
    while time < seconds - 2:
        length = min(float(rng.uniform(5, 30)), seconds - time)
        notes = passage(library, instrument, manner, length, rng)
        if not len(notes):
            misses += 1
            if misses == MOST_DRAWS:
                raise ValueError(
                    f"{misses} pieces of the library hold nothing to play as {manner!r} within {instrument}"
                )
            continue
        notes[:, :2] += time
        parts.append(notes)
        time = float(notes[:, 1].max()) + float(rng.exponential(0.5))
    notes = tidy(np.concatenate(parts))
    notes = notes[notes[:, 0] < seconds - 0.5]
    notes[:, 1] = np.minimum(notes[:, 1], seconds)
    return notes


def passage(
    library: Library, instrument: Instrument, manner: str, seconds: float, rng: np.random.Generator
) -> np.ndarray:
    """Draw a piece and play some of it in this manner; the result is empty if the piece holds too little for that.

    Manners: "line" and "bass" (one voice), "drill", "chords", "strum", "arpeggio", "voices" (one to four, sustained), "piece".
    """
    low, high = instrument.lowest, instrument.highest
    if manner == "drill":
        return drill(rng, seconds, low, high)
    draw = {"line": library.melody, "bass": library.bass, "piece": library.piece}.get(manner, library.chords)
    source = draw(rng)
    if len(source) < FEWEST_NOTES or len(np.unique(source[:, 2])) < FEWEST_PITCHES:
        return source[:0]
    notes = manners.shorten_rests(manners.humanise(source, rng), rng)
    start = notes[int(rng.integers(max(1, len(notes) - FEWEST_NOTES))), 0]
    notes = notes[(notes[:, 0] >= start) & (notes[:, 0] < start + seconds)]
    notes[:, :2] -= start
    notes = manners.into_range(notes, low, high, rng)
    if manner in ("line", "bass"):
        return manners.articulate(manners.one_voice(notes), rng)
    notes = manners.limit_voices(notes, instrument.voices)
    if manner == "strum":
        return manners.strum(notes, rng)
    if manner == "arpeggio":
        return manners.arpeggiate(notes, rng)
    if manner == "voices":
        return manners.sustain(manners.limit_voices(notes, int(rng.integers(1, min(4, instrument.voices) + 1))), rng)
    return notes
