"""Which MIDI note stands for which drum in what is sent: General MIDI, another kit's map, or notes of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from models.manifest import ManifestError

PIECES: Final = {
    "kick": 36, "stick": 37, "snare": 38, "hat": 42, "pedal": 44, "open": 46, "tom_low": 45, "tom_middle": 47, "tom_high": 50,
    "crash": 49, "ride": 51,
}  # fmt: skip
"""Drum -> the General MIDI note that the drummer plans with."""

MAPS: Final[Mapping[str, Mapping[str, int]]] = {
    "general_midi": {},
    "roland": {"tom_low": 43, "tom_middle": 45, "tom_high": 48},  # V-Drums as they leave the factory
    "hydrogen": {"tom_low": 41, "tom_middle": 43, "tom_high": 45},  # its GMRockKit
}
"""Map -> where it differs from General MIDI's."""


def drum_map(name: str, own: str) -> dict[int, int]:
    """Return General MIDI note -> the note that is sent. name: of MAPS. own: `kick=35, snare=40`, laid over it.

    Raises ManifestError with the first thing that is wrong.
    """
    sent = PIECES | dict(MAPS[name])
    for words in filter(str.strip, own.split(",")):
        piece, equals, number = (part.strip() for part in words.partition("="))
        if not equals or piece not in PIECES:
            raise ManifestError(
                f"drum_notes has '{words.strip():.40}'; allowed: DRUM=NOTE, with one of {', '.join(PIECES)}"
            )
        if not number.isascii() or not number.isdigit() or int(number) > 127:
            raise ManifestError(f"drum_notes has {piece} at '{number:.40}'; allowed: a MIDI note from 0 to 127")
        sent[piece] = int(number)
    return {PIECES[piece]: note for piece, note in sent.items()}
