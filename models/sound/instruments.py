"""The instruments that a general transcriber hears, by group: General MIDI programs, written range, and manner of playing.

Ranges are the instruments' own, narrowed to where the fonts at hand sound. Not pianos: those are `renders`' own. Called by
`general`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Instrument:
    """One instrument of a sound font.

    program: General MIDI program from 0; lowest, highest: written range, MIDI pitches; voices: most notes at a time;
    manners: ways to play, see `passages`; a repeated word is likelier. bends: whether its pitch moves while it sounds, and
    `upward` that it only rises, as a pushed string's does.
    """

    program: int
    lowest: int
    highest: int
    voices: int = 1
    manners: tuple[str, ...] = ("line",)
    bends: bool = False
    upward: bool = False


def _family(
    programs: dict[int, tuple[int, int]],
    voices: int = 1,
    manners: tuple[str, ...] = ("line",),
    bends: bool = False,
    upward: bool = False,
) -> tuple[Instrument, ...]:
    return tuple(
        Instrument(program, low, high, voices, manners, bends, upward) for program, (low, high) in programs.items()
    )


_SOLO = ("line", "line", "line", "drill")
_KEYS = ("piece", "piece", "chords", "line", "voices", "drill")

INSTRUMENTS: dict[str, tuple[Instrument, ...]] = {
    "guitar": _family(
        {24: (40, 83), 25: (40, 86), 26: (40, 86), 27: (40, 86), 28: (40, 83), 29: (40, 86), 30: (40, 86)},
        voices=6,
        manners=("line", "line", "strum", "strum", "arpeggio", "arpeggio", "chords", "drill"),
        bends=True,
        upward=True,
    ),
    "bass": _family(
        {32: (28, 60), 33: (28, 62), 34: (28, 62), 35: (28, 62), 36: (28, 60), 37: (28, 60), 38: (28, 60), 39: (28, 60)},
        manners=("bass", "bass", "bass", "line", "drill"),
        bends=True,
        upward=True,
    ),
    "strings": _family({40: (55, 93), 41: (48, 88), 42: (36, 76), 43: (28, 55)}, manners=_SOLO, bends=True)
    + _family({48: (36, 93), 49: (36, 93)}, voices=4, manners=("voices", "voices", "line", "drill"), bends=True)
    + _family({45: (36, 91)}, voices=3, manners=("line", "chords", "drill")),
    "winds": _family(
        {
            73: (60, 96), 72: (74, 106), 68: (58, 91), 69: (52, 79), 71: (50, 91), 70: (34, 72), 74: (60, 93), 75: (60, 93),
            64: (56, 87), 65: (49, 81), 66: (44, 75), 67: (37, 69), 56: (52, 84), 59: (52, 82), 57: (40, 72), 60: (36, 77),
            58: (28, 58), 77: (55, 86), 79: (60, 89),
        },
        manners=_SOLO,
        bends=True,
    )
    + _family({61: (41, 82)}, voices=4, manners=("voices", "line", "drill")),
    "voice": _family(
        {52: (41, 81), 53: (43, 84), 54: (43, 84)}, voices=4, manners=("line", "line", "line", "voices", "drill"), bends=True
    ),
    "mallets": _family(
        {11: (53, 89), 12: (45, 93), 13: (65, 105), 9: (74, 105), 10: (60, 96), 8: (60, 105)},
        voices=4,
        manners=("piece", "line", "chords", "arpeggio", "drill"),
    ),
    "organ": _family(
        {16: (36, 93), 17: (36, 93), 18: (36, 93), 19: (36, 93), 20: (36, 93), 21: (41, 89), 23: (41, 89)},
        voices=8,
        manners=_KEYS,
    )
    + _family({22: (48, 91)}, voices=3, manners=("line", "line", "chords", "drill"), bends=True),
    "synth": _family(
        {80: (36, 93), 81: (36, 93), 82: (48, 93), 83: (48, 93), 84: (40, 88), 85: (43, 88), 87: (28, 79)},
        manners=_SOLO,
        bends=True,
    )
    + _family(
        {50: (36, 91), 51: (36, 91), 62: (36, 88), 88: (36, 91), 89: (36, 91), 90: (36, 91), 91: (41, 88), 92: (41, 91)},
        voices=6,
        manners=("voices", "chords", "piece", "line", "drill"),
    ),
    "plucked": _family(
        {46: (28, 98), 6: (29, 89), 7: (31, 88), 15: (48, 88)}, voices=6, manners=("piece", "arpeggio", "chords", "line", "drill")
    )
    + _family({104: (45, 84), 105: (48, 86), 106: (48, 84), 107: (45, 86)}, voices=4, manners=("line", "arpeggio", "drill")),
}  # fmt: skip
# How often each is heard; the pianos keep a fifth
SHARES = {
    "piano": 0.2, "guitar": 0.16, "bass": 0.1, "strings": 0.11, "winds": 0.13, "voice": 0.09, "mallets": 0.06, "organ": 0.06,
    "synth": 0.05, "plucked": 0.04,
}  # fmt: skip
# Of a group's renders, how many are played from recorded notes, and how many by the oscillator, where there are any
RECORDED_SHARE = {"bass": 0.4, "strings": 0.35, "winds": 0.3}
OSCILLATOR_SHARE = {"voice": 0.3, "synth": 0.3}
ORCHESTRA = {
    "cello": "strings",
    "double_bass": "strings",
    "flute": "winds",
    "french_horn": "winds",
    "saxophone": "winds",
}
BENT_MANNERS = ("line", "bass", "drill")  # of single lines: one pitch wheel moves all that sounds
BENT_SHARE = 0.5  # of the lines on instruments that can
HARP_PROGRAM = 46
PEDAL_SHARE = 0.3  # of the mallets and harps
DRIVEN_PROGRAMS = (26, 27, 29, 33, 34)  # electric guitars and basses, which may go through an overdriven amplifier
DRIVEN_SHARE = 0.25
