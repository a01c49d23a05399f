"""The control port: packets in, commands to the control object, answers back to the sender.

UDP and TCP (server.osc.tcp) listen at the same number and differ in nothing but how a packet comes and goes.

Commands of one sender are carried out in the order they came; bundles with a time tag wait in the event loop and
hold nothing else up.
"""

import asyncio
import errno
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import cast

from plugin_bridge.client import osc
from plugin_bridge.protocol import RECEIVE_BUFFER, TOKEN_WANTED
from server.errors import BacklineError
from server.gate import Gate
from server.limits import (
    COMMANDS_A_SECOND,
    COMMANDS_AT_ONCE,
    LARGEST_STRANGER,
    LONGEST_TEXT,
    MOST_SENDERS,
    MOST_WAITING,
    REFUSALS_A_SECOND,
    REFUSALS_AT_ONCE,
    TOKEN_SECONDS,
)
from server.osc.packets import Command, PacketError, read_packet
from server.osc.tcp import Connection, DataPort
from server.pace import Paces

log = logging.getLogger(__name__)
Address = tuple[str, int] | Connection
"""Whom to answer: a UDP sender, or a TCP connection."""
Answer = Callable[..., None]
Handler = Callable[[Command, Address, Answer], Awaitable[None]]
PORTS_TO_TRY = 16  # where any will do: one that is free for UDP and for TCP
TOKEN = "/backline/token"


