"""The lines that a rhythm lies on: where they are, and which is nearest."""

from dataclasses import dataclass
from math import floor

STEPS = {"1/4": 1.0, "1/4t": 2 / 3, "1/8": 0.5, "1/8t": 1 / 3, "1/16": 0.25, "1/16t": 1 / 6, "1/32": 0.125}
"""Quarter notes from one line to the next, by the name of the note; t is its triplet."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Lines in samples. quarter: samples of a quarter note. step: quarter notes between lines. origin: the sample of one line.

    swing: place of every second line between its neighbours: 0.5 is even, 2/3 a triplet's feel.
    """

    quarter: float
    step: float
    origin: float = 0.0
    swing: float = 0.5

    def nearest(self, sample: float) -> float:
        """Return the line that is nearest to `sample`; the earlier of two."""
        pair = 2 * self.step * self.quarter
        first = self.origin + pair * floor((sample - self.origin) / pair)
        return min((first, first + self.swing * pair, first + pair), key=lambda line: abs(line - sample))

    @property
    def furthest(self) -> float:
        """The most samples that a place can be away from its line."""
        return max(self.swing, 1 - self.swing) * self.step * self.quarter
