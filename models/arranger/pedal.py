"""The damper pedal: struck anew where the harmony changes and with every bar, up through rests, never down over two harmonies.

It goes up with the change and down half a step later, when what was sounding is damped and the keys of the new harmony are held:
legato pedalling, as pianists learn it. Where no chord is heard it stays up.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.arranger.config import ROOTS, SIXTEENTHS
from models.arranger.played import Pedal

CATCH = 0.5  # steps from pedal up to pedal down
REST = SIXTEENTHS  # steps without a key held that are a rest
REST_AT_END = SIXTEENTHS // 2  # and at the end of a bar, where it is not known what follows
NO_CHORD = ROOTS - 1

Harmony = tuple[int, int, bool]


class Foot:
    """One pianist's."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Lift it."""
        self._down = False
        self._harmony: Harmony | None = None

    def play(
        self, held: Sequence[bool], struck: Sequence[bool], chords: np.ndarray, wanted: bool = True
    ) -> list[Pedal]:
        """Return what the pedal does in a bar, in order.

        held, struck: of each step, whether any key is held in it, and struck at it. chords: (beats, CHORD).
        """
        moves: list[Pedal] = []
        rests = _rests(held)
        for step in range(len(held)):
            changed = False
            if step % SIXTEENTHS == 0 and step // SIXTEENTHS < len(chords):
                harmony = harmony_of(chords[step // SIXTEENTHS])
                changed, self._harmony = harmony != self._harmony, harmony
            silent = self._harmony is None or self._harmony[0] == NO_CHORD
            anew = changed or (step == 0 and struck[0])
            if self._down and (anew or rests[step] or silent or not wanted):
                moves.append(Pedal(float(step), False))
                self._down = False
            if not self._down and held[step] and wanted and not silent:
                moves.append(Pedal(step + CATCH, True))
                self._down = True
        return moves


def harmony_of(chord: np.ndarray) -> Harmony:
    """Return root (12 where there is none), bass and whether the third is minor: (CHORD,) -> what must not sound with another."""
    root, bass = int(chord[:ROOTS].argmax()), int(chord[ROOTS + 12 :].argmax())
    if root == NO_CHORD:
        return NO_CHORD, NO_CHORD, False
    chroma = chord[ROOTS : ROOTS + 12]
    return root, bass, bool(chroma[(root + 3) % 12] > chroma[(root + 4) % 12])


def _rests(held: Sequence[bool]) -> list[bool]:
    """Return of each step whether it is in a rest."""
    rests = [False] * len(held)
    begin = 0
    for step in range(len(held) + 1):
        if step == len(held) or held[step]:
            long = step - begin >= (REST_AT_END if step == len(held) else REST)
            rests[begin:step] = [long] * (step - begin)
            begin = step + 1
    return rests
