"""From how likely each hit is to what is played: the plain, sure beat where little is known, and what the player asks for."""

from __future__ import annotations

import numpy as np

from models.drummer.kit import CRASH, KICK, SNARE, TIME

CRASH_SHARE = 0.5  # of a crash's chance counts as the timekeeper's: who crashes keeps time as well


def three_of(chances: np.ndarray) -> np.ndarray:
    """(…, parts) -> (…, 3): kick, snare, timekeeper, which the scores of grooves compare."""
    time = 1 - (1 - chances[..., TIME]) * (1 - CRASH_SHARE * chances[..., CRASH])
    return np.stack([chances[..., KICK], chances[..., SNARE], time], -1)


def sure_hits(chances: np.ndarray, density: float = 1.0) -> float:
    """Return the chance from which on a hit is played: those hits whose pattern is expected to be most like the true one.

    chances: of the hits of a bar, in any shape. The expected cosine of the surest n hits with what would truly be played grows as
    their sum of chances over the root of n: where little is known few hits pass, and those are the plain beat's. density: times
    as many hits as that.
    """
    falling = np.sort(chances.ravel())[::-1]
    best = int(np.argmax(np.cumsum(falling) / np.sqrt(np.arange(1, len(falling) + 1)))) + 1
    return float(falling[min(len(falling), max(1, round(best * density))) - 1])


def likeliest_bar(chances: np.ndarray, bar: int, density: float = 1.0) -> np.ndarray:
    """(beats, sixteenths, parts) -> (bars, sixteenths of a bar, 3) of 0 and 1: what is played, beat by beat.

    What passes on a beat is judged beside the three beats planned before it (a bar of four): the bar's end is not planned yet.
    """
    three = three_of(chances)
    played = np.zeros_like(three)
    for beat in range(len(three)):
        least = sure_hits(three[max(0, beat - bar + 1) : beat + 1], density)
        played[beat] = three[beat] >= least
    bars = len(three) // bar
    return played[: bars * bar].reshape(bars, -1, 3)
