"""What a player of the arranger asks for in words of its own: other chords, and another texture.

Am Dm G C            a chord a bar, again and again
Am:2 G/B:1 F:1       a chord a beat, or so many
a texture's text     notes of bars, as `style` writes them
"""

from __future__ import annotations

import re

import numpy as np

from models.arranger.config import BEATS_A_BAR, CHORD, ROOTS
from models.arranger.style import Texture, parse_texture
from models.manifest import ManifestError

NATURALS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
QUALITIES = {
    "": (0, 4, 7), "maj": (0, 4, 7), "m": (0, 3, 7), "min": (0, 3, 7), "5": (0, 7), "6": (0, 4, 7, 9), "m6": (0, 3, 7, 9),
    "7": (0, 4, 7, 10), "maj7": (0, 4, 7, 11), "M7": (0, 4, 7, 11), "m7": (0, 3, 7, 10), "min7": (0, 3, 7, 10),
    "9": (0, 2, 4, 7, 10), "maj9": (0, 2, 4, 7, 11), "m9": (0, 2, 3, 7, 10), "add9": (0, 2, 4, 7), "dim": (0, 3, 6),
    "dim7": (0, 3, 6, 9), "m7b5": (0, 3, 6, 10), "aug": (0, 4, 8), "+": (0, 4, 8), "sus2": (0, 2, 7), "sus4": (0, 5, 7),
    "sus": (0, 5, 7), "7sus4": (0, 5, 7, 10),
}  # fmt: skip
NO_CHORD, NO_CHORDS = "N", ("N", "NC", "N.C.")
MOST_BEATS = 16  # of one chord
_CHORD = re.compile(r"([A-G][#b]?)([^/:]*)(?:/([A-G][#b]?))?")


class Progression:
    """Chords that come again and again."""

    def __init__(self, text: str) -> None:
        """Raises ManifestError where a word is no chord."""
        self._chords = [_word(word) for word in text.split()]

    def __bool__(self) -> bool:
        return bool(self._chords)

    def bar(self, number: int, beats: int) -> np.ndarray:
        """Return the chords of a bar's beats, decided: (BEATS_A_BAR, CHORD); behind its last beat there are none."""
        rows = [row for row, length in self._chords for _ in range(length or beats)]
        out = np.zeros((BEATS_A_BAR, CHORD), np.float32)
        for beat in range(beats):
            out[beat] = rows[(number * beats + beat) % len(rows)]
        return out


def _word(word: str) -> tuple[np.ndarray, int]:
    """Return a chord and its beats, 0 where it lasts a bar."""
    name, colon, beats = word.partition(":")
    length = int(beats) if beats.isdecimal() and len(beats) < 4 else 0
    if colon and not 1 <= length <= MOST_BEATS:
        raise ManifestError(f"chords has '{word}'; allowed: 1 to {MOST_BEATS} beats behind the colon, as in Am:2")
    return chord_of(name), length


def chord_of(name: str) -> np.ndarray:
    """Return a chord by its name, as network and ear have them: (CHORD,). Raises ManifestError where there is none of that name."""
    row = np.zeros(CHORD, np.float32)
    if name in NO_CHORDS:
        row[[ROOTS - 1, CHORD - 1]] = 1
        return row
    found = _CHORD.fullmatch(name)
    if found is None or found[2] not in QUALITIES:
        raise ManifestError(
            f"chords has '{name:.20}'; a chord is a root, then one of: {', '.join(filter(None, QUALITIES))}, then its bass, "
            "as in C, F#m7, G/B; N is none"
        )
    root, bass = _pitch_class(found[1]), _pitch_class(found[3] or found[1])
    row[[root, ROOTS + 12 + bass]] = 1
    row[[ROOTS + (root + tone) % 12 for tone in QUALITIES[found[2]]]] = 1
    return row


def _pitch_class(name: str) -> int:
    return (NATURALS[name[0]] + name.count("#") - name[1:].count("b")) % 12


def read_texture(text: str) -> Texture | None:
    """Return the texture of a parameter's text, none of an empty one. Raises ManifestError where it is none, as a file's name is."""
    if not text:
        return None
    try:
        return parse_texture(text)
    except ValueError as error:
        raise ManifestError(
            f"texture is '{text:.40}'; a .mid is read by `backline run` alone, elsewhere it is notes as text: {error}"
        ) from error
