"""What a JACK client says of the transport: JACK's own, and where that stands still, the MIDI clock that comes in.

    JACK's state and position, or the clock's -> models.events.Transport -> is it news? -> the engine

Used in the process callback: nothing waits, nothing is allocated that stays.
"""

from typing import Any  # Any: JACK's position structure, which has no types

from models.events import Transport
from models.rhythm.clock import ClockFollower
from models.rhythm.transport import TransportNews
from plugin_bridge.client import BridgeStream
from plugin_bridge.protocol import ProtocolError
from server.midi.clock import hear_clock

HAS_BBT = 0x10  # JackPositionBBT: some client counts bars, beats and ticks


class TransportOut:
    """One client's transport. Belongs to the process callback."""

    def __init__(self, stream: BridgeStream, rate: int) -> None:
        self._stream = stream
        self._clock = ClockFollower(rate)
        self._news = TransportNews(rate)

    def hear(self, sample: int, message: bytes) -> None:
        """Take a MIDI message that may be of a clock."""
        hear_clock(self._clock, sample, message)

    def now(self, rolling: bool, place: Any, sample: int) -> Transport:
        """Return the transport from `sample` on, given what JACK says of it."""
        if not rolling and self._clock.is_alive(sample):
            return self._clock.at(sample)
        return jack_transport(rolling, place, sample)

    def tell(self, transport: Transport) -> None:
        """Send it to the engine if it is news; before the block of its sample."""
        if not self._news.is_news(transport):
            return
        t = transport
        try:
            self._stream.send_transport(
                int(t.sample), t.playing, t.host_sample, t.tempo_bpm, t.position, t.bar, t.beat, t.beats_a_bar
            )
        except ProtocolError:  # a timebase master that counts oddly: that it rolls is still true
            self._stream.send_transport(int(t.sample), t.playing, t.host_sample)
        except OSError:
            pass  # the block that follows fails the same way and is counted there


def jack_transport(rolling: bool, place: Any, sample: int) -> Transport:
    """Return JACK's transport; without bars and beats where no client of JACK counts them.

    JACK's beats are those of the metre; here a beat is a quarter note.
    """
    if not place.valid & HAS_BBT or min(place.beat_type, place.ticks_per_beat, place.beats_per_minute) <= 0:
        return Transport(sample, rolling, place.frame)
    unit = 4.0 / place.beat_type
    beat = (place.beat - 1 + place.tick / place.ticks_per_beat) * unit
    a_bar = place.beats_per_bar * unit
    before = place.bar_start_tick / place.ticks_per_beat * unit or (place.bar - 1) * a_bar
    return Transport(sample, rolling, place.frame, place.beats_per_minute * unit, before + beat, place.bar, beat, a_bar)
