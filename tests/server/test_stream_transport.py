"""The host's transport in a stream: it reaches the player at its sample, and what it breaks off ends there."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.block import Block, silence
from models.events import NoteOff, NoteOn, Transport
from models.stream import StreamSpec
from plugin_bridge.protocol import MidiMessage
from server.live_stream import LiveStream
from server.midi.message import from_bytes

RATE, HOP = 48_000, 128
MODEL_RATE = 16_000


class Holder:
    """A player that starts a note at each hop whose first sample is loud, and keeps the transport it is told."""

    def __init__(self, rate=RATE, look_ahead=0, kind="commit"):
        self.spec = StreamSpec(rate, HOP, 1, 1, look_ahead, kind, live_delay=HOP if kind == "live" else 0)
        self.told, self.resets = [], 0

    def process(self, block):
        self.told += [event for event in block.events if isinstance(event, Transport)]
        loud = block.samples[0, 0] > 0.5
        notes = (NoteOn(block.start - self.spec.look_ahead, 60 + block.start // HOP % 12, 100),) if loud else ()
        return Block(block.start - self.spec.look_ahead, block.samples.copy(), (*notes, *self.told[-1:]))

    def flush(self):
        return Block(0, silence(1, 0))

    def reset(self):
        self.resets += 1

    def set(self, name, value):
        raise KeyError(name)


def loud(count):
    return np.ones((1, count), np.float32)


def test_a_transport_reaches_the_player_at_its_sample_of_the_models_clock():
    player = Holder(MODEL_RATE)
    stream = LiveStream(player, RATE)
    told = Transport(1001, True, 7, 120.0, 3.0, 1, 3.0, 4.0)
    for start in range(0, 4096, 512):
        stream.process(start, silence(1, 512), [told] if start <= 1001 < start + 512 else [])
    assert player.told == [Transport(1001 / 3, True, 7, 120.0, 3.0, 1, 3.0, 4.0)]


@pytest.mark.parametrize("block", [64, 1000, 4096])
@pytest.mark.parametrize(
    ("after", "breaks"),
    [
        (Transport(2001, False, 2001), True),
        (Transport(2001, True, 0), True),
        (Transport(2001, True, 96_000), True),
        (Transport(2001, True, 2001), False),
        (Transport(2001, True, 2001, 140.0, 9.0), False),
        (Transport(2001, True, 2001 + 4096), False),
    ],
    ids=["stop", "loop", "locate", "goes on", "tempo", "xrun"],
)
def test_a_break_ends_what_sounds_at_its_sample_and_lets_nothing_older_begin(block, after, breaks):
    stream = LiveStream(Holder(look_ahead=HOP), RATE)
    late, heard, sounding = stream.latency.total, [], set()
    for start in range(0, 8192, block):
        events = [t for t in (Transport(0, True, 0), after) if start <= t.sample < start + block]
        heard += stream.process(start, loud(block), events).emissions
    ended = [e.due for e in heard if isinstance(e.event, NoteOff) and e.due == 2001]
    assert bool(ended) == breaks
    for emission in heard:
        if isinstance(emission.event, NoteOn):
            sounding.add(emission.event.pitch)
            assert not breaks or not (emission.due >= 2001 and emission.place < 2001)
            assert emission.due == emission.place + late
        elif breaks and emission.due == 2001:
            sounding.discard(emission.event.pitch)
    assert any(e.place >= 2001 and isinstance(e.event, NoteOn) for e in heard), "it plays on afterwards"
    assert stream.metrics.restarts == 0


MOVES = st.tuples(
    st.integers(1, 3000),
    st.floats(0, 1, allow_subnormal=False),
    st.sampled_from(["none", "stop", "play", "loop", "tempo"]),
)


@given(st.lists(MOVES, max_size=40), st.booleans())
def test_whatever_the_transport_does_no_note_is_doubled_hanging_or_out_of_order(moves, live):
    stream = LiveStream(Holder(look_ahead=HOP, kind="live" if live else "commit"), RATE)
    start, playing, host, sounding = 0, False, 0, set()
    for size, at, move in moves:
        place = start + int(at * (size - 1))
        playing = {"stop": False, "play": True}.get(move, playing)
        host = 0 if move == "loop" else host
        told = [Transport(place, playing, host, 90.0 if move == "tempo" else 120.0)] if move != "none" else []
        emissions = stream.process(start, loud(size), told).emissions
        assert [e.due for e in emissions] == sorted(e.due for e in emissions)
        assert all(start <= e.due < start + size for e in emissions)
        for emission in emissions:
            starts = isinstance(emission.event, NoteOn)
            assert (emission.event.pitch in sounding) != starts
            (sounding.add if starts else sounding.remove)(emission.event.pitch)
        start += size
        host += size if playing else 0
    for emission in stream.finish(start):
        sounding.remove(emission.event.pitch)
    assert not sounding


def test_where_blocks_are_cut_changes_nothing():
    def run(block):
        stream, emissions, audio = LiveStream(Holder(look_ahead=HOP), RATE), [], []
        for start in range(0, 8000, block):
            transports = [Transport(300, True, 0), Transport(3001, False, 2701), Transport(3333, True, 99)]
            out = stream.process(start, loud(block), [t for t in transports if start <= t.sample < start + block])
            emissions += out.emissions
            audio.append(out.audio)
        return emissions, np.concatenate(audio, axis=1)

    reference, audio = run(8000)
    for block in (1, 50, 1000):
        emissions, heard = run(block)
        assert emissions == reference
        assert np.array_equal(heard, audio)


def test_a_stream_that_starts_again_tells_the_player_where_the_transport_is_now():
    player = Holder()
    stream = LiveStream(player, RATE)
    stream.process(0, loud(512), [Transport(0, True, 1000, 60.0, 0.0)])
    stream.restart(48_000)
    stream.process(48_000, loud(512))
    assert player.told[-1] == Transport(0, True, 49_000, 60.0, 1.0, 1, 1.0)
    stream.process(0, loud(512))  # a clock that went back is another one: nothing is known of it
    assert len(player.told) == 2


def test_a_repeated_block_applies_its_transport_where_the_stream_is():
    player = Holder()
    stream = LiveStream(player, RATE)
    stream.process(0, loud(512), [Transport(0, True, 0)])
    stream.process(0, loud(512), [Transport(256, True, 256)])
    stream.process(512, loud(512))
    assert [(t.sample, t.host_sample) for t in player.told] == [(0, 0), (512, 512)]


def test_a_transport_over_the_wire_ends_a_held_chord_and_is_refused_with_a_reason(server):
    stream = server.client.open_stream("held", RATE, {"pace": "free", "stream": "live", "look_ahead_ms": 0})
    events = []

    def play(start, count):
        stream.send(start, np.full((1, count), 0.5, np.float32))
        for message in stream.wait(start + count):
            if isinstance(message, MidiMessage):
                events.append(from_bytes(message.due, message.status, message.data1, message.data2))

    stream.send_transport(0, True, 0, 120.0, 0.0, 1, 0.0, 4.0)
    for start in range(0, 7680, 768):
        play(start, 768)
    assert {type(event) for event in events} == {NoteOn}
    events.clear()
    stream.send_transport(8000, False, 8000)
    play(7680, 768)
    assert {(type(event), event.sample) for event in events} == {(NoteOff, 8000)}
    assert len(events) == 3
    stream._socket.send(b"/backline/transport\0,ihihddidd\0\0" + bytes(60))  # stream 0
    stream._socket.send(b"/backline/transport\0,ihihddidd\0\0" + bytes(59))
    play(8448, 768)
    assert len(stream.refused) == 2
    stream.close()
