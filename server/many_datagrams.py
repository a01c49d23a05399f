"""Many datagrams at a call, and the audio in them at once: a backlog is through in less than half the time that one by one takes.

recvmmsg -> rows of bytes -> blocks of one stream that follow on, in one array; whatever else came, datagram by datagram
"""

import ctypes
import socket
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from plugin_bridge.protocol import AUDIO_ROW, AudioMessage, is_audio_row
from server.viewers import Address

ROWS = 64  # datagrams at a call: four megabytes, which an engine has locked
LONGEST = 1 << 16  # bytes; UDP has none that is longer


class _Header(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p), ("name_size", ctypes.c_uint32), ("pieces", ctypes.c_void_p), ("piece_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p), ("control_size", ctypes.c_size_t), ("flags", ctypes.c_int),
    )  # fmt: skip


class _Message(ctypes.Structure):
    _fields_ = (("header", _Header), ("size", ctypes.c_uint))


class _Piece(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))


class ManyDatagrams:
    """Reads an IPv4 datagram socket that does not wait. The rows of a reading are overwritten by the next."""

    def __init__(self, data: socket.socket) -> None:
        self._data = data
        self._read_many = ctypes.CDLL(None, use_errno=True).recvmmsg
        self._rows = np.zeros((ROWS, LONGEST), np.uint8)
        self._names = np.zeros((ROWS, 16), np.uint8)  # family, port, address: what the kernel calls a name
        self._pieces = (_Piece * ROWS)(*(_Piece(row.ctypes.data, LONGEST) for row in self._rows))
        piece = ctypes.addressof(self._pieces)
        self._messages = (_Message * ROWS)(*(
            _Message(_Header(name.ctypes.data, 16, piece + number * ctypes.sizeof(_Piece), 1, None, 0, 0), 0)
            for number, name in enumerate(self._names)
        ))  # fmt: skip
        self._sizes = self._field(_Message.size.offset)
        self._name_sizes = self._field(_Header.name_size.offset)
        self._heads, self._is_audio = np.zeros(0, AUDIO_ROW), np.zeros(0, bool)  # of the rows that are filled

    def _field(self, offset: int) -> NDArray[np.uint32]:
        """Return a number of every message as one array."""
        raw = memoryview(self._messages).cast("B")
        return np.ndarray((ROWS,), np.uint32, raw, offset, (ctypes.sizeof(_Message),))

    def read(self) -> int:
        """Fill the rows with what waits; return how many are filled."""
        self._name_sizes[:] = 16
        count = max(0, int(self._read_many(self._data.fileno(), self._messages, ROWS, socket.MSG_DONTWAIT, None)))
        self._heads = np.ascontiguousarray(self._rows[:count, : AUDIO_ROW.itemsize]).view(AUDIO_ROW)[:, 0]
        self._is_audio = is_audio_row(self._heads, self._sizes[:count])
        return count

    def audio(self) -> Iterator[tuple[AudioMessage, Address, int]]:
        """Yield the audio that was read, stream by stream: blocks that follow on as one message, from whom, and how many samples
        each of them has.
        """
        rows = np.flatnonzero(self._is_audio)
        rows = rows[np.argsort(self._heads["stream"][rows], kind="stable")]
        heads, names = self._heads[rows], self._names[rows].view(np.uint64)[:, 0]
        begins = np.ones(rows.size, bool)
        begins[1:] = (heads["start"][1:] != heads["start"][:-1] + heads["count"][:-1]) | (names[1:] != names[:-1])
        for field in ("stream", "count", "size"):
            begins[1:] |= heads[field][1:] != heads[field][:-1]
        for first, last in pairwise([*np.flatnonzero(begins).tolist(), rows.size]):
            stream, start, block, size = (int(heads[name][first]) for name in ("stream", "start", "count", "size"))
            blob = self._rows[rows[first:last], AUDIO_ROW.itemsize : AUDIO_ROW.itemsize + size]
            blocks = np.ascontiguousarray(blob).view("<f4").reshape(last - first, -1, block)
            joined = np.swapaxes(blocks, 0, 1).reshape(blocks.shape[1], -1)
            yield AudioMessage(stream, start, joined), self._sender(int(rows[first])), block

    def others(self) -> Iterator[tuple[bytes, Address]]:
        """Yield the rest of what was read, and from whom, in order."""
        for row in np.flatnonzero(~self._is_audio).tolist():
            yield self._rows[row, : self._sizes[row]].tobytes(), self._sender(row)

    def _sender(self, row: int) -> Address:
        name = self._names[row].tobytes()
        return socket.inet_ntoa(name[4:8]), int.from_bytes(name[2:4], "big")
