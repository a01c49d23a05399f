"""A texture to play in: notes of another piece on its own grid, bar by bar, for the network that reads how they lie and not what harmony.

    notes in beats -> texture -> text -> texture -> rolls, which begin again where the piece ends

A player's values are numbers and short texts, so a texture travels as text: three characters a note (step and length - 1 in
hexadecimal, the key as one character), notes in order, bars divided by |.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import floor

import numpy as np

from models.arranger.config import BAR, KEYS, LONGEST, LOWEST_KEY, SIXTEENTHS
from models.arranger.grid import Written, roll

MOST_BARS = 64
BAR_SIGN, DIGITS, NOTE_SIGNS = "|", "0123456789abcdef", 3
FIRST_KEY_SIGN = ord("#")  # of the lowest key; the highest is z, before the sign of a bar


@dataclass(frozen=True, slots=True)
class Texture:
    """bars: 1 to MOST_BARS, of each its notes in the order of steps and pitches, and each of them once; not all are empty."""

    bars: tuple[tuple[Written, ...], ...]

    def window(self, bar: int) -> np.ndarray:
        """Return bar number `bar` of a piece without end, and the one after it: (2 * BAR, KEYS), as `grid.roll`."""
        count = len(self.bars)
        return np.concatenate([roll(self.bars[number % count], BAR) for number in (bar, bar + 1)])

    def __str__(self) -> str:
        """Return the text that `parse_texture` reads."""
        return BAR_SIGN.join("".join(_sign(note) for note in bar) for bar in self.bars)

    def shortened(self, characters: int) -> Texture:
        """Return its first bars, of two and more an even number: as many as their text has room for.

        Raises:
            ValueError: there is none, or nothing in them.
        """
        counts = [len(self.bars), *range(len(self.bars) // 2 * 2, 1, -2), 1]
        for count in counts:
            part = Texture(self.bars[:count])
            if len(str(part)) <= characters and any(part.bars):
                return part
        first = len(str(Texture(self.bars[:1])))
        raise ValueError(f"no bar of the texture fits into {characters} characters: the first takes {first}")


def texture_of(notes: Iterable[tuple[float, float, int]], beats_a_bar: float = 4.0) -> Texture:
    """Return notes as a texture. notes: onset and length in beats (quarters), pitch. beats_a_bar: 3 in 3/4.

    Bars before the first note are left out, and those from number MOST_BARS on. Two bars of two beats count as one; of a bar in
    another metre there are as many steps as it has, up to BAR; one longer than that is divided into bars of four beats.

    Raises:
        ValueError: there is no note on the keys of a piano.
    """
    beats = beats_a_bar * 2 if beats_a_bar <= 2 else beats_a_bar
    steps = max(1, min(BAR, round(beats * SIXTEENTHS)))
    placed: dict[tuple[int, int], int] = {}
    for onset, length, pitch in notes:
        step = floor(onset * SIXTEENTHS + 0.5)
        if step >= 0 and LOWEST_KEY <= pitch < LOWEST_KEY + KEYS:
            lasts = min(LONGEST, max(1, floor((onset + length) * SIXTEENTHS + 0.5) - step))
            placed[step, pitch] = max(lasts, placed.get((step, pitch), 0))
    if not placed:
        raise ValueError("the texture holds no note that a piano has")
    first = min(step for step, _ in placed) // steps
    last = min(max(step for step, _ in placed) // steps, first + MOST_BARS - 1)
    bars: list[list[Written]] = [[] for _ in range(first, last + 1)]
    for (step, pitch), lasts in sorted(placed.items()):
        if step // steps <= last:
            bars[step // steps - first].append(Written(step % steps, lasts, pitch))
    return Texture(tuple(tuple(bar) for bar in bars))


def parse_texture(text: str) -> Texture:
    """Return the texture that was written as text.

    Raises:
        ValueError: it is none, with what is wrong.
    """
    bars = text.split(BAR_SIGN)
    if len(bars) > MOST_BARS:
        raise ValueError(f"the texture has {len(bars)} bars; allowed: up to {MOST_BARS}")
    texture = Texture(tuple(_bar(bar) for bar in bars))
    if not any(texture.bars):
        raise ValueError("the texture holds no note")
    return texture


def _sign(note: Written) -> str:
    return DIGITS[note.step] + DIGITS[note.length - 1] + chr(FIRST_KEY_SIGN + note.pitch - LOWEST_KEY)


def _bar(text: str) -> tuple[Written, ...]:
    signs = [text[begin : begin + NOTE_SIGNS] for begin in range(0, len(text), NOTE_SIGNS)]
    notes = []
    for sign in signs:
        key = ord(sign[-1]) - FIRST_KEY_SIGN
        if len(sign) < NOTE_SIGNS or sign[0] not in DIGITS or sign[1] not in DIGITS or not 0 <= key < KEYS:
            raise ValueError(f"the texture has {sign!r} for a note; allowed: two of {DIGITS} and one of # to z")
        notes.append(Written(int(sign[0], BAR), int(sign[1], LONGEST) + 1, LOWEST_KEY + key))
    places = [(note.step, note.pitch) for note in notes]
    if places != sorted(set(places)):
        raise ValueError(f"the notes of a texture's bar are out of order: '{text:.40}'")
    return tuple(notes)
