"""Many datagrams at a call say what they say one by one."""

import socket
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugin_bridge.protocol import (
    LARGEST_BLOCK,
    LAST_SAMPLE,
    MOST_CHANNELS,
    AudioMessage,
    ProtocolError,
    pack_audio,
    pack_midi_in,
    pack_token,
    parse,
)
from server.many_datagrams import ROWS, ManyDatagrams

Wire = tuple[socket.socket, list[socket.socket], ManyDatagrams]


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    """A socket that does not wait, two senders, and its reader."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as data:
        data.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        data.bind(("127.0.0.1", 0))
        data.setblocking(False)
        senders = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        for sender in senders:
            sender.bind(("127.0.0.1", 0))
            sender.connect(data.getsockname())
        yield data, senders, ManyDatagrams(data)
        for sender in senders:
            sender.close()


def block(stream: int, start: int, count: int, channels: int = 1, plain: bool = False) -> bytes:
    samples = np.arange(start, start + channels * count, dtype=np.float32).reshape(channels, count)
    return pack_audio(stream, start, samples, plain)


def is_audio_in_int64(datagram: bytes) -> bool:
    """Whether it is a block in the layout that is read many at a call, and a whole one."""
    try:
        return isinstance(message := parse(datagram), AudioMessage) and not message.plain
    except ProtocolError:
        return False


def read_all(
    many: ManyDatagrams,
) -> tuple[list[tuple[AudioMessage, tuple[str, int]]], list[tuple[bytes, tuple[str, int]]]]:
    """Read until nothing waits; return the blocks, one by one, and the rest, each with its sender."""
    blocks, others = [], []
    while many.read():
        for message, sender, count in many.audio():
            assert message.samples.dtype == np.float32
            assert message.samples.shape[1] % count == 0
            for first in range(0, message.samples.shape[1], count):
                piece = message.samples[:, first : first + count]
                blocks.append((message._replace(start=message.start + first, samples=piece), sender))
        others += many.others()
    return blocks, others


def check(wire: Wire, datagrams: list[tuple[int, bytes]]) -> None:
    """Send datagrams, (sender, bytes), and see that each is read as `parse` reads it, in its stream's order."""
    _, senders, many = wire
    for number, datagram in datagrams:
        senders[number].send(datagram)
    blocks, others = read_all(many)
    names = [sender.getsockname() for sender in senders]
    assert others == [(datagram, names[number]) for number, datagram in datagrams if not is_audio_in_int64(datagram)]
    said = [(parse(datagram), names[number]) for number, datagram in datagrams if is_audio_in_int64(datagram)]
    for stream in {message.stream for message, _ in said}:
        wanted = [each for each in said if each[0].stream == stream]
        got = [each for each in blocks if each[0].stream == stream]
        assert [(m.start, sender) for m, sender in got] == [(m.start, sender) for m, sender in wanted]
        for (one, _), (other, _) in zip(got, wanted, strict=True):
            np.testing.assert_array_equal(one.samples, other.samples)
    assert len(blocks) == len(said)


COUNTS = st.sampled_from((1, 48, 64, 64, 64, 512))
RUNS = st.builds(
    lambda stream, start, count, channels, length: [
        block(stream, start + k * count, count, channels) for k in range(length)
    ],
    st.integers(1, 3), st.integers(0, 5) | st.just(LAST_SAMPLE - 200 * 512), COUNTS, st.integers(1, MOST_CHANNELS), st.integers(1, 90),
)  # fmt: skip
SHORT = st.builds(
    lambda count, plain, cut: block(1, 7, count, 1, plain)[: -cut or None], COUNTS, st.booleans(), st.integers(0, 9)
)
OTHER = st.sampled_from(
    (b"", b"/backline/audio\0", pack_midi_in(1, 5, 0x90, 60, 100), pack_token("secret"), b"\xff" * 60)
)
ODD = st.builds(lambda one: [one], SHORT | OTHER | st.binary(max_size=80))


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 1), RUNS | ODD), max_size=6))
def test_what_comes_in_runs_is_what_parse_says(wire, parts):
    check(wire, [(sender, datagram) for sender, part in parts for datagram in part])


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 1), RUNS), min_size=2, max_size=4))
def test_streams_in_turn_are_told_apart(wire, parts):
    longest = max(len(part) for _, part in parts)
    check(wire, [(sender, part[k]) for k in range(longest) for sender, part in parts if k < len(part)])


@pytest.mark.parametrize("place", [0, 24, 28, 36, 40])
@pytest.mark.parametrize("value", [0, 1, 0x7F, 0x80, 0xFF])
def test_a_head_that_is_not_right_is_left_to_parse(wire, place, value):
    spoiled = bytearray(block(1, 64, 64))
    spoiled[place] = value
    check(wire, [(0, block(1, 0, 64)), (0, bytes(spoiled)), (0, block(1, 128, 64))])


def test_the_longest_are_whole(wire):
    check(wire, [(0, block(1, 0, LARGEST_BLOCK)), (0, bytes(65_507)), (1, block(2, 9, LARGEST_BLOCK - 64, 2))])


def test_what_follows_on_is_one_message(wire):
    _, senders, many = wire
    for number in range(2 * ROWS):
        senders[0].send(block(1 + number % 2, 64 * (number // 2), 64))
    said = []
    while many.read():
        said += [(message.stream, message.start, message.samples.shape) for message, _, _ in many.audio()]
    half = ROWS // 2 * 64
    assert said == [(1, 0, (1, half)), (2, 0, (1, half)), (1, half, (1, half)), (2, half, (1, half))]
    assert list(many.audio()) == list(many.others()) == [], "nothing waits"
