"""What a model file says about itself: read from JSON, checked once, trusted afterwards.

docs/model-file.md documents the format for people who bring their own model. The manifest is data; how it
gets into and out of a file is `models.model_file`.
"""

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal  # Any: JSON values before they are checked

from models.rhythm.grid import STEPS

CONTRACT = 1
"""Version of this format. A file with another number is refused."""

Clock = Literal["hop", "sixteenth", "beat", "bar", "event"]
PortKind = Literal["audio", "notes", "roll", "magnitude", "drums"]
CLOCKS = ("hop", "sixteenth", "beat", "bar", "event")
PORT_KINDS = ("audio", "notes", "roll", "magnitude", "drums")


class ManifestError(ValueError):
    """A manifest breaks the format; the message names the field, its value and what is allowed."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One tensor of a graph. shape: sizes after the batch axis. initial: the value a state starts with."""

    name: str
    shape: tuple[int, ...]
    initial: float = 0.0


@dataclass(frozen=True, slots=True)
class GraphSpec:
    """One step graph: its clock and its tensors. State is fed as `state/<path>`, returned as `next_state/<path>`."""

    name: str
    clock: Clock
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    state: tuple[TensorSpec, ...] = ()


@dataclass(frozen=True, slots=True)
class Port:
    """What a player takes from or gives to the host."""

    name: str
    kind: PortKind
    channels: int = 0
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A setting. Numbers have minimum and maximum, words have choices. fixed: chosen when the stream opens."""

    name: str
    default: float | str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    unit: str = ""
    fixed: bool = False
    description: str = ""

    def parse(self, value: object) -> float | str:
        """Return `value` as this parameter's type. Raises ManifestError with what is allowed."""
        if self.choices:
            for choice in self.choices:
                if str(value) == choice or _same_number(value, choice):
                    return choice
            raise ManifestError(f"{self.name} is '{value}'; allowed: {', '.join(self.choices)}")
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

    def resolve(self, given: dict[str, str | float]) -> dict[str, float | str]:
        """Return all parameters with `given` laid over the defaults, each checked.

        A look-ahead that is `auto` becomes what the settings' `auto_look_ahead_ms` holds for the chosen stream.
        """
        values = {p.name: p.default for p in self.stream_parameters}
        for name, value in given.items():
            values[name] = self.parameter(name).parse(value)
        if values.get("look_ahead_ms") == "auto":
            values["look_ahead_ms"] = float(self.settings["auto_look_ahead_ms"][values.get("stream", "commit")])
        if "look_ahead_ms" in values:
            self.head(float(values["look_ahead_ms"]))
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


def parse_manifest(text: str) -> Manifest:
    """Build a manifest from JSON. Raises ManifestError that names the first broken field."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: also a number of more digits than Python reads
        raise ManifestError(f"the manifest is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise ManifestError("the manifest is not a JSON object")
    if data.get("contract") != CONTRACT:
        raise ManifestError(f"contract is {data.get('contract')}; this Backline reads contract {CONTRACT}")
    try:
        manifest = _build(data)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        if isinstance(error, ManifestError):
            raise
        raise ManifestError(f"the manifest is incomplete or has a wrong type: {error!r}") from error
    _check(manifest)
    return manifest


def _build(data: dict[str, Any]) -> Manifest:
    plain = dict(data)
    plain["graphs"] = tuple(_graph(g) for g in data["graphs"])
    plain["inputs"] = tuple(Port(**p) for p in data["inputs"])
    plain["outputs"] = tuple(Port(**p) for p in data["outputs"])
    plain["heads"] = tuple(Head(**h) for h in data["heads"])
    plain["parameters"] = tuple(Parameter(**{**p, "choices": tuple(p.get("choices", ()))}) for p in data["parameters"])
    plain["trained_on"] = tuple(data.get("trained_on", ()))
    return Manifest(**plain)


def _graph(data: dict[str, Any]) -> GraphSpec:
    tensors = {key: tuple(_tensor(t) for t in data.get(key, ())) for key in ("inputs", "outputs", "state")}
    return GraphSpec(**{**data, **tensors})


def _tensor(data: dict[str, Any]) -> TensorSpec:
    return TensorSpec(**{**data, "shape": tuple(int(n) for n in data["shape"])})


_PLAIN: dict[Any, tuple[tuple[type, ...], str]] = {  # Any: annotations as dataclasses give them
    str: ((str,), "text"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    bool: ((bool,), "true or false"),
    float | None: ((int, float, type(None)), "a number"),
    float | str: ((int, float, str), "a number or text"),
    tuple[str, ...]: ((tuple,), "a list of texts"),
    dict[str, Any]: ((dict,), "an object"),
    dict[str, float]: ((dict,), "an object of numbers"),
}
"""Annotation -> the types a JSON value may have for it, and their name in a sentence."""


def _check_types(item: object) -> None:
    """Raise ManifestError where a field of `item`, or of what it holds, has another type than it is declared with."""
    for spec in fields(item):  # type: ignore[arg-type]
        value = getattr(item, spec.name)
        allowed, words = _PLAIN.get(spec.type, ((), ""))
        texts = spec.type == tuple[str, ...] and any(type(v) is not str for v in value)
        numbers = (
            spec.type == dict[str, float]
            and type(value) is dict
            and any(type(v) not in (int, float) for v in value.values())
        )
        if words and (type(value) not in allowed or texts or numbers):
            raise ManifestError(f"{spec.name} is {value!r}; it must be {words}")
        if not words and isinstance(value, tuple):
            for inner in value:
                if hasattr(inner, "__dataclass_fields__"):
                    _check_types(inner)


def _check(manifest: Manifest) -> None:
    _check_types(manifest)
    if not manifest.name.isidentifier():
        raise ManifestError(f"name is '{manifest.name}'; allowed: letters, digits and underscores")
    if not 8000 <= manifest.sample_rate <= 192_000:
        raise ManifestError(f"sample_rate is {manifest.sample_rate}; allowed: 8000 to 192000 Hz")
    if not 1 <= manifest.hop <= 65_536:
        raise ManifestError(f"hop is {manifest.hop}; allowed: 1 to 65536 samples")
    if not manifest.graphs or not manifest.heads:
        raise ManifestError("a manifest names at least one graph and one head")
    for graph in manifest.graphs:
        if graph.clock not in CLOCKS:
            raise ManifestError(f"clock is '{graph.clock}'; allowed: {', '.join(CLOCKS)}")
        for tensor in (*graph.inputs, *graph.outputs, *graph.state):
            if min(tensor.shape, default=1) < 1:
                raise ManifestError(f"tensor '{tensor.name}' has shape {tensor.shape}; sizes start at 1")
    for port in (*manifest.inputs, *manifest.outputs):
        if port.kind not in PORT_KINDS:
            raise ManifestError(f"port '{port.name}' is of kind '{port.kind}'; allowed: {', '.join(PORT_KINDS)}")
    for head in manifest.heads:
        if head.look_ahead < 0:
            raise ManifestError(f"look_ahead is {head.look_ahead}; allowed: 0 or more samples")
    taken = {parameter.name for parameter in NOTE_STREAM_PARAMETERS}
    for parameter in manifest.parameters:
        if parameter.name in taken:
            raise ManifestError(f"parameter '{parameter.name}' has the name of one that every stream of notes has")
        parameter.parse(parameter.default)
