"""A client of the server in Python: commands, then blocks out and events in. One owner, one thread.

Blocks go out without waiting. In real time the replies are read when the next block is due; at free pace `wait` holds
the sender back until the engine is through, so that nothing is lost however fast the sender is.
"""

import json
import os
import select
import socket
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

from plugin_bridge.gather import Gather
from plugin_bridge.protocol import (
    DATA_REFUSED,
    DEFAULT_PORT,
    LARGEST_BLOCK,
    RECEIVE_BUFFER,
    TOKEN_WANTED,
    AudioMessage,
    MagnitudeMessage,
    MidiMessage,
    ProcessedMessage,
    ProtocolError,
    TransportMessage,
    pack_audio,
    pack_magnitude_request,
    pack_midi_in,
    pack_token,
    pack_transport,
    parse,
)
from plugin_bridge.tcp import COMMANDS, TcpChannel, TcpLink

ROWS_A_DATAGRAM = 1000  # of a clip: 40 bytes each at most
TOKEN_VARIABLE = "BACKLINE_TOKEN"
"""Of the environment: what is said to a server that asks for a token."""
TOKEN_AGAIN_SECONDS = 0.5  # a stream whose engine has forgotten it says it again, not with every block


class BridgeError(Exception):
    """The server refused, or is not there; the text is for the user."""


def osc(address: str, *arguments: object, tags: str = "") -> bytes:
    """Return an OSC message; `tags` names the type of each argument where Python's own would be wrong (int as h)."""
    builder = OscMessageBuilder(address)
    for index, argument in enumerate(arguments):
        builder.add_arg(argument, tags[index] if index < len(tags) else None)  # type: ignore[arg-type]
    return builder.build().dgram


class BridgeClient:
    """The control side of one server.

    With `tcp`, commands and the data of all streams share one TCP connection: for where datagrams do not get through.
    token: what a server asks for that other machines reach; left out, it is BACKLINE_TOKEN of the environment.
    Raises BridgeError where no server takes the connection; over UDP that shows at the first request.
    """

    def __init__(
        self, host: str = "127.0.0.1", port: int = DEFAULT_PORT, tcp: bool = False, token: str | None = None
    ) -> None:
        self.host, self.port = host, port
        self.token = os.environ.get(TOKEN_VARIABLE, "") if token is None else token
        self._token_said = False
        self._link = _tcp_link(host, port) if tcp else None
        self._socket = _udp_socket(host, port) if self._link is None else self._link.channel(COMMANDS)

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()

    def request(self, address: str, *arguments: object, tags: str = "", timeout: float = 10.0) -> list[object]:
        """Send a command and return its results. Raises BridgeError with the server's reason, or after `timeout` seconds."""
        command, tried = osc(address, *arguments, tags=tags), 1
        self._say(command)
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                reply = OscMessage(self._socket.recv(65536))
            except TimeoutError:
                break
            except ConnectionRefusedError as error:
                raise BridgeError(f"no server answers at {self.host}:{self.port}") from error
            if reply.address == "/backline/fail" and reply.params[0] == address:
                if self.token and tried == 1 and reply.params[1] == TOKEN_WANTED:  # a new server at the old address
                    tried, self._token_said = 2, False
                    self._say(command)
                    continue
                raise BridgeError(str(reply.params[1]))
            if reply.address == "/backline/done" and reply.params[0] == address:
                return list(reply.params[1:])
            if reply.address in (address + ".reply", _ANSWERS.get(address)):
                return list(reply.params)
        raise BridgeError(f"the server did not answer {address} within {timeout:g} s")

    def _say(self, command: bytes) -> None:
        try:
            if self.token and not self._token_said:
                self._socket.send(pack_token(self.token))
                self._token_said = True
            self._socket.send(command)
        except OSError as error:
            raise BridgeError(f"cannot reach the server: {error.strerror or error}") from error

    def load(self, model: str) -> None:
        """Have the model's engine and its spare warm before a stream opens; BridgeError with the server's reason.

        A spare that starts during a stream's first seconds takes the processor from it on a small machine.
        """
        self.request("/backline/model/load", model, timeout=60.0)

    def open_stream(self, model: str, rate: int, settings: Mapping[str, str | float] | None = None) -> "BridgeStream":
        """Open a stream of `model` at `rate` Hz. Raises BridgeError with the server's reason."""
        results = self.request("/backline/stream/open", model, rate, json.dumps(dict(settings or {})), timeout=30.0)
        number, port, latency, delay = (int(str(value)) for value in results)
        data = _udp_socket(self.host, port) if self._link is None else self._link.channel(number)
        stream = BridgeStream(self, number, latency, delay, data)
        if (settings or {}).get("gather") == "yes":
            stream.gather = Gather()
        stream.say_token()
        return stream