class OscServer(asyncio.DatagramProtocol):
    """One UDP socket, one TCP socket, and a queue of commands per sender."""

    def __init__(
        self, handler: Handler, data_port: DataPort, gone: Callable[[Address], None], gate: Gate | None = None
    ) -> None:
        """Args: data_port: where a stream's data goes. gone: called with a sender that will never be heard again.

        gate: who is heard; left out, everybody.
        """
        self._handler, self._data_port, self._sender_gone = handler, data_port, gone
        self._gate = Gate() if gate is None else gate
        self._paces = Paces(COMMANDS_A_SECOND, COMMANDS_AT_ONCE)
        self._refusals = Paces(REFUSALS_A_SECOND, REFUSALS_AT_ONCE)
        self._host = ""
        self._connections: set[Connection] = set()
        self._listener: asyncio.Server | None = None
        self._queues: dict[Address, asyncio.Queue[Command]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._scheduled = 0
        self._transport: asyncio.DatagramTransport | None = None
        self.refused = 0

    async def open(self, host: str, port: int) -> int:
        """Listen; return the port. Raises BacklineError where it is taken or not allowed."""
        self._host = host
        datagrams, stream = _listening(host, port)
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, sock=datagrams)
        self._listener = await loop.create_server(self._connection, sock=stream)
        return int(datagrams.getsockname()[1])

    def close(self) -> None:
        """Stop listening and forget what waits."""
        for task in self._tasks:
            task.cancel()
        if self._transport is not None:
            self._transport.close()
        if self._listener is not None:
            self._listener.close()
        for connection in self._connections:
            connection.end()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, datagram: bytes, sender: Address) -> None:
        """Called by asyncio."""
        self._take(datagram, sender)

    def _connection(self) -> Connection:
        return Connection(self._host, self._take, self._data_port, self._welcome, self._forget)

    def _welcome(self, connection: Connection) -> bool:
        self._connections.add(connection)
        if self._gate.token:
            connection.passes, connection.token = False, self._gate.token
            asyncio.get_running_loop().call_later(TOKEN_SECONDS, self._show_out, connection)
        return len(self._connections) <= MOST_SENDERS

    def _show_out(self, connection: Connection) -> None:
        """End a connection that has not said the token: its place is another's."""
        if connection in self._connections and not connection.passes:
            connection.refuse("connection", f"no token was said within {TOKEN_SECONDS:g} s")
            connection.end()

    def _forget(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._gate.forget(connection)
        self._paces.forget(connection)
        self._refusals.forget(connection)
        self._sender_gone(connection)

    def _take(self, datagram: bytes, sender: Address) -> None:
        known = self._gate.passes(sender)
        if not known and len(datagram) > LARGEST_STRANGER:
            self._refuse_stranger(sender, "packet", TOKEN_WANTED)
            return
        try:
            commands = read_packet(datagram)
        except PacketError as error:
            if known:
                self._refuse(sender, "packet", str(error))
            else:
                self._refuse_stranger(sender, "packet", TOKEN_WANTED)
            return
        for command in commands:
            if command.address == TOKEN and len(command.arguments) == 1:
                self._hear_token(str(command.arguments[0]), sender)
            elif not self._gate.passes(sender):
                self._refuse_stranger(sender, command.address, TOKEN_WANTED)
            elif command.due <= 0.0:
                self._queue(command, sender)
            elif self._scheduled >= MOST_WAITING:
                self._refuse(sender, command.address, f"{MOST_WAITING} bundles wait already, which is the most")
            else:
                self._scheduled += 1
                asyncio.get_running_loop().call_later(command.due, self._due, command, sender)

    def _hear_token(self, said: str, sender: Address) -> None:
        if not self._gate.hear(sender, said):
            self._refuse_stranger(sender, TOKEN, "that is not this server's token")
            return
        if isinstance(sender, Connection):
            sender.passes = True
            sender.say_token()
        self.send(sender, "/backline/done", TOKEN)

    def _refuse_stranger(self, sender: Address, address: str, reason: str) -> None:
        if self._gate.may_refuse():
            self._refuse(sender, address, reason)
        else:
            self.refused += 1

    def error_received(self, error: Exception) -> None:
        """Called by asyncio when a listener is gone; nothing to do, it asked for nothing."""

    def send(self, receiver: Address, address: str, *arguments: object, tags: str = "") -> None:
        """Send a message."""
        if isinstance(receiver, Connection):
            receiver.transmit(osc(address, *arguments, tags=tags))
        elif self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(osc(address, *arguments, tags=tags), receiver)

    def _due(self, command: Command, sender: Address) -> None:
        self._scheduled -= 1
        self._queue(command, sender)

    def _queue(self, command: Command, sender: Address) -> None:
        queue = self._queues.get(sender)
        if queue is None:
            if len(self._queues) >= MOST_SENDERS:
                self._refuse(sender, command.address, f"{MOST_SENDERS} clients are being served, which is the most")
                return
            queue = self._queues[sender] = asyncio.Queue(MOST_WAITING)
            task = asyncio.get_running_loop().create_task(self._serve(sender, queue))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            queue.put_nowait(command)
        except asyncio.QueueFull:
            self._refuse(sender, command.address, f"{MOST_WAITING} commands wait already, which is the most")

    async def _serve(self, sender: Address, queue: "asyncio.Queue[Command]") -> None:
        """Carry out one sender's commands in order; end when there are none left."""
        while not queue.empty():
            command = queue.get_nowait()
            try:
                await self._handler(command, sender, lambda *a, **k: self.send(sender, *a, **k))
            except BacklineError as error:
                self._refuse(sender, command.address, str(error))
            except Exception as error:  # a bug of ours: this sender and all others are served on
                log.exception("a bug in %s", command.address)
                self._refuse(sender, command.address, f"a bug in Backline: {error!r}")
            # Other senders have their turn, however much this one asks.
            await asyncio.sleep(self._paces.of(sender).take())
        del self._queues[sender]

    def _refuse(self, sender: Address, address: str, reason: str) -> None:
        self.refused += 1
        log.info("refused %s from %s: %s", address, sender, reason)
        if not self._refusals.of(sender).may():
            return
        if address not in ("/backline/fail", "/backline/done"):  # two servers would answer each other for ever
            self.send(sender, "/backline/fail", address[:LONGEST_TEXT], reason[:LONGEST_TEXT])


def _listening(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    """Return a UDP and a TCP socket bound to one port. Raises BacklineError."""
    for attempt in range(PORTS_TO_TRY):
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        stream = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            datagrams.bind((host, port))
            # A port that an earlier server's connections have just left is free.
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            stream.bind((host, datagrams.getsockname()[1]))
            stream.listen()
        except (OSError, OverflowError) as error:
            datagrams.close()
            stream.close()
            if port == 0 and attempt + 1 < PORTS_TO_TRY and getattr(error, "errno", None) == errno.EADDRINUSE:
                continue
            reason = getattr(error, "strerror", None) or error
            raise BacklineError(
                f"cannot listen on {host} port {port}: {reason}; choose another with --port (0: any)"
            ) from error
        datagrams.setblocking(False)
        stream.setblocking(False)
        return datagrams, stream
    raise AssertionError("the last attempt returns or raises")
