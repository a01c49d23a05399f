"""What a model says about itself, and what that is in one of the directions that it works in.

docs/model-file.md documents the format for people who bring their own model. How JSON becomes a manifest is
`models.manifest_reading`, how it gets into and out of a file `models.model_file`.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, TypeVar  # Any: JSON values before they are checked

from models.rhythm.grid import STEPS

CONTRACT = 1
"""Version of this format. A file with another number is refused."""

Clock = Literal["hop", "sixteenth", "beat", "bar", "event"]
PortKind = Literal["audio", "notes", "roll", "magnitude", "drums"]
LONGEST_TEXT = 400  # characters of a parameter that is a text
DIRECTION = "direction"
"""The parameter whose choices are the directions that a model works in, for instance audio to notes and notes to audio."""


LONGEST_REASON = 1000  # signs: a value that is wrong may be a megabyte long


class ManifestError(ValueError):
    """A manifest breaks the format; the message names the field, its value and what is allowed, in one line of some length."""

    def __init__(self, text: str) -> None:
        line = "".join(sign if sign.isprintable() else " " for sign in text[: LONGEST_REASON + 1])
        super().__init__(line if len(line) <= LONGEST_REASON else line[:LONGEST_REASON] + "...")


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One tensor of a graph. shape: sizes after the batch axis. initial: the value a state starts with."""

    name: str
    shape: tuple[int, ...]
    initial: float = 0.0


@dataclass(frozen=True, slots=True)
class GraphSpec:
    """One step graph: its clock and its tensors. State is fed as `state/<path>`, returned as `next_state/<path>`.

    file, checksum: its .onnx beside manifest.json, in a model of several; both empty in a model that is one file.
    directions: those that it is needed in, as everywhere below; empty means all.
    """

    name: str
    clock: Clock
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    state: tuple[TensorSpec, ...] = ()
    file: str = ""
    checksum: str = ""
    directions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Port:
    """What a player takes from or gives to the host."""

    name: str
    kind: PortKind
    channels: int = 0
    unit: str = ""
    directions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Parameter:
    """A setting. Numbers have minimum and maximum, words have choices. fixed: chosen when the stream opens.

    text: words of one's own, up to LONGEST_TEXT characters; what they may say the player checks, with a ManifestError of its own.
    """

    name: str
    default: float | str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    unit: str = ""
    fixed: bool = False
    description: str = ""
    directions: tuple[str, ...] = ()
    text: bool = False

    def parse(self, value: object) -> float | str:
        """Return `value` as this parameter's type. Raises ManifestError with what is allowed."""
        if self.choices:
            for choice in self.choices:
                if str(value) == choice or _same_number(value, choice):
                    return choice
            raise ManifestError(f"{self.name} is '{value}'; allowed: {', '.join(self.choices)}")
        if self.text:
            words = str(value).strip()
            if len(words) > LONGEST_TEXT or not words.isprintable():
                raise ManifestError(
                    f"{self.name} is '{words:.40}', {len(words)} characters; allowed: {LONGEST_TEXT} in one line"
                )
            return words
        try:
            number = float(str(value))
        except ValueError:
            number = float("nan")
        low = float("-inf") if self.minimum is None else self.minimum
        high = float("inf") if self.maximum is None else self.maximum
        if not low <= number <= high:
            raise ManifestError(f"{self.name} is '{value}'; allowed: {low:g} to {high:g} {self.unit}".rstrip())
        return number


NOTE_STREAM_PARAMETERS = (
    Parameter("quantise", "off", choices=("off", *STEPS), fixed=True,
              description="the rhythm's lines that notes are moved to; t: triplets"),
    Parameter("quantise_strength", 100.0, 0.0, 100.0, unit="%", description="how much of the way to its line a note goes"),
    Parameter("swing", 50.0, 50.0, 75.0, unit="%", description="where every second line lies between its neighbours"),
    Parameter("tempo_bpm", 120.0, 20.0, 300.0, unit="bpm", description="the tempo, where the host's transport tells none"),
    Parameter("mpe", "off", choices=("off", "on"), fixed=True,
              description="MIDI polyphonic expression: a channel of its own for every note, so that one can bend alone"),
)  # fmt: skip
"""What every stream of notes has, whatever the model: done to its notes on their way out."""
NOTE_KINDS = ("notes", "drums", "roll")


@dataclass(frozen=True, slots=True)
class Head:
    """One look-ahead a stream can be opened with: its name in milliseconds and its exact size in samples."""

    look_ahead_ms: float
    look_ahead: int
    directions: tuple[str, ...] = ()


