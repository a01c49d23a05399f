"""A DAW for tests: it sends blocks, keeps its own account of what sounds, and listens to what the server tells."""

import select
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

import numpy as np
import pytest
from pythonosc.osc_message import OscMessage

from models.block import Samples
from models.events import NoteOn
from plugin_bridge.client import BridgeError, BridgeStream, osc
from plugin_bridge.protocol import AudioMessage, MidiMessage
from server.midi.message import from_bytes

BLOCK = 768
PATIENCE = 10.0  # seconds; an engine starts in under one on an idle machine


def loud(count: int) -> Samples:
    """Return audio at which the held model holds its chord."""
    return np.full((1, count), 0.5, np.float32)


class Daw:
    """One track: a stream, its place on the clock, and the pitches that sound."""

    def __init__(self, stream: BridgeStream) -> None:
        self.stream, self.place = stream, 0
        self.balance: Counter[int] = Counter()
        self.struck: list[int] = []

    @property
    def sounding(self) -> set[int]:
        """The pitches with a note-on and no note-off yet."""
        return {pitch for pitch, count in self.balance.items() if count}

    def take(self, messages: Iterable[MidiMessage | AudioMessage]) -> None:
        """Keep account of what came in; a note never begins twice nor ends twice."""
        for message in messages:
            if isinstance(message, MidiMessage):
                event = from_bytes(message.due, message.status, message.data1, message.data2)
                self.balance[message.data1] += 1 if isinstance(event, NoteOn) else -1
                assert self.balance[message.data1] in (0, 1)
                if isinstance(event, NoteOn):
                    self.struck.append(message.data1)

    def send(self, samples: Samples) -> None:
        """Send the next block and do not wait."""
        assert self.stream.send(self.place, samples)
        self.place += samples.shape[1]

    def play(self, samples: Samples) -> None:
        """Send the next block and wait until the engine is through with it."""
        self.send(samples)
        self.take(self.stream.wait(self.place, PATIENCE))

    def hold_chord(self) -> set[int]:
        """Play until notes sound; return them."""
        for _ in range(20):
            self.play(loud(BLOCK))
            if self.sounding:
                return self.sounding
        raise AssertionError("no note sounded")

    def wait_until_quiet(self) -> None:
        """Read what the server says of itself, sending nothing, until no note sounds."""
        deadline = time.monotonic() + PATIENCE
        while self.sounding:
            left = deadline - time.monotonic()
            assert left > 0, f"still sounding: {self.sounding}"
            select.select([self.stream._socket], [], [], left)
            self.take(self.stream.receive())


class Listener:
    """A socket that asked to be told what happens."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", port))
        self._socket.settimeout(PATIENCE)
        self._socket.send(osc("/backline/notify", 1))
        assert OscMessage(self._socket.recv(65536)).params == ["/backline/notify", 1]

    def wait_for(self, word: str) -> str:
        """Return the text of the next event that has `word` in it."""
        while True:
            message = OscMessage(self._socket.recv(65536))
            if message.address == "/backline/event" and word in str(message.params[1]):
                return str(message.params[1])

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()


@pytest.fixture
def listener(server) -> Iterator[Listener]:
    """A listener at the server."""
    listening = Listener(server.port)
    yield listening
    listening.close()


@pytest.fixture
def make_daw() -> Iterator[Callable[[BridgeStream], Daw]]:
    """A function (stream) -> Daw; its socket is closed afterwards, whatever became of the server."""
    streams: list[BridgeStream] = []

    def make(stream: BridgeStream) -> Daw:
        streams.append(stream)
        return Daw(stream)

    yield make
    for stream in streams:
        stream._socket.close()


@pytest.fixture
def open_daw(server) -> Iterator[Callable[..., Daw]]:
    """A function (settings) -> Daw with a new stream of the model `held`; whatever is still open is closed afterwards."""
    opened: list[BridgeStream] = []

    def make(model: str = "held", rate: int = 48_000, **settings: str | float) -> Daw:
        opened.append(server.client.open_stream(model, rate, settings))
        return Daw(opened[-1])

    yield make
    for stream in opened:
        with suppress(BridgeError):  # a test may have closed it
            stream.close()
