"""Could it be played? Counts what no two hands could do: of the pianist's own notes, and of those of any MIDI file.

It judges what was played and knows nothing of how it came about, so that tests and benchmarks can hold the pianist against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from models.arranger.config import KEYS, LOWEST_KEY
from models.arranger.hands import FINGERS, LEFT, REPEAT_SECONDS, RIGHT, TENTH, in_one_hand
from models.arranger.played import Played

SLACK_SECONDS = (
    0.001  # times that are so near are one: a MIDI file rounds them to its ticks, of half a millisecond and more
)

Timed: TypeAlias = tuple[float, float, int] | tuple[float, float, int, str]
"""Onset and offset in seconds, pitch, and the hand where it is known."""


def violations(notes: Sequence[Played | Timed], seconds_a_step: float = 1.0) -> list[str]:
    """Return a sentence for every moment at which notes cannot be played by two hands, and for every key struck that cannot be.

    notes: in any order; `Played` on one line of steps (`played.joined`), of which each lasts `seconds_a_step`, or rows in seconds.
    Of notes without hands it is asked whether any two hands could hold them, at each moment anew.
    """
    rows = sorted(_timed(note, seconds_a_step) for note in notes)
    return _keys(rows) + _moments(rows)


def _timed(note: Played | Timed, seconds: float) -> tuple[float, float, int, str]:
    if isinstance(note, Played):
        return note.step * seconds, (note.step + note.length) * seconds, note.pitch, note.hand
    return note[0], note[1], note[2], (note[3] if len(note) == 4 else "")


def _keys(rows: Sequence[tuple[float, float, int, str]]) -> list[str]:
    """Each key on its own: whether it is there, free, and can come back in time."""
    found = []
    last: dict[int, tuple[float, float]] = {}
    for onset, offset, pitch, _ in rows:
        if not LOWEST_KEY <= pitch < LOWEST_KEY + KEYS:
            found.append(f"at {onset:.3f} s key {pitch} is struck; a piano has {LOWEST_KEY} to {LOWEST_KEY + KEYS - 1}")
        struck, released = last.get(pitch, (-1e9, -1e9))
        if onset - struck < REPEAT_SECONDS - SLACK_SECONDS:
            found.append(
                f"at {onset:.3f} s key {pitch} is struck again after {1000 * (onset - struck):.0f} ms; "
                f"allowed: {1000 * REPEAT_SECONDS:.0f} ms and more"
            )
        elif onset < released - SLACK_SECONDS:
            found.append(f"at {onset:.3f} s key {pitch} is struck while it is held")
        last[pitch] = onset, max(offset, released if onset < released else offset)
    return found


def _moments(rows: Sequence[tuple[float, float, int, str]]) -> list[str]:
    """What is held whenever a key is struck; onsets within the slack are one moment."""
    found = []
    held: list[tuple[float, float, int, str]] = []
    for number, row in enumerate(rows):
        held.append(row)
        if number + 1 < len(rows) and rows[number + 1][0] - row[0] < SLACK_SECONDS:
            continue
        held = [other for other in held if other[1] > row[0] + SLACK_SECONDS]
        problem = _at_once(held)
        if problem:
            found.append(f"at {row[0]:.3f} s {problem}")
    return found


def _at_once(held: Sequence[tuple[float, float, int, str]]) -> str:
    """Return what is wrong with keys that are held at once, or nothing."""
    hands = {hand: sorted({row[2] for row in held if row[3] == hand}) for hand in (LEFT, RIGHT)}
    for hand, pitches in hands.items():
        if len(pitches) > FINGERS:
            return f"the {hand} hand holds {len(pitches)} keys; allowed: {FINGERS}"
        if not in_one_hand(pitches):
            return f"the {hand} hand spans {pitches[-1] - pitches[0]} semitones; allowed: {TENTH}"
    if hands[LEFT] and hands[RIGHT] and hands[LEFT][-1] >= hands[RIGHT][0]:
        return f"the hands cross: the left is on {hands[LEFT][-1]}, the right on {hands[RIGHT][0]}"
    pitches = sorted({row[2] for row in held})
    if not any(in_one_hand(pitches[:low]) and in_one_hand(pitches[low:]) for low in range(len(pitches) + 1)):
        return f"no two hands can hold the keys {', '.join(map(str, pitches))}"
    return ""
