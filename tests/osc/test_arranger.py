"""The arranger over the wire: a host sends a song and tells its transport, and a piano comes back on its grid, through a real engine."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.block import Samples
from models.events import NoteOn, Transport
from plugin_bridge.client import BridgeClient, BridgeError, BridgeStream
from plugin_bridge.protocol import MidiMessage
from server.model_store import load_model
from server.model_store import open_stream as open_file_stream
from server.run_file import run_stream

RATE, BLOCK = 48_000, 480
BEAT, STEP = 24_000, 6_000  # samples at 120 bpm
MODEL = "plain_arranger"


@pytest.fixture(scope="module")
def arranging(arranger_folder: Path, start_server: Any) -> Iterator[Any]:
    """A server that knows an arranger that needs no training."""
    with start_server("--models", str(arranger_folder)) as running:
        yield running


@pytest.fixture
def open_stream(arranging: Any) -> Iterator[Callable[..., BridgeStream]]:
    """A function that opens a stream as BridgeClient does; it is closed at the end."""
    client, streams = BridgeClient(port=arranging.port), list[BridgeStream]()

    def open_one(**settings: Any) -> BridgeStream:
        streams.append(client.open_stream(MODEL, RATE, {"pace": "free", **settings}))
        return streams[-1]

    yield open_one
    for stream in streams:
        stream.close()
    client.close()


def play(stream: BridgeStream, sound: Samples, first: int = 0) -> list[MidiMessage]:
    """Send a sound from sample `first` on; return the messages that come back."""
    heard: list[Any] = []
    for start in range(0, sound.shape[1] // BLOCK * BLOCK, BLOCK):
        stream.send(first + start, sound[:, start : start + BLOCK])
        heard += stream.wait(first + start + BLOCK)
    return [message for message in heard if isinstance(message, MidiMessage)]


def struck(heard: list[MidiMessage]) -> list[MidiMessage]:
    return [m for m in heard if m.status == 0x90 and m.data2]


def test_a_live_stream_plays_on_the_grid_without_latency(open_stream: Callable[..., BridgeStream], song: Any) -> None:
    stream = open_stream(stream="live")
    assert stream.latency == 0
    stream.send_transport(0, True, 0, 120.0)
    heard = struck(play(stream, song(RATE, 24)))
    assert len(heard) > 20
    assert {m.due - m.place for m in heard} == {0}
    assert max(abs(m.due - round(m.due / STEP) * STEP) for m in heard) <= 2
    assert heard[0].due >= 4 * BEAT - 2, "the first bar was heard first"


def test_a_commit_stream_is_a_constant_latency_behind_and_plays_what_a_file_does(
    open_stream: Callable[..., BridgeStream], song: Any, arranger_folder: Path
) -> None:
    sound = song(RATE, 28)
    live = open_stream(look_ahead_ms="8000")
    live.send_transport(0, True, 0, 120.0)
    heard = [(m.place, m.data1, m.data2) for m in struck(play(live, sound))]
    file = open_file_stream(load_model(arranger_folder / MODEL), {"look_ahead_ms": "8000"}, RATE)
    assert live.latency == file.declared
    take = run_stream(file, sound, (Transport(0, True, 0, 120.0),), BLOCK)
    played = [(e.sample, e.pitch, e.velocity) for e in take.events() if isinstance(e, NoteOn)]
    assert len(heard) > 20
    assert heard == played[: len(heard)]


def test_a_stop_and_a_loop_leave_nothing_sounding(open_stream: Callable[..., BridgeStream], song: Any) -> None:
    sound, stream = song(RATE, 16), open_stream(stream="live")
    jump = 12 * BEAT // BLOCK * BLOCK
    stream.send_transport(0, True, 0, 120.0)
    heard = play(stream, sound[:, :jump])
    stream.send_transport(jump, True, 0, 120.0)
    heard += play(stream, sound[:, :jump], jump)
    again = [m.due - jump for m in struck(heard) if m.due >= jump]
    assert again, "the loop is known"
    assert min(again) < BEAT
    assert max(abs(at - round(at / STEP) * STEP) for at in again if at > STEP) <= 2
    stop = 2 * jump
    stream.send_transport(stop, False, 0, 120.0)
    heard += play(stream, np.zeros((1, RATE), np.float32), stop)
    sounding: set[int] = set()
    for message in sorted(heard, key=lambda m: m.due):
        if message.status == 0x90 and message.data2:
            sounding.add(message.data1)
        elif message.status in (0x80, 0x90):
            sounding.discard(message.data1)
        assert message.due <= stop + BLOCK
    assert not sounding


def test_a_file_is_not_read_over_the_wire(open_stream: Callable[..., BridgeStream], tmp_path: Path) -> None:
    with pytest.raises(BridgeError, match="backline run"):
        open_stream(texture=str(tmp_path / "song.mid"))
    stream = open_stream(stream="live", texture="01=81=|41I", chords="Am:2 F:2")
    assert stream.latency == 0