_Part = TypeVar("_Part", GraphSpec, Port, Head, Parameter)


def _there(parts: tuple[_Part, ...], direction: str) -> tuple[_Part, ...]:
    return tuple(part for part in parts if not part.directions or direction in part.directions)


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything the server needs to know before it loads a model. Sizes are in samples of `sample_rate`."""

    name: str
    title: str
    licence: str
    sample_rate: int
    hop: int
    decoder: str
    graphs: tuple[GraphSpec, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    heads: tuple[Head, ...]
    parameters: tuple[Parameter, ...] = ()
    paper: str = ""
    trained_on: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)  # Any: each decoder checks its own
    quality: dict[str, float] = field(default_factory=dict)
    checksum: str = ""
    contract: int = CONTRACT

    @property
    def directions(self) -> tuple[str, ...]:
        """The directions that the model works in, the one that is meant where nobody says it first; none where it has but one way."""
        for parameter in self.parameters:
            if parameter.name == DIRECTION and parameter.choices:
                first = str(parameter.parse(parameter.default))
                return (first, *(choice for choice in parameter.choices if choice != first))
        return ()

    def facing(self, values: Mapping[str, Any]) -> "Manifest":
        """Return the manifest with what is there in the direction that `values` name, else in the default one.

        Its own default direction is that one, so that it keeps facing there. Raises ManifestError where there is no such direction.
        """
        if not self.directions:
            return self
        direction = str(self.parameter(DIRECTION).parse(values.get(DIRECTION, self.directions[0])))
        turned = tuple(replace(p, default=direction) if p.name == DIRECTION else p for p in self.parameters)
        return replace(
            self, graphs=_there(self.graphs, direction), inputs=_there(self.inputs, direction), outputs=_there(self.outputs, direction),
            heads=_there(self.heads, direction), parameters=_there(turned, direction),
        )  # fmt: skip

    @property
    def stream_parameters(self) -> tuple[Parameter, ...]:
        """What a stream of this model is opened with: its own parameters and, where it gives notes, those of all such streams."""
        gives_notes = any(port.kind in NOTE_KINDS for port in self.outputs)
        return (*self.parameters, *NOTE_STREAM_PARAMETERS) if gives_notes else self.parameters

    def parameter(self, name: str) -> Parameter:
        """Return the parameter called `name`. Raises ManifestError with the names there are."""
        for parameter in self.stream_parameters:
            if parameter.name == name:
                return parameter
        known = ", ".join(p.name for p in self.stream_parameters) or "none"
        raise ManifestError(f"model '{self.name}' has no parameter '{name}'; it has: {known}")

    def resolve(self, given: Mapping[str, str | float]) -> dict[str, float | str]:
        """Return all parameters of the direction that is given, with `given` laid over the defaults, each checked.

        A look-ahead that is `auto` becomes what the settings' `auto_look_ahead_ms` holds for the chosen stream (in the
        chosen direction, where that has its own).
        """
        faced = self.facing(given)
        values = {p.name: p.default for p in faced.stream_parameters}
        for name, value in given.items():
            values[name] = faced.parameter(name).parse(value)
        if values.get("look_ahead_ms") == "auto":
            auto = self.settings["auto_look_ahead_ms"]
            auto = auto[values[DIRECTION]] if values.get(DIRECTION) in auto else auto
            values["look_ahead_ms"] = float(auto[values.get("stream", "commit")])
        if "look_ahead_ms" in values:
            faced.head(float(values["look_ahead_ms"]))
        return values

    def head(self, look_ahead_ms: float) -> Head:
        """Return the head of that look-ahead. Raises ManifestError with the ones there are."""
        for head in self.heads:
            if abs(head.look_ahead_ms - look_ahead_ms) < 0.01:
                return head
        offered = ", ".join(f"{h.look_ahead_ms:g}" for h in self.heads)
        raise ManifestError(f"look_ahead_ms is {look_ahead_ms:g}; model '{self.name}' offers: {offered}")

    def to_json(self) -> str:
        """Return the manifest as compact JSON text. Objects keep their order: a decoder's settings may mean something by it."""
        return json.dumps(asdict(self), separators=(",", ":"))


def _same_number(value: object, choice: str) -> bool:
    """Whether a value is a choice written another way: 16.0 for 16."""
    try:
        return float(str(value)) == float(choice)
    except ValueError:
        return False
