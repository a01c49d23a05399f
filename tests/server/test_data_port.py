"""What waits at an engine's socket is heard alike one by one and many at a call, whoever sends it."""

import socket
from collections.abc import Iterator

import numpy as np
import pytest

from plugin_bridge.protocol import (
    RECEIVE_BUFFER,
    MidiMessage,
    ProcessedMessage,
    pack_audio,
    pack_midi_in,
    pack_token,
    parse,
)
from server.data_port import DATAGRAMS_AT_ONCE, ONE_BY_ONE, DataPort
from server.gate import Gate
from server.hosted_stream import HostedStream
from server.kept_take import KeptTake
from server.model_store import find_model, open_stream
from server.shared_page import SharedPage

RATE, BLOCK, TOKEN = 48_000, 64, "the-token-of-these-tests"


class Engine:
    """A data port in this process, streams 1 to 3 of the probe at free pace, and a client."""

    def __init__(self, gate: Gate | None = None) -> None:
        self.client, self._data = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in "ab")
        for end in (self.client, self._data):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self._data.bind(("127.0.0.1", 0))
        self._data.setblocking(False)
        self.client.connect(self._data.getsockname())
        self.client.setblocking(False)
        self._page, self.streams = SharedPage(), dict[int, HostedStream]()
        self.port = DataPort(self._data, self._page, self.streams, gate)
        for number in (1, 2, 3):
            stream, take = open_stream(find_model("probe", None), {}, RATE, "cpu"), KeptTake.make(RATE)
            self.streams[number] = HostedStream(
                number, stream, self._page.slot(number - 1), False, self.port.transmit, take
            )

    def send(self, stream: int, start: int, samples: np.ndarray) -> None:
        self.client.send(pack_audio(stream, start, samples))

    def answers(self) -> list[bytes]:
        """Have all that waits run; return what the client is told."""
        heard: list[bytes] = []
        for _ in range(8):
            self.port.take()
            try:
                while True:
                    heard.append(self.client.recv(65536))
            except BlockingIOError:
                pass
        return heard

    def close(self) -> None:
        self.client.close()
        self._data.close()
        for hosted in self.streams.values():
            hosted.take.close()
        self._page.close()


@pytest.fixture
def engine() -> Iterator[Engine]:
    one = Engine()
    yield one
    one.close()


@pytest.fixture
def guarded() -> Iterator[Engine]:
    one = Engine(Gate(TOKEN))
    yield one
    one.close()


def clicks(count: int) -> np.ndarray:
    """Return (1, count): an impulse every 4,800 samples."""
    samples = np.zeros((1, count), np.float32)
    samples[0, 100::4800] = 0.9
    return samples


@pytest.mark.parametrize("together", [1, ONE_BY_ONE, ONE_BY_ONE + 1, DATAGRAMS_AT_ONCE, 500])
@pytest.mark.parametrize("channels", [1, 2])
def test_however_many_wait_the_same_is_heard(engine, together, channels):
    blocks = 500
    audio, heard = np.repeat(clicks(blocks * BLOCK), channels, 0), []
    for turn in range(blocks):
        for number in (1, 2, 3):
            engine.send(number, turn * BLOCK, audio[:, turn * BLOCK : (turn + 1) * BLOCK])
        if (turn + 1) % together == 0 or turn + 1 == blocks:
            heard += map(parse, engine.answers())
    for number in (1, 2, 3):
        mine = [message for message in heard if message.stream == number]
        assert [m.end for m in mine if isinstance(m, ProcessedMessage)] == [BLOCK * (n + 1) for n in range(blocks)]
        begun = [m.place for m in mine if isinstance(m, MidiMessage) and m.status == 0x90]
        assert begun == list(range(100, blocks * BLOCK, 4800))
        assert engine.streams[number].take.count == blocks * BLOCK


def test_what_else_waits_in_between_is_heard_too(engine):
    for turn in range(100):
        engine.send(1, turn * BLOCK, np.zeros((1, BLOCK), np.float32))
        engine.client.send(pack_midi_in(9, 0, 0x90, 60, 100) if turn % 2 else b"/nonsense\0\0\0,\0\0\0")
    heard = engine.answers()
    assert sum(b"there is no stream 9 here" in answer for answer in heard) == 50
    assert sum(b"the data port takes" in answer for answer in heard) == 50
    assert sum(answer.startswith(b"/backline/processed") for answer in heard) == 100


def test_a_stranger_is_heard_no_more_in_a_crowd_than_alone(guarded):
    def send(first: int) -> None:
        for turn in range(first, first + 200):
            guarded.send(1, turn * BLOCK, np.zeros((1, BLOCK), np.float32))

    send(0)
    told = guarded.answers()
    assert guarded.streams[1].take.count == 0
    assert 1 <= len(told) <= 20
    assert all(b"asks for its token" in answer for answer in told)
    guarded.client.send(pack_token(TOKEN))
    send(200)
    assert sum(answer.startswith(b"/backline/processed") for answer in guarded.answers()) == 200
