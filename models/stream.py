"""What a player is to the rest of the house: a spec that never changes and a processor that turns hops into blocks.

The contract, proved for every player by one test (tests/contract): offline equals streamed, causal beyond the
look-ahead, events in time order and never before the declared place, reset equals new, no hanging note.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

from models.block import Block
from models.manifest import NOTE_KINDS, Head, Manifest

StreamKind = Literal["commit", "live"]
"""commit: every event at its place + latency, for the clip. live: as soon as the head allows, for the ear.

Audio is always at its place + latency, so that a stream that gives no notes is a commit stream at whichever head.
"""


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """What a stream eats and gives, in samples of the model's own rate.

    hop: samples a processor takes per call, exactly.
    channels_in, channels_out: audio channels; 0 means none that way.
    look_ahead: a decision about sample s is made in the hop that holds s + look_ahead, the window part included.
    live_delay: how far a live event is usually behind its onset; its file time is the emission less this.
    planned: its events are decided before their places, by what the transport says: live ones leave at their places, and where the
    transport breaks off nothing that was planned is played. ahead: a live stream's events are handed on so long before they are due.
    kept: its latency is bars long, so that what lies before a break still leaves after it, in a commit stream.
    """

    sample_rate: int
    hop: int
    channels_in: int
    channels_out: int
    look_ahead: int
    kind: StreamKind = "commit"
    live_delay: int = 0
    planned: bool = False
    ahead: int = 0
    kept: bool = False

    @property
    def earliest(self) -> int:
        """Samples behind the last sample of a hop at which an event may still be placed."""
        return self.look_ahead + self.hop - 1


def stream_spec(manifest: Manifest, head: Head, kind: StreamKind) -> StreamSpec:
    """Return the spec of a hop-clocked player at one of its heads; its channels are those of its audio ports.

    A live event leaves at the end of the hop that holds onset + look_ahead, half a hop after it on average. Where a player
    gives no notes, a live stream of it differs by its head alone, and declares that head's latency.
    """
    channels = [
        sum(port.channels for port in side if port.kind == "audio") for side in (manifest.inputs, manifest.outputs)
    ]
    if not any(port.kind in NOTE_KINDS for port in manifest.outputs):
        kind = "commit"
    delay = head.look_ahead + manifest.hop // 2 if kind == "live" else 0
    return StreamSpec(manifest.sample_rate, manifest.hop, channels[0], channels[1], head.look_ahead, kind, delay)


class StreamProcessor(Protocol):
    """One running player: owns all its state, belongs to one thread."""

    @property
    def spec(self) -> StreamSpec:
        """What it eats and gives; constant for the life of the processor."""
        ...

    def process(self, block: Block) -> Block:
        """Take exactly one hop and return what it decided.

        Events of the result lie at `block.end - 1 - spec.earliest` or later (commit), or at the last sample of
        the hop (live), or after it where they are planned. Audio of the result is placed by its `start`,
        `spec.look_ahead` behind the input.
        """
        ...

    def flush(self) -> Block:
        """Return what is still owed at the end of the stream: note-offs at the next sample."""
        ...

    def reset(self) -> None:
        """Forget everything: afterwards the processor behaves like a new one."""
        ...

    def set(self, name: str, value: float | str) -> None:
        """Change a parameter from the next hop on. Raises KeyError where it is unknown or fixed at opening."""
        ...
