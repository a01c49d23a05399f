"""OSC over TCP on the control port's number: packets in SLIP frames, commands and data on one connection.

    bytes -> frames -> commands to the queue of their sender (server.osc.server), like datagrams
                    -> audio, MIDI, transport to the data port of their stream, and what it answers back as frames

A connection's data goes to the engine over a UDP socket of the connection's own, so that engines know of datagrams only.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import cast

from plugin_bridge.client import osc
from plugin_bridge.protocol import RECEIVE_BUFFER, TO_ENGINE, ProtocolError, pack_token, parse
from plugin_bridge.slip import SlipError, SlipReader, frame
from server.errors import BacklineError

log = logging.getLogger(__name__)
MOST_UNREAD = 4 << 20  # bytes a client may leave unread; what it was told then is old, and it is let go of
SEND_BUFFER = 1 << 18  # bytes the system may hold beside them; left alone it takes 4 MiB more of what nobody reads
MOST_AT_ONCE = 256  # datagrams of an engine, then others have their turn
QUIET_SECONDS, PROBE_SECONDS, PROBES = 20, 5, 3  # a peer that is gone without a word is known after 35 s

DataPort = Callable[[int], int]
"""The data port of a stream. Raises BacklineError where there is no such stream."""


class Connection(asyncio.Protocol):
    """One client. It is its own address: answers go to `transmit`."""

    def __init__(self, host: str, take: Callable[[bytes, "Connection"], None], data_port: DataPort,
                 made: Callable[["Connection"], bool], gone: Callable[["Connection"], None]) -> None:  # fmt: skip
        """Args: take: a packet for the control process. made: whether it may stay. gone: it has ended."""
        self._host, self._take, self._data_port, self._made, self._gone = host, take, data_port, made, gone
        self._reader = SlipReader()
        self._transport: asyncio.Transport | None = None
        self._relay: socket.socket | None = None
        self._peer = "a TCP client"
        self.passes = True  # its data goes on; the control port's gate says so
        self.token = ""  # that its data ports are told
        self._told: set[int] = set()

    @property
    def host(self) -> str:
        """The client's machine."""
        peer = None if self._transport is None else self._transport.get_extra_info("peername")
        return str(peer[0]) if peer else ""

    def __repr__(self) -> str:
        """The client's address, for logs."""
        return self._peer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self._transport = cast(asyncio.Transport, transport)
        self._peer = str(transport.get_extra_info("peername"))
        connection = transport.get_extra_info("socket")
        for level, option, value in ((socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
                                     (socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER),
                                     (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, QUIET_SECONDS),
                                     (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, PROBE_SECONDS),
                                     (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, PROBES)):  # fmt: skip
            connection.setsockopt(level, option, value)
        if not self._made(self):
            self.refuse("connection", "as many TCP clients are connected as there may be")
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        for packet in self._reader.feed(data):
            if isinstance(packet, SlipError):
                self.refuse("packet", str(packet))
            elif self.passes and packet.startswith(TO_ENGINE):
                self._pass_on(packet)
            else:
                self._take(packet, self)

    def connection_lost(self, _: Exception | None) -> None:
        """Called by asyncio. Its streams go on as those of a UDP client that has fallen silent."""
        self._transport = None
        if self._relay is not None:
            asyncio.get_running_loop().remove_reader(self._relay.fileno())
            self._relay.close()
        self._gone(self)

    def transmit(self, packet: bytes) -> None:
        """Send a packet; a client that does not read is let go of."""
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(frame(packet))
        if self._transport.get_write_buffer_size() > MOST_UNREAD:
            log.warning("%s does not read what it is told; its connection is ended", self._peer)
            self._transport.abort()

    def refuse(self, address: str, reason: str) -> None:
        """Say why not."""
        self.transmit(osc("/backline/fail", address, reason))

    def say_token(self) -> None:
        """Say the token to the data ports again: an engine may have forgotten it."""
        self._told.clear()

    def end(self) -> None:
        """End the connection once what it was told is out."""
        if self._transport is not None:
            self._transport.close()

    def _pass_on(self, packet: bytes) -> None:
        try:
            port = self._data_port(parse(packet).stream)
            if self.token and port not in self._told:
                self._told.add(port)
                self._engine_socket().sendto(pack_token(self.token), (self._host, port))
            self._engine_socket().sendto(packet, (self._host, port))
        except (ProtocolError, BacklineError) as error:
            self.refuse("data port", str(error))
        except OSError as error:
            log.info("cannot pass on data of %s: %s", self._peer, error)  # as a datagram that is lost

    def _engine_socket(self) -> socket.socket:
        if self._relay is None:
            self._relay = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._relay.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            self._relay.bind((self._host, 0))
            self._relay.setblocking(False)
            asyncio.get_running_loop().add_reader(self._relay.fileno(), self._bring_back, self._relay)
        return self._relay

    def _bring_back(self, relay: socket.socket) -> None:
        for _ in range(MOST_AT_ONCE):
            try:
                self.transmit(relay.recv(65536))
            except OSError:  # nothing left
                return
