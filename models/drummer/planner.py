"""Plans drums beat by beat: asks the network how likely each hit is, and decides what is played, when and how hard.

The planner knows beats, not samples: whoever calls it says which beat comes and what has been heard by then. Equal calls with an
equal seed give equal drums. It holds a stream's state; one owner.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.drummer.config import SIXTEENTHS
from models.drummer.drum_map import PIECES
from models.drummer.hearing import BassLine, heard_for
from models.drummer.kit import CRASH, KICK, PARTS, SNARE, TIME, TOM
from models.drummer.planning import sure_hits, three_of
from models.step import Step, Tensors

PLAYED = {KICK: "kick", SNARE: "snare", TIME: "hat", TOM: "tom_middle", CRASH: "crash"}
NOTES = {part: PIECES[piece] for part, piece in PLAYED.items()}
RIDE, HIGH_TOM, LOW_TOM = PIECES["ride"], PIECES["tom_high"], PIECES["tom_low"]
LEAST_CHANCE = 0.3  # of a hit of the groove, unless more of them are asked for
USUAL_BARS, PLAIN_SHARE = (
    (2, 3, 4, 6, 8),
    0.6,
)  # beats; of the plain beat in metres that hardly anybody played in training
PLAIN_CHANCE = 0.8
RARE = {TOM: 0.5, CRASH: 0.5}  # chance from which these are played; they do not compete with the groove
STYLE_SHARE = 0.6  # of a chosen style in what is played
RIDE_FROM = 0.8  # intensity at which time is kept on the ride
PHRASE_BARS = 8  # a fill may end every so many bars
VELOCITY_SPREAD = 0.05  # of full velocity, at humanise 1, beside what was learned
LATE_SPREAD = 0.05  # sixteenths, likewise
TRIPLET = 200 / 3  # the swing at which a beat has three parts


@dataclass(frozen=True, slots=True)
class Settings:
    """What the player of the drummer asks for.

    style: `auto`, or a name the model knows. density: times as many hits as it would play. swing: place of every second eighth, in
    percent of a beat: 50 is even, 66.7 a triplet's feel. humanise: 0 plays exactly on the grid, 1 as the drummers it learned from.
    fills: how many of the phrases end with one, 0..1. intensity: 0..1, 0.5 as learned. kick_with_bass: 0 as learned, 1 a
    kick wherever the bass is expected. seed: of what is left to chance. ternary: beats have three parts, as in 6/8: what is
    planned for the first three sixteenths is played on them.
    """

    style: str = "auto"
    density: float = 1.0
    swing: float = 50.0
    humanise: float = 0.5
    fills: float = 0.25
    intensity: float = 0.5
    kick_with_bass: float = 0.0
    seed: int = 1
    ternary: bool = False

    @property
    def middle(self) -> float:
        """The swing that is played."""
        return TRIPLET if self.ternary else self.swing

    @property
    def loudness(self) -> float:
        """What velocities are multiplied by; 1 as learned."""
        return 0.6 + 0.8 * self.intensity


@dataclass(frozen=True, slots=True)
class Hit:
    """A drum is struck. place: beats. note: General MIDI. velocity: 1..127."""

    place: float
    note: int
    velocity: int


class Planner:
    """The drums of one stream."""

    def __init__(self, step: Step, styles: Mapping[str, np.ndarray] | None = None) -> None:
        self._step, self._styles = step, styles or {}
        self.reset()

    def reset(self) -> None:
        """Know nothing of the song again."""
        self._state: Tensors = self._step.initial_state()
        self._recent: list[np.ndarray] = []
        self._crash_due = False

    def plan(
        self, line: BassLine, beat: int, place: int, bar: int, tempo_bpm: float, known: int, settings: Settings,
        coming: Mapping[int, np.ndarray] | None = None,
    ) -> list[Hit]:  # fmt: skip
        """Return the hits of `beat`, which is number `place` (from 0) of a bar of `bar` beats, in the order of their places.

        Call once for every beat, in order. known: sixteenths of the beat before that have been heard. coming: place in the bar ->
        the bass of that beat, (sixteenths, features), where it is known from an earlier pass.
        """
        self._remember(coming or {})
        outputs, state = self._step(heard_for(line, beat, place, bar, tempo_bpm, known), self._state)
        self._state = {name: values.copy() for name, values in state.items()}
        chance = self._wished(outputs["chance"][0].copy(), place, bar, settings)
        three = three_of(chance)
        self._recent = [*self._recent[-(bar - 1) :], three] if bar > 1 else [three]
        asked = min(1.0, max(0.0, 3 - 2 * settings.density))  # from density 1.5 on anything goes
        least = max(sure_hits(np.stack(self._recent), settings.density), LEAST_CHANCE * asked)
        struck = np.zeros(chance.shape, bool)
        struck[:, [KICK, SNARE, TIME]] = three >= least
        for part, often in RARE.items():
            struck[:, part] = chance[:, part] * settings.density >= often
        struck[:, TIME] &= ~struck[:, CRASH]
        rng = np.random.default_rng([settings.seed, beat])
        velocity = outputs["velocity"][0].copy()
        self._fill(struck, velocity, beat, place, bar, settings)
        if settings.ternary:
            _in_three(struck, velocity)
        return self._hits(struck, velocity, outputs["late"][0], beat, settings, rng)

    def _remember(self, coming: Mapping[int, np.ndarray]) -> None:
        """Take what is known of the bar that comes for what was always played there."""
        if not coming:
            return
        self._state = {name: values.copy() for name, values in self._state.items()}
        for place, bass in coming.items():
            row = np.concatenate([bass[:, 0] > 0, bass[:, 0], bass[:, 2]])
            self._state["memory"][0, :, place] = row
            self._state["times"][0, place] = np.maximum(self._state["times"][0, place], 1)

    def _wished(self, chance: np.ndarray, place: int, bar: int, settings: Settings) -> np.ndarray:
        if bar not in USUAL_BARS:
            chance += PLAIN_SHARE * (_plain(place) - chance)
        pattern = self._styles.get(settings.style)
        if pattern is not None and bar == len(pattern):
            chance += STYLE_SHARE * (pattern[place] - chance)
        if settings.kick_with_bass:
            memories = self._state["memory"][0]
            began = memories[len(memories) // 2, place, :SIXTEENTHS]
            chance[:, KICK] += settings.kick_with_bass * (began - chance[:, KICK])
        return chance

    def _fill(
        self, struck: np.ndarray, velocity: np.ndarray, beat: int, place: int, bar: int, settings: Settings
    ) -> None:
        """Play the last beat of some phrases as a fill, and a crash with the kick after it."""
        if self._crash_due and place == 0:
            struck[0, [KICK, CRASH]], struck[0, TIME] = True, False
            velocity[0, CRASH] = max(velocity[0, CRASH], 0.8)
        self._crash_due = False
        number = beat // bar
        if place != bar - 1 or number % PHRASE_BARS != PHRASE_BARS - 1:
            return
        rng = np.random.default_rng([settings.seed, 7, number])
        if rng.random() >= settings.fills:
            return
        struck[:, TIME] = False
        toms = rng.random(SIXTEENTHS) < 0.6
        struck[:, TOM], struck[:, SNARE] = toms, ~toms
        velocity[:, [SNARE, TOM]] = (0.55 + 0.1 * np.arange(SIXTEENTHS))[:, None]
        self._crash_due = True

    def _hits(
        self, struck: np.ndarray, velocity: np.ndarray, late: np.ndarray, beat: int, settings: Settings,
        rng: np.random.Generator,
    ) -> list[Hit]:  # fmt: skip
        out = []
        noise = rng.normal(0, 1, (2, *struck.shape))
        for sixteenth, part in np.argwhere(struck):
            learned = late[sixteenth, part] + LATE_SPREAD * noise[0, sixteenth, part]
            place = beat + swung(sixteenth / SIXTEENTHS, settings.middle) + settings.humanise * learned / SIXTEENTHS
            hard = velocity[sixteenth, part] + settings.humanise * VELOCITY_SPREAD * noise[1, sixteenth, part]
            hard *= settings.loudness
            note = NOTES[part]
            if part == TIME and settings.intensity >= RIDE_FROM:
                note = RIDE
            if part == TOM:
                note = (HIGH_TOM, HIGH_TOM, NOTES[TOM], LOW_TOM)[sixteenth]
            out.append(Hit(float(place), note, int(np.clip(round(127 * hard), 1, 127))))
        return sorted(out, key=lambda hit: (hit.place, hit.note))


def _plain(place: int) -> np.ndarray:
    """Return the chances of a beat of eighths on the timekeeper, kick on the odd beats, snare on the even ones: (sixteenths, parts)."""
    plain = np.zeros((SIXTEENTHS, len(PARTS)), np.float32)
    plain[::2, TIME] = plain[0, SNARE if place % 2 else KICK] = PLAIN_CHANCE
    return plain


def _in_three(struck: np.ndarray, velocity: np.ndarray) -> None:
    """Leave the last sixteenth out, and keep time on the second where it is kept on those beside it."""
    struck[3] = False
    between = (struck[0, TIME] or struck[0, CRASH]) and struck[2, TIME]
    if between and not struck[1, TIME]:
        struck[1, TIME], velocity[1, TIME] = True, velocity[2, TIME]


def swung(place: float, swing: float) -> float:
    """Return where a place in a beat, 0..1, lies when its middle is moved to `swing` percent; the rest follows in proportion."""
    middle = swing / 100
    return place * 2 * middle if place < 0.5 else middle + (place - 0.5) * 2 * (1 - middle)


def unswung(place: float, swing: float) -> float:
    """Return the place in an even beat of what is at `place` in one that is swung."""
    middle = swing / 100
    return place / (2 * middle) if place < middle else 0.5 + (place - middle) / (2 * (1 - middle))