_ANSWERS = {"/backline/sync": "/backline/synced", "/backline/ping": "/backline/pong"}


@dataclass(slots=True)
class BridgeStream:
    """One open stream: blocks out, events and audio in.

    latency: what the stream declares, in host samples (0 for a live one). live_delay: see models.latency. gather: where the stream was
    opened with `gather`, blocks in which nothing happens wait there for the next.
    """

    client: BridgeClient
    number: int
    latency: int
    live_delay: int
    _socket: socket.socket | TcpChannel
    processed: int = 0  # sample up to which the engine is through
    answered: int = 0  # datagrams of audio that the engine said it was through with
    gather: Gather | None = None
    late: int = 0  # events the engine sent late
    refused: list[str] = field(default_factory=list)  # what the engine said was wrong
    frames: deque[MagnitudeMessage] = field(
        default_factory=lambda: deque(maxlen=4096)
    )  # of the spectrogram, once asked for
    _token_said: float = 0.0  # on the monotonic clock

    def send(self, start: int, samples: NDArray[np.float32]) -> bool:
        """Send a block, (channels, count) float32, without waiting; False where the system would not take it.

        A block larger than a datagram goes out in several; one in which nothing happens may wait for the next (see gather).
        """
        if self.gather is None:
            return self._send(start, samples)
        sent = True
        for block in self.gather.take(start, samples):
            sent &= self._send(*block)
        self.processed = self.gather.through(self.processed)
        return sent

    def _send(self, start: int, samples: NDArray[np.float32]) -> bool:
        most = LARGEST_BLOCK // samples.shape[0]
        try:
            for first in range(0, samples.shape[1], most):
                self._socket.send(pack_audio(self.number, start + first, samples[:, first : first + most]))
        except (BlockingIOError, ConnectionRefusedError):
            return False
        return True

    def send_midi(self, sample: int, status: int, data1: int, data2: int) -> None:
        """Send a MIDI message that happens at `sample`; it must precede the block that holds the sample."""
        self._wake()
        self._socket.send(pack_midi_in(self.number, sample, status, data1, data2))

    def send_transport(
        self, sample: int, playing: bool, frame: int, tempo: float = 0.0, position: float = 0.0, bar: int = 1,
        beat: float = 0.0, beats_a_bar: float = 4.0,
    ) -> None:  # fmt: skip
        """Send what the host's transport does from `sample` on; it must precede the block that holds the sample.

        See TransportMessage for the rest. Raises ProtocolError where a value is not allowed.
        """
        self._wake()
        message = TransportMessage(self.number, sample, playing, frame, tempo, position, bar, beat, beats_a_bar)
        self._socket.send(pack_transport(message))

    def send_clip(self, rows: Iterable[tuple[float, int, int, int]], unit: str = "samples", ahead: int = 0) -> int:
        """Tell of a clip before it is played, so that it sounds on its places, at no latency; return its events.

        rows: (place, status, data 1, data 2), added to those told before. unit: places are `samples` of the stream, or
        `beats` of the host's transport. ahead: samples that come to the stream's latency on the way to the ear. Raises BridgeError.
        """
        told, events = list(rows), 0
        self._wake()
        for first in range(0, len(told), ROWS_A_DATAGRAM):
            text = json.dumps(told[first : first + ROWS_A_DATAGRAM], separators=(",", ":"))
            events = int(str(self.client.request("/backline/stream/clip", self.number, unit, ahead, text)[1]))
        return events

    def forget_clip(self) -> None:
        """Have the stream forget its clip. Raises BridgeError."""
        self.client.request("/backline/stream/clip", self.number, "samples", 0, "[]")

    def ask_magnitude(self, frames_a_second: int) -> None:
        """Be shown the spectrogram for the next 10 s of the stream, in `frames`; 0 a second: no longer."""
        self._socket.send(pack_magnitude_request(self.number, frames_a_second))

    def receive(self) -> Iterator[MidiMessage | AudioMessage]:
        """Yield what has come in, without waiting."""
        while True:
            try:
                datagram = self._socket.recv(65536)
            except (BlockingIOError, ConnectionRefusedError):
                return
            try:
                message = parse(datagram)
            except ProtocolError:
                if self._is_forgotten(datagram):
                    continue
                self.refused.append(
                    str(OscMessage(datagram).params[1:])
                    if datagram.startswith(b"/backline/fail")
                    else repr(datagram[:40])
                )
                continue
            if isinstance(message, MagnitudeMessage):
                self.frames.append(message)
            elif isinstance(message, ProcessedMessage):
                self.processed, self.late = max(self.processed, message.end), message.late
                self.answered += 1
                if self.gather is not None:
                    self.gather.hear(message.quiet_until)
                    self.processed = self.gather.through(self.processed)
            elif message.stream == self.number and isinstance(message, MidiMessage | AudioMessage):
                yield message

    def say_token(self) -> None:
        """Say the token to the data port, if there is one to say."""
        if self.client.token:
            self._token_said = time.monotonic()
            try:
                self._socket.send(pack_token(self.client.token))
            except (BlockingIOError, ConnectionRefusedError):
                pass  # as a datagram that is lost: the data port asks again

    def _is_forgotten(self, datagram: bytes) -> bool:
        """Whether the engine only asks for the token that this client has; it is said again."""
        if not (self.client.token and datagram.startswith(DATA_REFUSED) and TOKEN_WANTED.encode() in datagram):
            return False
        if time.monotonic() - self._token_said > TOKEN_AGAIN_SECONDS:
            self.say_token()
        return True

    def wait(self, end: int, timeout: float = 5.0) -> Iterator[MidiMessage | AudioMessage]:
        """Yield what comes in until the engine is through to sample `end`. Raises BridgeError after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while True:
            yield from self.receive()
            if self.processed >= end:
                return
            if not self.ready(deadline - time.monotonic()):
                raise BridgeError(f"the engine stopped at sample {self.processed}, {end} was due")

    def fileno(self) -> int:
        """What to wait on, beside other things, for something to come in. Over UDP only: TCP's packets may wait in the link."""
        assert isinstance(self._socket, socket.socket)
        return self._socket.fileno()

    def ready(self, timeout: float) -> bool:
        """Return True as soon as something has come in, False after `timeout` seconds."""
        try:
            if isinstance(self._socket, TcpChannel):
                return self._socket.ready(max(0.0, timeout))
        except ConnectionRefusedError:
            return False
        return bool(select.select([self._socket], [], [], max(0.0, timeout))[0])

    def keep(self, folder: str = "", seconds: int = 120) -> tuple[str, str]:
        """Have the server write what was just played; return the paths of the .mid and the .wav. Raises BridgeError."""
        self._flush()
        midi, audio = self.client.request("/backline/stream/keep", self.number, folder, seconds, timeout=60.0)
        return str(midi), str(audio)

    def finish(self) -> list[MidiMessage | AudioMessage]:
        """End the stream as `close` does, and return what had not been read: the ends of its notes among it. Raises BridgeError."""
        try:
            self._flush()
            self.client.request("/backline/stream/close", self.number, timeout=10.0)
            return list(self.receive())  # it was sent before the answer
        finally:
            self._socket.close()

    def close(self) -> None:
        """End the stream; what the engine still sends is read by nobody."""
        try:
            self._flush()
            self.client.request("/backline/stream/close", self.number, timeout=2.0)
        finally:
            self._socket.close()

    def _wake(self) -> None:
        if self.gather is not None:
            self.gather.wake()

    def _flush(self) -> None:
        for block in self.gather.flush() if self.gather is not None else ():
            self._send(*block)


def _tcp_link(host: str, port: int) -> TcpLink:
    try:
        return TcpLink(host, port)
    except OSError as error:
        raise BridgeError(f"no server answers at {host}:{port} over TCP: {error.strerror or error}") from error


def _udp_socket(host: str, port: int) -> socket.socket:
    connection = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    connection.connect((host, port))
    connection.setblocking(False)
    return connection
