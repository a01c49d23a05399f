"""The drummer over the wire: a host tells its transport, and drums come back on its beats, through a real engine."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from models.block import silence
from models.events import NoteOn, Transport
from plugin_bridge.client import BridgeClient, BridgeStream
from plugin_bridge.protocol import AudioMessage, MidiMessage
from server.model_store import find_model
from server.model_store import open_stream as open_file_stream
from server.run_file import run_stream

RATE, BLOCK = 48_000, 480
BEAT = 24_000  # samples at 120 bpm


@pytest.fixture
def client(server: Any) -> Any:
    found = BridgeClient(port=server.port)
    yield found
    found.close()


@pytest.fixture
def open_stream(client: BridgeClient) -> Iterator[Callable[..., BridgeStream]]:
    """A function that opens a stream as BridgeClient does; it is closed at the end."""
    streams: list[BridgeStream] = []

    def open_one(*words: Any) -> BridgeStream:
        streams.append(client.open_stream(*words))
        return streams[-1]

    yield open_one
    for stream in streams:
        stream.close()


def play(stream: BridgeStream, first: int, last: int) -> list[MidiMessage | AudioMessage]:
    """Send silence from sample `first` to `last`; return what comes back."""
    heard: list[MidiMessage | AudioMessage] = []
    for start in range(first, last, BLOCK):
        stream.send(start, silence(1, BLOCK))
        heard += stream.wait(start + BLOCK)
    return heard


def strokes(heard: list[MidiMessage | AudioMessage]) -> list[MidiMessage]:
    return [m for m in heard if isinstance(m, MidiMessage) and m.status == 0x99]


def test_a_live_stream_plays_on_the_beat_without_latency(
    client: BridgeClient, open_stream: Callable[..., BridgeStream]
) -> None:
    stream = open_stream("drummer", RATE, {"stream": "live", "intro": "hats", "pace": "free"})
    assert stream.latency == 0
    stream.send_transport(0, True, 0, 120.0)
    heard = strokes(play(stream, 0, 2 * RATE))
    assert [m.due for m in heard][1:] == [n * BEAT // 2 for n in range(1, 8)], (
        "only the first beat is told as it begins"
    )
    client.request("/backline/stream/set", stream.number, "swing", "75")
    later = strokes(play(stream, 2 * RATE, 4 * RATE))
    assert {m.due % BEAT for m in later[2:]} == {0, BEAT * 3 // 4}


def test_a_commit_stream_declares_a_hop_and_gives_the_sound_there_too(open_stream: Callable[..., BridgeStream]) -> None:
    stream = open_stream("drummer", RATE, {"intro": "count", "pace": "free"})
    assert stream.latency == 383
    stream.send_transport(0, True, 0, 120.0)
    heard = play(stream, 0, RATE)
    assert [(m.place, m.due) for m in strokes(heard)] == [(0, 383), (BEAT, BEAT + 383)]
    block = next(m for m in heard if isinstance(m, AudioMessage) and m.start <= BEAT + 383 < m.start + BLOCK)
    assert abs(block.samples[0, BEAT + 383 - block.start :]).max() > 0.01


def test_a_loop_ends_what_sounds_and_begins_again_on_its_line(open_stream: Callable[..., BridgeStream]) -> None:
    stream = open_stream("drummer", RATE, {"stream": "live", "intro": "hats", "pace": "free"})
    jump = 3 * BEAT + 5000  # amid a beat, back to the song's second one
    stream.send_transport(0, True, 0, 120.0)
    first = play(stream, 0, jump // BLOCK * BLOCK)
    stream.send_transport(jump, True, BEAT, 120.0, 1.0, 1, 1.0)
    second = strokes(play(stream, jump // BLOCK * BLOCK, jump + RATE))
    assert strokes(first)[-1].due == 3 * BEAT
    again = [m.due - jump for m in second if m.due >= jump]
    assert again[0] < 400
    assert again[1:4] == [BEAT // 2, BEAT, BEAT * 3 // 2]


def test_swing_is_the_same_live_as_in_a_file(open_stream: Callable[..., BridgeStream]) -> None:
    settings = {"swing": 66.7, "humanise": 0, "fills": 0, "intro": "beat", "seed": 3}
    live = open_stream("drummer", RATE, {**settings, "stream": "live", "pace": "free"})
    live.send_transport(0, True, 0, 120.0)
    heard = [(m.due, m.data1, m.data2) for m in strokes(play(live, 0, 4 * RATE)) if m.due > BEAT // 4]
    file = open_file_stream(find_model("drummer"), settings, RATE)
    take = run_stream(file, silence(1, 4 * RATE), (Transport(0, True, 0, 120.0),), BLOCK)
    played = [(e.sample, e.pitch, e.velocity) for e in take.events() if isinstance(e, NoteOn) and e.sample > BEAT // 4]
    assert heard == played
    assert {due % BEAT for due, _, _ in heard} == {0, round(BEAT * 0.667)}
