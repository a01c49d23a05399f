"""A manifest out of JSON: built, and checked once, so that whoever has one may trust it."""

import json
import re
from dataclasses import fields
from typing import Any, get_args  # Any: JSON values before they are checked

from models.manifest import (
    CONTRACT,
    DIRECTION,
    NOTE_STREAM_PARAMETERS,
    Clock,
    GraphSpec,
    Head,
    Manifest,
    ManifestError,
    Parameter,
    Port,
    PortKind,
    TensorSpec,
)

CLOCKS, PORT_KINDS = get_args(Clock), get_args(PortKind)
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\.onnx")


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
    plain["inputs"] = tuple(Port(**_listed(p)) for p in data["inputs"])
    plain["outputs"] = tuple(Port(**_listed(p)) for p in data["outputs"])
    plain["heads"] = tuple(Head(**_listed(h)) for h in data["heads"])
    plain["parameters"] = tuple(
        Parameter(**{**_listed(p), "choices": tuple(p.get("choices", ()))}) for p in data["parameters"]
    )
    plain["trained_on"] = tuple(data.get("trained_on", ()))
    return Manifest(**plain)


def _listed(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "directions": tuple(data.get("directions", ()))}


def _graph(data: dict[str, Any]) -> GraphSpec:
    tensors = {key: tuple(_tensor(t) for t in data.get(key, ())) for key in ("inputs", "outputs", "state")}
    return GraphSpec(**{**_listed(data), **tensors})


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
        if parameter.text and (parameter.choices or parameter.minimum is not None or parameter.maximum is not None):
            raise ManifestError(f"parameter '{parameter.name}' is a text, which has no choices, minimum or maximum")
        parameter.parse(parameter.default)
    _check_files(manifest)
    _check_directions(manifest)


def _check_files(manifest: Manifest) -> None:
    for graph in manifest.graphs:
        if graph.file and not _FILE.fullmatch(graph.file):
            raise ManifestError(f"graph '{graph.name}' is in '{graph.file}'; allowed: a plain name that ends in .onnx")
        if not graph.file and len(manifest.graphs) > 1:
            raise ManifestError(f"graph '{graph.name}' has no file; each of several graphs has its own")
    for what, words in (("name", [g.name for g in manifest.graphs]), ("file", [g.file for g in manifest.graphs])):
        twice = [word for word in words if words.count(word) > 1]
        if twice:
            raise ManifestError(f"{what} '{twice[0]}' is that of more than one graph; each has its own")


def _check_directions(manifest: Manifest) -> None:
    offered = manifest.directions
    parts: tuple[GraphSpec | Port | Head | Parameter, ...] = (
        *manifest.graphs, *manifest.inputs, *manifest.outputs, *manifest.heads, *manifest.parameters
    )  # fmt: skip
    for direction in (direction for part in parts for direction in part.directions):
        if direction not in offered:
            known = f"the choices of the parameter '{DIRECTION}': {', '.join(offered)}" if offered else "none"
            raise ManifestError(f"directions has '{direction}'; allowed: {known}")
    if not offered:
        return
    chosen = manifest.parameter(DIRECTION)
    if not chosen.fixed or chosen.directions:
        raise ManifestError(f"parameter '{DIRECTION}' must be fixed, and there in every direction")
    for direction in offered:
        faced = manifest.facing({DIRECTION: direction})
        for what, there in (("graph", faced.graphs), ("output", faced.outputs), ("head", faced.heads)):
            if not there:
                raise ManifestError(f"direction '{direction}' has no {what}")
        names = [parameter.name for parameter in faced.parameters]
        for name in names:
            if names.count(name) > 1:
                raise ManifestError(f"parameter '{name}' is there twice in direction '{direction}'")
