"""Musical events as frozen values: what models emit and hosts send.

Bytes belong to the MIDI edge (`plugin_bridge.protocol`, `server.midi`); here are only meanings. `sample` is the
place on the stream clock. At the host's side it is whole; inside a model whose rate is not the host's it may
carry a fraction, so that the way there and back is exact.
"""

from dataclasses import dataclass, replace
from typing import TypeAlias, TypeVar


@dataclass(frozen=True, slots=True)
class NoteOn:
    """A pitch starts to sound: pitch 0..127, velocity 1..127, channel 0..15."""

    sample: float
    pitch: int
    velocity: int
    channel: int = 0


@dataclass(frozen=True, slots=True)
class NoteOff:
    """A sounding pitch ends: pitch 0..127, release velocity 0..127, channel 0..15."""

    sample: float
    pitch: int
    velocity: int = 0
    channel: int = 0


@dataclass(frozen=True, slots=True)
class ControlChange:
    """A controller moves: control 0..119, value 0..127, channel 0..15."""

    sample: float
    control: int
    value: int
    channel: int = 0


@dataclass(frozen=True, slots=True)
class PitchBend:
    """The bend wheel moves: value -8192..8191, channel 0..15."""

    sample: float
    value: int
    channel: int = 0


Event: TypeAlias = NoteOn | NoteOff | ControlChange | PitchBend
EventT = TypeVar("EventT", bound=NoteOn | NoteOff | ControlChange | PitchBend)

# At one sample a note ends before it starts again, and controllers move before the note they shape.
_RANK: dict[type, int] = {NoteOff: 0, ControlChange: 1, PitchBend: 2, NoteOn: 3}


def time_order(event: Event) -> tuple[float, int, int, int]:
    """Sort key: by sample, then note-offs, controllers, bends and note-ons, then by channel and pitch."""
    return event.sample, _RANK[type(event)], event.channel, getattr(event, "pitch", 0)


def moved(event: EventT, sample: float) -> EventT:
    """Return the same event at another sample."""
    return replace(event, sample=sample)
