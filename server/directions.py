"""The directions of a model as clients are told them, and the one that somebody means who has not said it."""

from collections.abc import Callable, Collection
from typing import Any  # Any: descriptions are JSON

from models.manifest import DIRECTION, Manifest, ManifestError
from server.errors import BacklineError

Row = dict[str, Any]
Settings = dict[str, str | float]


def by_direction(manifest: Manifest, describe: Callable[[Manifest], Row]) -> Row:
    """Return what `describe` says of a model in its default direction, and under `directions` what it says in each by name."""
    rows = {direction: describe(manifest.facing({DIRECTION: direction})) for direction in manifest.directions}
    first = next(iter(rows.values())) if rows else describe(manifest)
    return {**first, "directions": rows}


def ports_of(manifest: Manifest) -> Row:
    """Return the kinds of a model's ports, as they are told."""
    return {"in": [port.kind for port in manifest.inputs], "out": [port.kind for port in manifest.outputs]}


def turned(
    manifest: Manifest, settings: Settings, heard: Collection[str], given: Collection[str]
) -> tuple[Manifest, Settings]:
    """Return a model in the direction that `settings` name, and `settings` with the one that is meant where they name none.

    That is the first that takes the kinds `heard` and gives the kinds `given`, else the first that takes what is heard, else the
    model's default. Raises BacklineError where the named one is none of the model's.
    """
    directions = () if DIRECTION in settings else manifest.directions
    faced = {direction: manifest.facing({DIRECTION: direction}) for direction in directions}
    taking = [direction for direction, each in faced.items() if all(takes(each, kind) for kind in heard)]
    fitting = [direction for direction in taking if all(gives(faced[direction], kind) for kind in given)]
    if taking:
        settings = {**settings, DIRECTION: (fitting or taking)[0]}
    try:
        return manifest.facing(settings), settings
    except ManifestError as error:
        raise BacklineError(str(error)) from error


def said_of(manifest: Manifest) -> str:
    """Return how a sentence names a model that faces a direction."""
    return f"model '{manifest.name}'" + (f" in direction '{manifest.directions[0]}'" if manifest.directions else "")


def takes(manifest: Manifest, kind: str) -> bool:
    """Whether a model takes audio, or notes."""
    return _among(kind, {port.kind for port in manifest.inputs})


def gives(manifest: Manifest, kind: str) -> bool:
    """Whether a model gives audio, notes or a spectrogram (magnitude)."""
    return _among(kind, {port.kind for port in manifest.outputs})


def _among(kind: str, kinds: set[str]) -> bool:
    return bool(kinds & {"notes", "drums"}) if kind == "notes" else kind in kinds
