"""A client's TCP connection: packets of commands and of all its streams, one after the other, sorted into channels.

A channel behaves as the UDP socket does that it stands for. One owner, one thread.
"""

import select
import socket
import struct
import time
from collections import deque

from plugin_bridge.protocol import DATA_REFUSED, FROM_ENGINE
from plugin_bridge.slip import SlipReader, frame

MOST_UNSENT = 4 << 20  # bytes that the system has not taken yet
MOST_UNREAD = 16_384  # packets of one channel; then the oldest is lost, as a datagram would be
CONNECT_SECONDS = 5.0
COMMANDS = -1
"""The channel of whatever is no stream's."""


class TcpLink:
    """The connection. Raises OSError where there is no server."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port), CONNECT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)
        self._reader, self._unsent = SlipReader(), bytearray()
        self._inboxes: dict[int, deque[bytes]] = {}
        self._ended = False

    def channel(self, number: int) -> "TcpChannel":
        """Return the channel of a stream, or of COMMANDS."""
        self._inboxes[number] = deque(maxlen=MOST_UNREAD)
        return TcpChannel(self, number, self._inboxes[number])

    def leave(self, number: int) -> None:
        """Close a channel, and the connection with the one of commands."""
        self._inboxes.pop(number, None)
        if number == COMMANDS:
            self._socket.close()

    def address(self) -> tuple[str, int]:
        """Return the server's address."""
        host, port = self._socket.getpeername()[:2]
        return str(host), int(port)

    def send(self, packet: bytes) -> None:
        """Send a packet, later where the system is busy. Raises BlockingIOError where too much waits already."""
        if len(self._unsent) > MOST_UNSENT:
            self.exchange(0.0)
            if len(self._unsent) > MOST_UNSENT:
                raise BlockingIOError("the server does not read")
        self._unsent += frame(packet)
        self._flush()

    def exchange(self, seconds: float) -> None:
        """Send what waits, and sort what comes in within `seconds`. Raises ConnectionRefusedError once the server has gone."""
        if self._ended:
            raise ConnectionRefusedError("the server ended the connection")
        readable, writable, _ = select.select(
            [self._socket], [self._socket] * bool(self._unsent), [], max(0.0, seconds)
        )
        if writable:
            self._flush()
        while readable:
            try:
                data = self._socket.recv(1 << 18)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._ended = True
                return
            for packet in self._reader.feed(data):
                if isinstance(packet, bytes):
                    self._sort(packet)

    def _sort(self, packet: bytes) -> None:
        head = next((head for head in FROM_ENGINE if packet.startswith(head)), None)
        if head is not None and len(packet) >= len(head) + 4:
            inbox = self._inboxes.get(struct.unpack_from(">i", packet, len(head))[0])
            if inbox is not None:
                inbox.append(packet)
            return
        refused = packet.startswith(DATA_REFUSED)  # names no stream: each of them may have said it
        for number, inbox in self._inboxes.items():
            if refused == (number != COMMANDS):
                inbox.append(packet)

    def _flush(self) -> None:
        try:
            while self._unsent:
                del self._unsent[: self._socket.send(self._unsent[: 1 << 18])]
        except BlockingIOError:
            pass
        except OSError as error:
            self._ended = True
            raise ConnectionRefusedError("the server ended the connection") from error


class TcpChannel:
    """What a stream, or the commands, have of a connection."""

    def __init__(self, link: TcpLink, number: int, inbox: "deque[bytes]") -> None:
        self.link = link
        self._number, self._inbox = number, inbox
        self._timeout: float | None = 0.0  # as the sockets it stands for, it does not wait unless told to

    def setblocking(self, blocking: bool) -> None:
        """Let `recv` wait for ever, or not at all."""
        self._timeout = None if blocking else 0.0

    def settimeout(self, seconds: float | None) -> None:
        """Let `recv` wait this long."""
        self._timeout = seconds

    def send(self, packet: bytes) -> None:
        """Send a packet; see TcpLink.send."""
        self.link.send(packet)

    def recv(self, _: int = 0) -> bytes:
        """Return the next packet. Raises TimeoutError, or BlockingIOError where it shall not wait."""
        if not self._inbox and not self.ready(self._timeout):
            raise TimeoutError("timed out") if self._timeout else BlockingIOError("nothing has come in")
        return self._inbox.popleft()

    def ready(self, timeout: float | None) -> bool:
        """Return True as soon as a packet is there, False after `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._inbox:
            left = 3600.0 if deadline is None else deadline - time.monotonic()
            self.link.exchange(left)
            if left <= 0:
                break
        return bool(self._inbox)

    def getpeername(self) -> tuple[str, int]:
        """Return the server's address."""
        return self.link.address()

    def close(self) -> None:
        """Let go of it."""
        self.link.leave(self._number)
