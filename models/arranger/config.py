"""Rates, ranges and grids that every part of the arranger agrees on."""

from __future__ import annotations

from typing import Final

SAMPLE_RATE: Final = 16_000
HOP: Final = 320  # samples: 20 ms, one frame of the ear
FRAME_RATE: Final = SAMPLE_RATE / HOP
LOWEST, PITCHES = 28, 80  # MIDI pitches that are heard: E1, the lowest string of a bass, to B7
BANDS_A_SEMITONE: Final = 2
MEL_BANDS: Final = 16
BANDS: Final = PITCHES * BANDS_A_SEMITONE + MEL_BANDS

SIXTEENTHS: Final = 4  # of a beat
BEATS_A_BAR: Final = 4
BAR: Final = SIXTEENTHS * BEATS_A_BAR  # steps
WINDOW: Final = 2 * BAR  # steps that the network sees and writes at once
"""Bars of another length: two bars of 2/4 count as one; of a bar of 3/4 the first 12 steps are used."""

HEARD: Final = ("onset", "frame", "melody_onset", "melody_frame", "bass_onset")
"""Rows of what was heard on a sixteenth, each over PITCHES: (len(HEARD), PITCHES)."""
ROOTS: Final = 13  # 12 pitch classes from C, and no chord
CHORD: Final = (
    ROOTS + 12 + ROOTS
)  # of a beat: root, chroma, bass, as published but for the class of its own for no chord
LOWEST_KEY, KEYS = 21, 88
SLOTS: Final = 10  # notes on a sixteenth at most: five a hand
LONGEST: Final = 16  # steps: durations are 1..LONGEST

EAR_AHEAD: Final = 10  # frames: what the ear says after frame k is of frame k - EAR_AHEAD
LATENT: Final = 256  # values of z
FEATURES: Final = ("bass", "intensity", "melody", "bound")
FEATURE: Final = len(FEATURES) + 2 * KEYS
"""Values of a sixteenth's feature, all 0..1: FEATURES, how likely the melody strikes each key, how likely anything does."""
MODES: Final = ("plan", "melody_in", "has_prompt", "has_texture")
