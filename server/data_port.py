"""An engine's data socket: what waits is read first, so that what is stale is seen before it is worked on.

datagrams -> parse -> MIDI to its stream at once, audio in order -> drop what is stale -> HostedStream
"""

import socket
import time
from functools import partial

from plugin_bridge.client import osc
from plugin_bridge.protocol import (
    TOKEN_WANTED,
    AudioMessage,
    MagnitudeRequest,
    MidiMessage,
    ProtocolError,
    TransportMessage,
    parse,
    said_token,
)
from server.gate import Gate
from server.hosted_stream import HostedStream
from server.shared_page import SharedPage
from server.together import Together
from server.viewers import Address

DATAGRAMS_AT_ONCE = 256  # then commands and the heartbeat come first
MOST_READS = 32  # of so many, to find the end of a backlog: more small blocks than the socket holds

Waiting = list[tuple[HostedStream, AudioMessage, Address]]


class DataPort:
    """Carries datagrams between the socket and the open streams."""

    def __init__(
        self, data: socket.socket, page: SharedPage, streams: dict[int, HostedStream], gate: Gate | None = None,
        together: Together | None = None,
    ) -> None:  # fmt: skip
        """Args: gate: who may speak; left out, everybody. together: has streams meet at their steps; left out, each is run alone."""
        self._together = together
        self._data, self._page, self._streams = data, page, streams
        self._gate = gate if gate is not None and gate.token else None

    def take(self) -> None:
        """Read what waits and run it. Of a backlog everything is read first: where it is stale, only its newest block is worked on.

        How stale it is shows at its end only: of sixteen streams at 64 samples one reading is a fiftieth of a second.
        """
        waiting: Waiting = []
        came_ns = time.monotonic_ns()
        for _ in range(MOST_READS):
            if self._read(waiting) < DATAGRAMS_AT_ONCE or not any(hosted.realtime for hosted, _, _ in waiting):
                break
        streams: dict[int, Waiting] = {}
        for each in _without_stale(waiting):
            streams.setdefault(0 if self._together is None else each[0].number, []).append(each)
        works = [partial(self._work, blocks, came_ns) for blocks in streams.values()]
        if self._together is not None and len(works) > 1:
            self._together.run(works)
        else:
            for work in works:
                work()

    def _work(self, blocks: Waiting, came_ns: int) -> None:
        """Run blocks one after the other, which had come at `came_ns`."""
        for hosted, message, sender in blocks:
            hosted.take_audio(message, sender, came_ns)
            self._page.beat(time.monotonic_ns())
            self._page.count(0, 1)

    def transmit(self, datagram: bytes, address: Address) -> None:
        """Send a datagram without waiting."""
        try:
            self._data.sendto(datagram, address)
        except OSError:
            # A client that is gone or does not read: its notes are ended when it stays quiet, nothing else can be done.
            pass

    def _read(self, waiting: Waiting) -> int:
        """Read some of what waits; return how many datagrams that were."""
        taken = 0
        while taken < DATAGRAMS_AT_ONCE:
            try:
                datagram, sender = self._data.recvfrom(65536)
            except BlockingIOError:
                break
            taken += 1
            self._sort(datagram, sender, waiting)
        self._page.count(taken, 0)
        self._page.beat(time.monotonic_ns())
        return taken

    def _sort(self, datagram: bytes, sender: Address, waiting: Waiting) -> None:
        if self._gate is not None and not self._passes(self._gate, datagram, sender):
            return
        try:
            message = parse(datagram)
            hosted = self._streams.get(message.stream)
            if hosted is None:
                raise ProtocolError(f"there is no stream {message.stream} here")
            if isinstance(message, AudioMessage):
                waiting.append((hosted, message, sender))
            elif isinstance(message, MidiMessage):
                hosted.take_midi(message)
            elif isinstance(message, TransportMessage):
                hosted.take_transport(message)
            elif isinstance(message, MagnitudeRequest):
                hosted.take_request(message, sender)
        except ProtocolError as error:
            if said_token(datagram) is None:  # where none is asked for it may be said all the same
                self._refuse(str(error), sender)

    def _passes(self, gate: Gate, datagram: bytes, sender: Address) -> bool:
        """Whether a datagram is to be read on; it is not where it says the token, or where its sender never has."""
        said = said_token(datagram)
        if said is None and gate.passes(sender):
            return True
        if (said is None or not gate.hear(sender, said)) and gate.may_refuse():
            self._refuse(TOKEN_WANTED if said is None else "that is not this server's token", sender)
        return False

    def _refuse(self, reason: str, sender: Address) -> None:
        self.transmit(osc("/backline/fail", "data port", reason), sender)


def _stale(waiting: Waiting) -> set[int]:
    """Return the streams whose backlog goes back further than a real-time stream may be behind."""
    oldest: dict[int, int] = {}
    newest: dict[int, tuple[HostedStream, int]] = {}
    for hosted, message, _ in waiting:
        number, start = hosted.number, message.start
        if start < oldest.setdefault(number, start):
            oldest[number] = start
        newest[number] = hosted, start
    return {number for number, (hosted, start) in newest.items() if hosted.is_stale(oldest[number], start)}


def _without_stale(waiting: Waiting) -> Waiting:
    """Drop and count the blocks that are too far behind their stream's newest one: a stall must not become a delay.

    Where so much is dropped that the stream begins again anyway, it does so at the newest block: what came before it is late
    already, and to work on it would make the next ones late too. What is dropped is kept for the take all the same.
    """
    stale = _stale(waiting)
    if not stale:
        return waiting
    newest = {hosted.number: message.start for hosted, message, _ in waiting}
    first: dict[int, int] = {}
    for hosted, message, _ in waiting:
        if hosted.number not in first and not hosted.is_stale(message.start, newest[hosted.number]):
            first[hosted.number] = message.start
    hosts = {hosted.number: hosted for hosted, _, _ in waiting if hosted.number in stale}
    begins = {n: newest[n] if hosted.begins_again(first[n]) else first[n] for n, hosted in hosts.items()}
    fresh: Waiting = []
    dropped: dict[int, list[AudioMessage]] = {number: [] for number in hosts}
    for each in waiting:
        number, message = each[0].number, each[1]
        if number in hosts and message.start < begins[number]:
            dropped[number].append(message)
        else:
            fresh.append(each)
    for number, messages in dropped.items():
        hosts[number].leave_out(messages)
    return fresh
