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


@dataclass(frozen=True, slots=True)
class Transport:
    """What the host's transport does from `sample` on, until the next one: never given by a player.

    A beat is a quarter note in any metre. playing: whether it rolls. host_sample: the host's own clock, which loops, jumps
    and may be negative. tempo_bpm: 0 where the host knows none, and then the rest says nothing. position: beats since the
    host's origin. bar: from 1. beat: where in the bar, from 0, with its fraction. beats_a_bar: 4 in 4/4, 3 in 6/8.
    """

    sample: float
    playing: bool
    host_sample: int
    tempo_bpm: float = 0.0
    position: float = 0.0
    bar: int = 1
    beat: float = 0.0
    beats_a_bar: float = 4.0


DRUM_CHANNEL = 9  # of General MIDI: channel 10, as musicians count

Event: TypeAlias = NoteOn | NoteOff | ControlChange | PitchBend
"""What MIDI can say; the only kind that a player gives."""
HostEvent: TypeAlias = Event | Transport
"""What may come in with a block."""
EventT = TypeVar("EventT", bound=NoteOn | NoteOff | ControlChange | PitchBend | Transport)

# At one sample a note ends before it starts again, and controllers move before the note they shape.
_RANK: dict[type, int] = {Transport: -1, NoteOff: 0, ControlChange: 1, PitchBend: 2, NoteOn: 3}


def time_order(event: HostEvent) -> tuple[float, int, int, int]:
    """Sort key: by sample, then transport, note-offs, controllers, bends and note-ons, then by channel and pitch."""
    return event.sample, _RANK[type(event)], getattr(event, "channel", 0), getattr(event, "pitch", 0)


def moved(event: EventT, sample: float) -> EventT:
    """Return the same event at another sample."""
    return replace(event, sample=sample)
