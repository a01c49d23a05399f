"""A stream's parameters as OSC addresses of their own, /backline/stream/<number>/<parameter>, so that controllers map themselves.

A word or a text is sent as a string, a number as a float, and a choice of on and off as true and false. What is out of range is
clipped, since a fader rounds; /backline/stream/set refuses it instead.
"""

import re
from collections.abc import Mapping, Sequence

from models.manifest import Manifest, ManifestError, Parameter
from server.errors import BacklineError

OscValue = str | float | bool

_ADDRESS = re.compile(r"/backline/stream/([0-9]{1,9})/([A-Za-z_][A-Za-z0-9_]*)")


def parameter_address(address: str) -> tuple[int, str] | None:
    """Return the stream and the parameter that an address means; None for any other address."""
    match = _ADDRESS.fullmatch(address)
    return (int(match[1]), match[2]) if match else None


def find_parameter(manifest: Manifest, name: str) -> Parameter:
    """Return the parameter called `name`. Raises BacklineError with the names there are."""
    try:
        return manifest.parameter(name)
    except ManifestError as error:
        raise BacklineError(str(error)) from error


def current_values(manifest: Manifest, settings: Mapping[str, str | float]) -> dict[str, float | str]:
    """Return all parameters of a stream that was opened, and changed since, with `settings`; `pace` and the like are none."""
    known = {parameter.name for parameter in manifest.facing(settings).stream_parameters}
    return manifest.resolve({name: value for name, value in settings.items() if name in known})


def is_switch(parameter: Parameter) -> bool:
    """Whether it is a choice of on and off."""
    return set(parameter.choices) == {"on", "off"}


def as_osc(parameter: Parameter, value: float | str) -> OscValue:
    """Return a parameter's value as it is sent."""
    if is_switch(parameter):
        return value == "on"
    return str(value) if parameter.choices or parameter.text else float(value)


def from_osc(parameter: Parameter, arguments: Sequence[object]) -> str:
    """Return what was sent as a value of the parameter. Raises BacklineError with what is allowed."""
    if len(arguments) != 1 or not isinstance(arguments[0], str | int | float):
        raise BacklineError(f"{parameter.name} takes one value, got {len(arguments)}: {arguments!r:.60}")
    value = arguments[0]
    try:
        if is_switch(parameter) and not isinstance(value, str):
            return "on" if value else "off"
        if not (parameter.choices or parameter.text or isinstance(value, str)):
            value = min(max(float(value), _bound(parameter.minimum, "-inf")), _bound(parameter.maximum, "inf"))
        return str(parameter.parse(value))
    except (ManifestError, OverflowError) as error:
        raise BacklineError(str(error)) from error


def _bound(limit: float | None, none: str) -> float:
    return float(none) if limit is None else limit
