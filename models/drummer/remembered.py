"""The bass of a whole song, by song position: what is heard now and, behind it, what was heard when the song last came by here."""

from __future__ import annotations

import numpy as np

from models.drummer.config import SIXTEENTHS
from models.drummer.hearing import BassLine, nothing_heard

MOST_BEATS = 8192  # half an hour at 270 bpm


class RememberedLine(BassLine):
    """A bass line over several passes. A pass ends where the song is located anew."""

    def __init__(self) -> None:
        super().__init__()
        self._entered: dict[int, None] = {}  # beats of this pass, in order
        self._before: dict[int, np.ndarray] = {}
        self._completed: dict[int, np.ndarray] = {}

    def enter(self, number: int) -> None:
        """A beat begins in this pass."""
        if number in self._entered:
            return
        self._entered[number] = None
        if len(self._entered) > MOST_BEATS:
            oldest = next(iter(self._entered))
            del self._entered[oldest]
            self._beats.pop(oldest, None)

    def turn(self, until: float) -> None:
        """The song breaks off at beat `until`, with its fraction: the whole beats that were heard are known from now on."""
        for number in self._entered:
            if number + 1 <= until:
                bass = self._beats.get(number)
                self._before[number] = nothing_heard() if bass is None else bass
        self._entered.clear()
        self._beats.clear()
        while len(self._before) > MOST_BEATS:
            del self._before[next(iter(self._before))]

    def beat(self, number: int) -> np.ndarray:
        """Return what was heard of a beat in this pass, or else in the last one that came by: (sixteenths, features) float32."""
        if number in self._completed:
            return self._completed[number].copy()
        if number in self._entered or number not in self._before:
            return super().beat(number)
        return self._before[number].copy()

    def knows(self, number: int) -> bool:
        """Return whether a beat was heard, be it silent."""
        return number in self._entered or number in self._before

    def earlier(self, number: int) -> np.ndarray | None:
        """Return what was heard of a beat in an earlier pass, if it was."""
        return self._before.get(number)

    def complete(self, number: int, known: int) -> int:
        """Take the sixteenths of a beat from `known` on from the last pass, until the next call; return how many are known then."""
        self._completed.clear()
        before = self._before.get(number)
        if before is None:
            return known
        rows = self.beat(number)
        rows[known:] = before[known:]
        self._completed[number] = rows
        return SIXTEENTHS
