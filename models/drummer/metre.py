"""The metre that a player of the drummer names: how beats are counted where no host counts them, and which are in threes.

In 6/8 and 12/8 a beat is a dotted quarter note of three eighths. A host counts quarter notes in any metre (3 a bar in 6/8), a file of
beats may count eighths or the beats themselves: all are counted as dotted beats here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from models.events import Transport
from models.rhythm.beat_finder import BARS

COUNTED_IN: Final = (1.5, 3.0, 1.0)
"""What a host may count to the dotted beat: quarter notes, eighths, or the beat itself."""


@dataclass(frozen=True, slots=True)
class Metre:
    """bars: how many beats a bar may have where nobody tells, the likeliest first. ternary: whether a beat has three parts."""

    bars: tuple[int, ...] = BARS
    ternary: bool = False

    def counted(self, transport: Transport) -> Transport:
        """Return a host's transport in this metre's beats; one whose bars are no such bars is left as it is."""
        if not self.ternary:
            return transport
        for notes in COUNTED_IN:
            if transport.beats_a_bar == notes * self.bars[0]:
                return replace(
                    transport, tempo_bpm=transport.tempo_bpm / notes, position=transport.position / notes,
                    beat=transport.beat / notes, beats_a_bar=transport.beats_a_bar / notes,
                )  # fmt: skip
        return transport

    def divides(self, transport: Transport) -> bool:
        """Whether the beats of a transport that was counted have three parts."""
        return self.ternary and transport.beats_a_bar == self.bars[0]


METRES: Final[Mapping[str, Metre]] = {
    "auto": Metre(),
    "2/4": Metre((2,)),
    "3/4": Metre((3,)),
    "4/4": Metre((4,)),
    "5/4": Metre((5,)),
    "6/8": Metre((2,), ternary=True),
    "12/8": Metre((4,), ternary=True),
}
