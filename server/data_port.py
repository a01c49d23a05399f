"""An engine's data socket: what waits is read first, so that what is stale is seen before it is worked on.

datagrams -> parse, or many_datagrams of a backlog -> MIDI to its stream at once, audio in order -> backlog -> HostedStream
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
from server.backlog import Blocks, without_stale
from server.gate import Gate
from server.hosted_stream import HostedStream
from server.many_datagrams import ManyDatagrams
from server.shared_page import SharedPage
from server.together import Together
from server.viewers import Address

DATAGRAMS_AT_ONCE = 256  # then commands and the heartbeat come first
ONE_BY_ONE = 32  # of them; what waits behind is read many at a call
MOST_ROUNDS = 32  # to find the end of a backlog: more small blocks than the socket holds


class DataPort:
    """Carries datagrams between the socket and the open streams."""

    def __init__(
        self, data: socket.socket, page: SharedPage, streams: dict[int, HostedStream], gate: Gate | None = None,
        together: Together | None = None,
    ) -> None:  # fmt: skip
        """Args: gate: who may speak; left out, everybody. together: has streams meet at their steps; left out, each is run alone."""
        self._together = together
        self._data, self._page, self._streams = data, page, streams
        self._many = ManyDatagrams(data)
        self._gate = gate if gate is not None and gate.token else None

    def take(self) -> None:
        """Read what waits and run it. Of a backlog everything is read first: where it is stale, only its newest block is worked on.

        How stale it is shows at its end only: of sixteen streams at 64 samples one reading is a fiftieth of a second.
        """
        waiting: list[Blocks] = []
        came_ns = time.monotonic_ns()
        for number in range(MOST_ROUNDS):
            if self._read(waiting, number > 0) < DATAGRAMS_AT_ONCE or not any(each.hosted.realtime for each in waiting):
                break
        streams: dict[int, list[Blocks]] = {}
        for blocks in without_stale(waiting):
            streams.setdefault(0 if self._together is None else blocks.hosted.number, []).append(blocks)
        works = [partial(self._work, each, came_ns) for each in streams.values()]
        if self._together is not None and len(works) > 1:
            self._together.run(works)
        else:
            for work in works:
                work()

    def _work(self, waiting: list[Blocks], came_ns: int) -> None:
        """Run blocks one after the other, which had come at `came_ns`."""
        for blocks in waiting:
            for message in blocks.each():
                blocks.hosted.take_audio(message, blocks.sender, came_ns)
                self._page.beat(time.monotonic_ns())
                self._page.count(0, 1)

    def transmit(self, datagram: bytes, address: Address) -> None:
        """Send a datagram without waiting."""
        try:
            self._data.sendto(datagram, address)
        except OSError:
            # A client that is gone or does not read: its notes are ended when it stays quiet, nothing else can be done.
            pass

    def _read(self, waiting: list[Blocks], backlog: bool) -> int:
        """Read some of what waits; return how many datagrams that were. backlog: whether there is known to be one."""
        taken = 0
        while taken < ONE_BY_ONE and not backlog:
            try:
                datagram, sender = self._data.recvfrom(65536)
            except BlockingIOError:
                break
            taken += 1
            self._sort(datagram, sender, waiting)
        if taken == ONE_BY_ONE or backlog:
            while taken < DATAGRAMS_AT_ONCE and (more := self._many.read()):
                taken += more
                self._sort_many(waiting)
        self._page.count(taken, 0)
        self._page.beat(time.monotonic_ns())
        return taken

    def _sort_many(self, waiting: list[Blocks]) -> None:
        for datagram, sender in self._many.others():  # first, since one may say the token
            self._sort(datagram, sender, waiting)
        for message, sender, block in self._many.audio():
            if self._gate is not None and not self._passes(self._gate, b"", sender):
                continue
            try:
                waiting.append(Blocks(self._stream(message.stream), message, sender, block))
            except ProtocolError as error:
                self._refuse(str(error), sender)

    def _sort(self, datagram: bytes, sender: Address, waiting: list[Blocks]) -> None:
        if self._gate is not None and not self._passes(self._gate, datagram, sender):
            return
        try:
            message = parse(datagram)
            hosted = self._stream(message.stream)
            if isinstance(message, AudioMessage):
                waiting.append(Blocks(hosted, message, sender, message.samples.shape[1]))
            elif isinstance(message, MidiMessage):
                hosted.take_midi(message)
            elif isinstance(message, TransportMessage):
                hosted.take_transport(message)
            elif isinstance(message, MagnitudeRequest):
                hosted.take_request(message, sender)
        except ProtocolError as error:
            if said_token(datagram) is None:  # where none is asked for it may be said all the same
                self._refuse(str(error), sender)

    def _stream(self, number: int) -> HostedStream:
        hosted = self._streams.get(number)
        if hosted is None:
            raise ProtocolError(f"there is no stream {number} here")
        return hosted

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
