"""The parts of a drum kit that the drummer plans with, and which General MIDI note belongs to which."""

from __future__ import annotations

from typing import Final

PARTS: Final = ("kick", "snare", "time", "tom", "crash")
"""Time is the timekeeper: hats and rides in one, since drummers differ in which of them keeps the time."""
KICK, SNARE, TIME, TOM, CRASH = range(5)

_NOTES: Final = {
    KICK: (35, 36),
    SNARE: (37, 38, 39, 40),
    TIME: (42, 44, 46, 51, 53, 59),
    TOM: (41, 43, 45, 47, 48, 50),
    CRASH: (49, 52, 55, 57),
}
PART_OF: Final = {note: part for part, notes in _NOTES.items() for note in notes}
"""General MIDI drum note -> index into PARTS."""


def is_drum(note: int) -> bool:
    """Return whether a General MIDI drum note belongs to a part; shakers, bells and hand drums do not."""
    return note in PART_OF
