"""OSC packets in a stream of bytes, framed as OSC 1.1 has it: SLIP (RFC 1055) with END before and after each packet.

Bytes in, packets out, without sockets. What cannot be a packet is one error and costs nothing but itself: the next END
begins anew.
"""

from collections.abc import Iterator

LARGEST_PACKET = 65_507  # bytes: whatever fits a datagram

END, ESCAPE, ESCAPED_END, ESCAPED_ESCAPE = b"\xc0", b"\xdb", b"\xdc", b"\xdd"


class SlipError(ValueError):
    """A frame is no packet; the text says why."""


def frame(packet: bytes) -> bytes:
    """Return a packet as it goes out."""
    return END + packet.replace(ESCAPE, ESCAPE + ESCAPED_ESCAPE).replace(END, ESCAPE + ESCAPED_END) + END


class SlipReader:
    """One direction of one connection."""

    def __init__(self, largest: int = LARGEST_PACKET) -> None:
        self._largest = largest
        self._rest = bytearray()
        self._too_long = False

    def feed(self, data: bytes) -> Iterator[bytes | SlipError]:
        """Yield the packets that `data` completes, and what was wrong with the others, in order."""
        *whole, rest = data.split(END)
        for part in whole:
            self._add(part)
            framed, too_long = bytes(self._rest), self._too_long
            self._rest.clear()
            self._too_long = False
            if too_long:
                yield SlipError(f"a packet is longer than {self._largest} bytes, which is the most")
            elif framed:
                yield self._packet(framed)
        self._add(rest)

    def _add(self, part: bytes) -> None:
        self._too_long = self._too_long or len(self._rest) + len(part) > 2 * self._largest  # every byte may be escaped
        if self._too_long:
            self._rest.clear()
        else:
            self._rest += part

    def _packet(self, framed: bytes) -> bytes | SlipError:
        pieces = framed.split(ESCAPE)
        for place, piece in enumerate(pieces[1:], 1):
            if not piece.startswith((ESCAPED_END, ESCAPED_ESCAPE)):
                return SlipError("a packet's framing is broken: the byte after an escape is neither DC nor DD")
            pieces[place] = (END if piece[:1] == ESCAPED_END else ESCAPE) + piece[1:]
        packet = b"".join(pieces)
        if len(packet) > self._largest:
            return SlipError(f"a packet has {len(packet)} bytes; allowed: up to {self._largest}")
        return packet
