"""Datagrams to messages, with a reason where one is broken. python-osc parses; what it drops silently is said here."""

import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass

from pythonosc.osc_bundle import OscBundle
from pythonosc.osc_bundle import ParseError as BundleError
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message import ParseError as MessageError

LONGEST_DELAY_SECONDS = 60.0
"""A bundle further ahead than this is refused: nobody plans a command that far, and memory is not a diary."""
DEEPEST_BUNDLE = 8
TYPES = b"ihfdsbrmtTFN[]"
"""Of arguments, as python-osc reads them; another it would leave out, and log a line for each."""


class PacketError(ValueError):
    """A datagram is no OSC, or asks for what is not allowed."""


@dataclass(frozen=True, slots=True)
class Command:
    """One message. due: seconds to wait before it is carried out."""

    address: str
    arguments: tuple[object, ...]
    due: float = 0.0


def read_packet(datagram: bytes, now: float | None = None) -> list[Command]:
    """Return the commands of a datagram in order. Raises PacketError.

    now: seconds since 1970, against which time tags are held.
    """
    if len(datagram) % 4 or not datagram:
        raise PacketError(f"a packet of {len(datagram)} bytes is no OSC: sizes are multiples of 4")
    try:
        return list(_read(datagram, time.time() if now is None else now, 0.0, DEEPEST_BUNDLE))
    except PacketError:
        raise
    except (
        BundleError,
        MessageError,
        ValueError,
        IndexError,
        TypeError,
        OverflowError,
        RecursionError,
        struct.error,
    ) as error:
        raise PacketError(f"a packet of {len(datagram)} bytes is no OSC: {error}") from error


def _read(datagram: bytes, now: float, due: float, depth: int) -> Iterator[Command]:
    if not OscBundle.dgram_is_bundle(datagram):
        _check_tags(datagram)
        message = OscMessage(datagram)
        if not message.address.startswith("/"):
            raise PacketError(f"address '{message.address[:40]}' does not begin with /")
        yield Command(message.address, tuple(message.params), due)
        return
    if depth == 0:
        raise PacketError(f"bundles lie in bundles deeper than {DEEPEST_BUNDLE}")
    delay = _delay(datagram, now)
    for content in _contents(datagram):
        yield from _read(content, now, max(due, delay), depth - 1)


def _check_tags(datagram: bytes) -> None:
    """Raise PacketError where a message has an argument of a type that is not read."""
    tags = datagram[(datagram.find(b"\0") // 4 + 1) * 4 :].partition(b"\0")[0]
    if tags.startswith(b",") and (unknown := tags[1:].strip(TYPES)):
        unknown = unknown[:1]
        raise PacketError(f"an argument is of type {unknown!r}; allowed: {TYPES.decode()}")


def _delay(datagram: bytes, now: float) -> float:
    """Return the seconds until a bundle is due; 0 for `immediately` and for late ones."""
    seconds, fraction = struct.unpack_from(">II", datagram, 8)
    if (seconds, fraction) == (0, 1):
        return 0.0
    delay = seconds - 2_208_988_800 + fraction / 2**32 - now  # NTP counts from 1900
    if delay > LONGEST_DELAY_SECONDS:
        raise PacketError(f"a bundle is due in {delay:.0f} s; allowed: up to {LONGEST_DELAY_SECONDS:g}")
    return max(0.0, delay)


def _contents(datagram: bytes) -> Iterator[bytes]:
    place = 16
    while place < len(datagram):
        (size,) = struct.unpack_from(">i", datagram, place)
        if size <= 0 or size % 4 or place + 4 + size > len(datagram):
            raise PacketError(f"a bundle's part of {size} bytes does not fit its packet of {len(datagram)}")
        yield datagram[place + 4 : place + 4 + size]
        place += 4 + size
