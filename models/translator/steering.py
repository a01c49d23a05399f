"""What steers a stream that plays: parameters, controllers and a path in; the place of the sound, on its way to where they say, out.

A path takes the place of `instrument` and of what is morphed to; a hand on the map is above both. Every move is smoothed over some hops,
so that nothing clicks.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from models.events import ControlChange
from models.manifest import Manifest
from models.translator.notes import DYNAMICS, INSTRUMENTS
from models.translator.paths import Label, Spot, read_path

POSITION = ("map_x", "map_y", "map", "space_3", "space_4", "space_5", "space_6")
NUMBERS = ("morph", *POSITION, "dynamics", "gain_db", "transpose")
WORDS = ("instrument", "morph_instrument", "morph_dynamics")
PATH = "path"
SAME = "same"
SMOOTH_SECONDS = 0.03  # until a number has gone two thirds of its way
CONTROLLERS = dict(zip((1, *range(16, 23)), ("morph", *POSITION), strict=True))
"""Controller -> the parameter that it turns, from end to end with 64 in the middle, until the parameter itself is set again."""


class Steering:
    """One stream's hands. Called once a hop."""

    def __init__(self, manifest: Manifest, settings: Mapping[str, float | str], hop: int, sample_rate: int) -> None:
        """Raises ManifestError where the settings' path is none."""
        self._parameters = {name: manifest.parameter(name) for name in (*NUMBERS, *WORDS, PATH)}
        self._rate = sample_rate
        self._keep = float(np.exp(-hop / (SMOOTH_SECONDS * sample_rate)))
        self._values: dict[str, float] = {name: float(settings[name]) for name in NUMBERS}
        self._words: dict[str, str] = {name: str(settings[name]) for name in WORDS}
        self._path = read_path(str(settings[PATH]))
        self.reset()

    def reset(self) -> None:
        """Forget where the sound was and what controllers said; the path begins with the next hop."""
        self._turned: dict[str, float] = {}  # by controllers
        self._begun: float | None = None  # the sample at which the path begins
        self.settle()

    def settle(self) -> None:
        """Nothing sounds: what comes next is where it is steered to at once."""
        self.moving: dict[str, float] = {}  # numbers as they sound
        self._mixed: np.ndarray | None = None

    def set(self, name: str, value: float | str) -> None:
        """Change a parameter; see StreamProcessor.set. A path begins with the next hop."""
        if name not in self._parameters:
            raise KeyError(name)
        parsed = self._parameters[name].parse(value)
        if name == PATH:
            self._path, self._begun = read_path(str(parsed)), None
        elif name in WORDS:
            self._words[name] = str(parsed)
        else:
            self._values[name] = float(parsed)
            self._turned.pop(name, None)

    def turn(self, event: ControlChange) -> None:
        """Take a controller; nothing happens if it is none of CONTROLLERS."""
        if event.control in CONTROLLERS:
            parameter = self._parameters[CONTROLLERS[event.control]]
            low, high = float(parameter.minimum or 0.0), float(parameter.maximum or 0.0)
            places = (low, (low + high) / 2, high)
            self._turned[parameter.name] = float(np.interp(event.value, (0, 64, 127), places))

    def begin(self, sample: float) -> None:
        """The path begins anew there."""
        self._begun = sample

    @property
    def transpose(self) -> int:
        """Semitones."""
        return round(self._values["transpose"])

    @property
    def strength(self) -> float:
        """What is added to every note's dynamics, in shares of pp to ff."""
        return self._values["dynamics"]

    @property
    def gain(self) -> float:
        """The level as a factor."""
        return float(10 ** (self.moving["gain_db"] / 20))

    def step(self, start: int, end: int) -> tuple[Label, Label]:
        """The labels on either side of where the sound is at sample `end` of the hop from `start` on; `moving` goes on by the hop."""
        self._begun = start if self._begun is None else self._begun
        spot = self._path.at((end - self._begun) / self._rate) if self._path is not None else self._unmoved()
        path = {"morph": spot.morph, "path_x": spot.x, "path_y": spot.y, "path": spot.pull}
        for name, value in (self._values | self._turned | path).items():
            self.moving[name] = self.eased(value, self.moving.get(name, value))
        own = INSTRUMENTS.index(self._words["instrument"])
        here, there = (Label(own if i is None else i, dynamics) for i, dynamics in (spot.here, spot.there))
        return here, there

    def morph(self) -> np.ndarray:
        """(1, 1) float32: how far the sound is on the way from the one label to the other."""
        return np.array([[self.moving["morph"]]], np.float32)

    def position(self) -> np.ndarray:
        """(1, 7) float32, as POSITION: where on the map and how much that counts, drawn to the path's point and then to the hand's; the
        other axes."""
        path, hand = self.moving["path"], self.moving["map"]
        pull = 1 - (1 - path) * (1 - hand)
        share = hand / pull if pull > 0 else 1.0
        x, y = (share * self.moving[f"map_{axis}"] + (1 - share) * self.moving[f"path_{axis}"] for axis in "xy")
        return np.array([[x, y, pull, *(self.moving[name] for name in POSITION[3:])]], np.float32)

    def eased(self, wanted: float, now: float) -> float:
        """A hop's step from `now` towards what is wanted."""
        return wanted + self._keep * (now - wanted)

    def mixed(self, symbols: np.ndarray) -> np.ndarray:
        """Symbols of the voices and what they morph to (voices, 2, SYMBOLS) -> the same with a change of instrument that is under way:
        shares of the old and of the new."""
        size = len(INSTRUMENTS)
        common = symbols.max(0)[:, :size]  # every voice has the same instruments
        self._mixed = common if self._mixed is None else common + self._keep * (self._mixed - common)
        taken = (symbols > 0).any(2, keepdims=True)
        return np.concatenate([np.where(taken, self._mixed, 0), symbols[..., size:]], 2).astype(np.float32)

    def _unmoved(self) -> Spot:
        """Where the sound is by its parameters, without a path."""
        instrument, dynamics = (self._words[f"morph_{name}"] for name in ("instrument", "dynamics"))
        there = Label(
            None if instrument == SAME else INSTRUMENTS.index(instrument),
            None if dynamics == SAME else DYNAMICS.index(dynamics),
        )
        return Spot(Label(), there, self._turned.get("morph", self._values["morph"]))
