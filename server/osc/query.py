"""The OSC address space as OSCQuery tells it: a tree of JSON objects, so that controllers and show software map themselves.

    /backline/...                        the commands of plugin_bridge.protocol_table, write-only
    /backline/stream/<n>/<parameter>     every parameter of an open stream, with its range and unit
    /backline/stream/<n>/status/<name>   what the stream says of itself, read-only

Attributes are those of the OSCQuery proposal (Vidvox); one that a node does not have is left out of it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any  # Any: JSON

from models.manifest import Parameter
from plugin_bridge.protocol_table import TABLE
from server.osc.parameters import OscValue, as_osc, is_switch

READ, WRITE = 1, 2
EXTENSIONS = (
    "ACCESS",
    "VALUE",
    "RANGE",
    "DESCRIPTION",
    "TAGS",
    "UNIT",
    "CLIPMODE",
    "LISTEN",
    "IGNORE",
    "PATH_ADDED",
    "PATH_REMOVED",
)
ATTRIBUTES = ("FULL_PATH", "CONTENTS", "TYPE", "ACCESS", "VALUE", "RANGE", "DESCRIPTION", "TAGS", "UNIT", "CLIPMODE")
UNITS = {"Hz": "time.hz", "ms": "time.ms", "dB": "gain.db", "pitch": "time.midinote", "samples": "time.samples"}
"""Our units in the proposal's words; others go out as they are."""

Node = dict[str, Any]

KEEP: Node = {
    "TYPE": "T", "ACCESS": WRITE, "DESCRIPTION": "true keeps what was just played, false lets it be asked again",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class StreamNode:
    """An open stream as the tree needs it. status: name -> (value, description, unit)."""

    number: int
    model: str
    parameters: tuple[Parameter, ...]
    values: Mapping[str, float | str]
    status: Mapping[str, tuple[OscValue, str, str]]


def host_info(name: str, osc: tuple[str, int], web: tuple[str, int]) -> Node:
    """Return what ?HOST_INFO tells: where OSC and the WebSocket are, and what of the proposal is there.

    The proposal knows one transport, UDP or TCP. Ours is named beside it: TCP_PORT, and how its packets are framed.
    """
    info: Node = {
        "NAME": name,
        "OSC_IP": osc[0],
        "OSC_PORT": osc[1],
        "OSC_TRANSPORT": "UDP",
        "TCP_PORT": osc[1],
        "TCP_FRAMING": "SLIP",
        "WS_IP": web[0],
        "WS_PORT": web[1],
    }
    if osc[0] == "0.0.0.0":  # every address of this machine: the one that was asked is as good as any
        del info["OSC_IP"], info["WS_IP"]
    return info | {"EXTENSIONS": dict.fromkeys(EXTENSIONS, True)}


def build_tree(streams: Iterable[StreamNode]) -> Node:
    """Return the whole address space."""
    root: Node = {"FULL_PATH": "/", "CONTENTS": {}, "DESCRIPTION": "Backline: trained players for a DAW", "ACCESS": 0}
    for entry in TABLE:
        if entry.direction == "command":
            _put(root, entry.address, _command(entry.tags, entry.arguments, entry.meaning))
    for stream in streams:
        path = f"/backline/stream/{stream.number}"
        _put(root, path, {"DESCRIPTION": f"a stream of {stream.model}", "TAGS": [stream.model]})
        _put(root, f"{path}/keep", KEEP | {"TAGS": ["command"]})
        for parameter in stream.parameters:
            _put(root, f"{path}/{parameter.name}", _parameter(parameter, stream.values[parameter.name]))
        for name, (value, meaning, unit) in stream.status.items():
            _put(root, f"{path}/status/{name}", _leaf(value, READ, meaning, unit, ["status"]))
    return root


def find(root: Node, path: str) -> Node | None:
    """Return the node at an address; None where there is none."""
    node = root
    for name in path.strip("/").split("/") if path.strip("/") else ():
        node = node.get("CONTENTS", {}).get(name)
        if node is None:
            return None
    return node


def type_of(value: OscValue) -> str:
    """Return the OSC type tag of a value."""
    if isinstance(value, bool):
        return "T" if value else "F"
    if isinstance(value, str):
        return "s"
    return "i" if isinstance(value, int) else "f"


def _put(root: Node, path: str, node: Node) -> None:
    """Place a node, with the containers on the way to it; what is there already keeps its contents."""
    here = root
    names = path.strip("/").split("/")
    for depth, name in enumerate(names, 1):
        full = "/" + "/".join(names[:depth])
        here = here.setdefault("CONTENTS", {}).setdefault(name, {"FULL_PATH": full, "ACCESS": 0})
    here.update(node)


def _command(tags: str, arguments: str, meaning: str) -> Node:
    node: Node = {
        "ACCESS": WRITE,
        "DESCRIPTION": f"{meaning} ({arguments})" if arguments else meaning,
        "TAGS": ["command"],
    }
    return node | ({"TYPE": tags} if tags else {})


def _leaf(value: OscValue, access: int, meaning: str, unit: str, tags: list[str]) -> Node:
    node: Node = {"TYPE": type_of(value), "ACCESS": access, "VALUE": [value], "DESCRIPTION": meaning, "TAGS": tags}
    return node | ({"UNIT": [UNITS.get(unit, unit)]} if unit else {})


def _parameter(parameter: Parameter, value: float | str) -> Node:
    access = READ if parameter.fixed else READ | WRITE
    node = _leaf(as_osc(parameter, value), access, parameter.description, parameter.unit, ["parameter"])
    if is_switch(parameter) or parameter.text:
        return node
    if parameter.choices:
        return node | {"RANGE": [{"VALS": list(parameter.choices)}]}
    limits = {"MIN": parameter.minimum, "MAX": parameter.maximum}
    return node | {
        "RANGE": [{name: limit for name, limit in limits.items() if limit is not None}],
        "CLIPMODE": ["both"],
    }
