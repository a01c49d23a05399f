"""How hard a key is struck: with what was heard, the metre, the register, and the note's part; the melody lies above the rest.

Sizes are those of POP909's arrangers: within a song velocities spread by 8 to 11, the melody lies 6 above the piano, and eighths
between beats 4 to 11 below those on beats (every 40th song).
"""

from __future__ import annotations

from models.arranger.config import SIXTEENTHS
from models.arranger.played import BarHeard
from models.arranger.voicing import ADDED, BASS, INNER, MELODY

MIDDLE = 68.0
HEARD_RANGE = 50.0  # from what was heard most softly to most loudly
OF_BAR = 0.5  # how much of the loudness is the bar's, the rest the beat's: music swells, single notes do not
DOWNBEAT, BEAT, EIGHTH, SIXTEENTH = 5.0, 2.0, -5.0, -6.0
AN_OCTAVE, HIGHEST = 1.5, 4.0  # louder for every octave above middle C, at most
PARTS = {MELODY: 12.0, BASS: 4.0, INNER: -4.0, ADDED: -9.0}
TOP = 5.0  # the highest key that is down, where it is not the melody
SPREAD = 2.0  # of what is left to chance


def velocity(step: int, pitch: int, voice: str, top: bool, bar: BarHeard, dynamics: float, chance: float) -> int:
    """Return 1..127. top: whether no key above it is down. dynamics: 0..1, how far velocities stray. chance: normal, 0 +- 1."""
    heard = bar.loudness[: bar.steps]
    beat = step - step % SIXTEENTHS
    loudness = OF_BAR * float(heard.mean()) + (1 - OF_BAR) * float(heard[beat : beat + SIXTEENTHS].mean())
    shaped = HEARD_RANGE * (loudness - 0.5) + _metre(step) + SPREAD * chance
    shaped += max(-HIGHEST, min(HIGHEST, AN_OCTAVE * (pitch - 60) / 12))
    part = max(PARTS[voice], TOP) if top and voice != ADDED else PARTS[voice]
    return max(1, min(127, round(MIDDLE + part + dynamics * shaped)))


def _metre(step: int) -> float:
    if step == 0:
        return DOWNBEAT
    return BEAT if step % SIXTEENTHS == 0 else EIGHTH if step % 2 == 0 else SIXTEENTH
