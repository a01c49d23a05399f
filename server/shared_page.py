"""A page of memory that an engine writes and the control process reads, so that the truth outlives the engine.

It holds the heartbeat, what was done, and for every stream where its client is, which notes sound there, how loud its input
is and what left last. The control process owns the port: from this page it ends the notes of an engine that died, and shows
what happens to whoever looks.
"""

import mmap
import os
import socket
import struct

import numpy as np

from server.note_ledger import CHANNELS, COLUMNS

TRAIL = 512
"""Events of a stream that the page keeps for those who look on: four seconds of a bend wheel that never rests."""

Seen = tuple[int, int, int, int, int]
"""An event that left: due sample, the sample it speaks about, MIDI status, data 1, data 2."""

MOST_STREAMS = 16
"""Streams one engine hosts. The transcriber uses about 3 % of a core each, so that the core is full before this is."""

_STREAM = np.dtype([
    ("number", "<i4"), ("port", "<u2"), ("address", "u1", 4), ("plain", "u1"), ("position", "<i8"), ("heard_ns", "<i8"), ("late", "<i8"),
    ("sounding", "u1", (CHANNELS, COLUMNS)), ("peak", "<f4"),
    ("left", "<i8"), ("due", "<i8", TRAIL), ("place", "<i8", TRAIL), ("midi", "<u4", TRAIL),
])  # fmt: skip
_PAGE = np.dtype([("heartbeat_ns", "<i8"), ("datagrams", "<i8"), ("blocks", "<i8"), ("streams", _STREAM, MOST_STREAMS)])


class SharedPage:
    """The page, mapped from a file descriptor that both processes hold."""

    def __init__(self, descriptor: int | None = None) -> None:
        self.descriptor = os.memfd_create("backline-page") if descriptor is None else descriptor
        if descriptor is None:
            os.ftruncate(self.descriptor, _PAGE.itemsize)
        self._map = mmap.mmap(self.descriptor, _PAGE.itemsize)
        # Plain views of one element each: writing one costs 60 ns, through the record it would be 600.
        self._page = np.frombuffer(self._map, _PAGE, 1)
        self._heartbeat = self._page["heartbeat_ns"]
        self._datagrams, self._blocks = self._page["datagrams"], self._page["blocks"]

    def close(self) -> None:
        """Give the descriptor back; the mapping goes with the last view of it."""
        os.close(self.descriptor)

    def beat(self, now_ns: int) -> None:
        """Say that the engine's loop is alive."""
        self._heartbeat[0] = now_ns

    def count(self, datagrams: int, blocks: int) -> None:
        """Say how many datagrams were taken from the socket and how many blocks are through."""
        self._datagrams[0] += datagrams
        self._blocks[0] += blocks

    @property
    def heartbeat_ns(self) -> int:
        """When the loop was last alive, on the monotonic clock; 0 before its first round."""
        return int(self._heartbeat[0])

    @property
    def datagrams(self) -> int:
        """Datagrams taken from the socket so far."""
        return int(self._datagrams[0])

    @property
    def blocks(self) -> int:
        """Blocks that are through so far."""
        return int(self._blocks[0])

    def slot(self, index: int) -> "Slot":
        """Return the place of one stream."""
        return Slot(self._page["streams"][0, index : index + 1])


class Slot:
    """What the page says about one stream."""

    def __init__(self, record: np.ndarray) -> None:  # type: ignore[type-arg]  # (1,) of _STREAM
        self._number, self._port, self._address = record["number"], record["port"], record["address"][0]
        self._plain = record["plain"]
        self._position, self._heard, self._late = record["position"], record["heard_ns"], record["late"]
        self.sounding = record["sounding"][0]
        self._peak, self._left = record["peak"], record["left"]
        self._due, self._place, self._midi = record["due"][0], record["place"][0], record["midi"][0]

    def clear(self, number: int) -> None:
        """Take the place for stream `number` (0: for none)."""
        self._number[0], self._port[0], self._position[0], self._heard[0], self._late[0] = number, 0, 0, 0, 0
        self._address[:] = 0
        self.sounding[:] = 0
        self._peak[0] = self._left[0] = 0

    def heard(self, position: int, now_ns: int, late: int) -> None:
        """Say up to which sample the stream was heard, and when."""
        self._position[0], self._heard[0], self._late[0] = position, now_ns, late

    def show_level(self, peak: float) -> None:
        """Say how loud the input is: 1 is full scale."""
        self._peak[0] = peak

    def show_event(self, due: int, place: int, status: int, data1: int, data2: int) -> None:
        """Say what left. Nobody is waited for: an older event makes room."""
        index = int(self._left[0]) % TRAIL
        self._due[index], self._place[index], self._midi[index] = due, place, status | data1 << 8 | data2 << 16
        self._left[0] += 1

    def events_since(self, count: int) -> tuple[int, list[Seen] | None]:
        """Return how many events have left so far, and those after the first `count`; None where they are no longer all there."""
        left = int(self._left[0])
        if not 0 <= left - count <= TRAIL:
            return left, None
        places = [number % TRAIL for number in range(count, left)]
        seen = [
            (due, place, midi & 255, midi >> 8 & 255, midi >> 16)
            for due, place, midi in zip(
                self._due[places].tolist(), self._place[places].tolist(), self._midi[places].tolist(), strict=True
            )
        ]
        # What was written while this was read may have taken the oldest places.
        return left, seen if int(self._left[0]) - count <= TRAIL else None

    def set_client(self, client: tuple[str, int], plain: bool = False) -> None:
        """Remember where the stream's blocks come from and its events go; plain: it reads int32 only."""
        self._address[:] = np.frombuffer(socket.inet_aton(client[0]), np.uint8)
        self._port[0], self._plain[0] = client[1], plain

    @property
    def client(self) -> tuple[str, int] | None:
        """Where the stream's client is; None before its first block."""
        return (socket.inet_ntoa(struct.pack("4B", *self._address)), int(self._port[0])) if self._port[0] else None

    @property
    def plain(self) -> bool:
        """Whether the client reads int32 only."""
        return bool(self._plain[0])

    @property
    def number(self) -> int:
        """The stream's number; 0 where the place is free."""
        return int(self._number[0])

    @property
    def position(self) -> int:
        """The sample after the last one heard."""
        return int(self._position[0])

    @property
    def heard_ns(self) -> int:
        """When the last block came, on the monotonic clock."""
        return int(self._heard[0])

    @property
    def late(self) -> int:
        """Events counted late so far."""
        return int(self._late[0])

    @property
    def peak(self) -> float:
        """How loud the input is: 1 is full scale."""
        return float(self._peak[0])
