"""Two hands on the keys: who strikes what, what is let go for it, and what cannot be played.

At any moment a hand holds at most five keys within a tenth, and every key of the left hand lies below every key of the right. Keys
are taken in the order of their weight for as long as two hands can hold them all: what does not fit is not struck, or let go if it
was held. Which hand strikes is decided by where the hands are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

FINGERS = 5
TENTH = 16  # semitones: a major tenth
REPEAT_SECONDS = 0.08  # a key that was struck cannot be struck again sooner
BEATS_MAY_HURRY = 1.1  # and is not sooner than this many times as long, since beats that are heard are not even
LEFT, RIGHT = "left", "right"
HOME = {LEFT: 45.0, RIGHT: 67.0}  # where a hand lies that has played nothing
STAYS = 0.5  # of where a hand was, after it has struck


@dataclass(slots=True, eq=False)  # one is itself and no other
class Key:
    """A key that is to be struck or is held. begin, end: steps of the bar. weight: the heavier goes before the lighter.

    held_weight: its weight once it is held.
    """

    begin: float
    end: float
    pitch: int
    weight: float
    held_weight: float
    hand: str = ""


class Hands:
    """One pianist's. What is held goes on from bar to bar."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Let all keys go."""
        self.held: list[Key] = []
        self._struck: dict[int, float] = {}  # pitch -> seconds since
        self._places = dict(HOME)

    def strike(self, step: float, wishes: Sequence[Key], seconds_a_step: float) -> list[Key]:
        """Return which of the keys that are wished for at a step are struck, each with its hand; call in the order of steps.

        Keys that are held are changed where they are let go sooner: their end is `step` then. Wishes have pitches of their own.
        """
        self.held = [key for key in self.held if key.end > step]
        wishes = [key for key in wishes if not self._too_soon(key.pitch, step * seconds_a_step)]
        again = {key.pitch for key in wishes}
        weights = {
            key.pitch: key.held_weight for key in self.held
        }  # a key struck again weighs no less than it did held
        self._let_go([key for key in self.held if key.pitch in again], step)
        ranked = [(max(key.weight, weights.get(key.pitch, key.weight)), key) for key in wishes]
        ranked += [(key.held_weight, key) for key in self.held]
        taken: list[Key] = []
        for _, key in sorted(ranked, key=lambda row: (-row[0], row[1].pitch)):
            if splits([*taken, key]):
                taken.append(key)
        self._let_go([key for key in self.held if key not in taken], step)
        struck = [key for key in taken if not key.hand]
        self._give_hands(taken, struck)
        for key in struck:
            self._struck[key.pitch] = step * seconds_a_step
        self.held += struck
        return sorted(struck, key=lambda key: key.pitch)

    def turn(self, steps: int, seconds_a_step: float) -> None:
        """Go on to the next bar: what is held is placed in it."""
        self.held = [key for key in self.held if key.end > steps]
        for key in self.held:
            key.begin, key.end = key.begin - steps, key.end - steps
        passed = steps * seconds_a_step
        ages = {pitch: at - passed for pitch, at in self._struck.items()}
        self._struck = {pitch: at for pitch, at in ages.items() if at > -1}

    def _too_soon(self, pitch: int, now: float) -> bool:
        return now - self._struck.get(pitch, -1e9) < REPEAT_SECONDS * BEATS_MAY_HURRY

    def _let_go(self, keys: Sequence[Key], step: float) -> None:
        for key in keys:
            key.end = step
            self.held.remove(key)

    def _give_hands(self, taken: Sequence[Key], struck: Sequence[Key]) -> None:
        """Give every key that is struck the hand that is nearer, so that both can hold what they have."""
        if not struck:
            return
        ordered = sorted(taken, key=lambda key: key.pitch)
        best = min(splits(taken), key=lambda low: self._way(ordered[:low], LEFT) + self._way(ordered[low:], RIGHT))
        for number, key in enumerate(ordered):
            key.hand = LEFT if number < best else RIGHT
        for hand in (LEFT, RIGHT):
            pitches = [key.pitch for key in struck if key.hand == hand]
            if pitches:
                self._places[hand] += (1 - STAYS) * (float(np.mean(pitches)) - self._places[hand])

    def _way(self, keys: Sequence[Key], hand: str) -> float:
        return sum(abs(key.pitch - self._places[hand]) for key in keys if not key.hand)


def splits(keys: Iterable[Key]) -> list[int]:
    """Return how many of the lowest keys the left hand may have, so that two hands can hold them all; nothing where none can.

    keys: of different pitches; those with a hand stay in it.
    """
    ordered = sorted(keys, key=lambda key: key.pitch)
    most = max((number + 1 for number, key in enumerate(ordered) if key.hand == LEFT), default=0)
    least = min((number for number, key in enumerate(ordered) if key.hand == RIGHT), default=len(ordered))
    pitches = [key.pitch for key in ordered]
    return [low for low in range(most, least + 1) if in_one_hand(pitches[:low]) and in_one_hand(pitches[low:])]


def in_one_hand(pitches: Sequence[int]) -> bool:
    """Return whether one hand can hold keys at once; pitches ascend."""
    return not pitches or (len(pitches) <= FINGERS and pitches[-1] - pitches[0] <= TENTH)
