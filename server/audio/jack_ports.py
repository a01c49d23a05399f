"""The ports of one client: what the model hears and plays decides which there are."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any  # Any: objects of JACK-Client, which has no types

from plugin_bridge.client import BridgeClient, BridgeError

NOTE_KINDS = frozenset(("notes", "drums", "roll"))


@dataclass(frozen=True, slots=True)
class Ports:
    """Own ports of JACK-Client, None where the model has nothing to do with one.

    clock_in: where a MIDI clock comes in; midi_in where there is one. It carries no latency on.
    """

    audio_in: Any
    midi_in: Any
    midi_out: Any
    audio_out: Any
    clock_in: Any

    @property
    def inputs(self) -> list[Any]:
        """Those that there are."""
        return [port for port in (self.audio_in, self.midi_in) if port is not None]

    @property
    def outputs(self) -> list[Any]:
        """Those that there are."""
        return [port for port in (self.midi_out, self.audio_out) if port is not None]


def described(bridge: BridgeClient, model: str, direction: object) -> dict[str, Any]:
    """Return the server's word about `model`, as `backline models --json`. Raises BridgeError.

    direction: the one that its stream is opened in, where that is not the model's default.
    """
    row: dict[str, Any] = json.loads(str(bridge.request("/backline/models")[0])).get(model, {})
    if "problem" in row:
        raise BridgeError(str(row["problem"]))
    turned: dict[str, Any] = row.get("directions", {}).get(direction, row)
    return turned


def register_ports(client: Any, row: Mapping[str, Any]) -> Ports:
    """Give the client the ports that what was said about the model asks for."""
    heard, played = set(row.get("in", ())), set(row.get("out", ()))
    midi_in = client.midi_inports.register("midi_in") if heard & NOTE_KINDS else None
    return Ports(
        client.inports.register("audio_in") if "audio" in heard else None,
        midi_in,
        client.midi_outports.register("midi_out") if played & NOTE_KINDS else None,
        client.outports.register("audio_out") if "audio" in played else None,
        midi_in or client.midi_inports.register("clock_in"),
    )
