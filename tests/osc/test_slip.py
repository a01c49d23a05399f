"""Packets in a stream of bytes: whatever is cut where, what comes out is what went in."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from plugin_bridge.slip import LARGEST_PACKET, SlipError, SlipReader, frame

PACKETS = st.lists(
    st.binary(min_size=1, max_size=60) | st.lists(st.sampled_from(list(b"\xc0\xdb\xdc\xdd")), min_size=1).map(bytes)
)


def read(reader: SlipReader, data: bytes, cuts: list[int]) -> list[bytes | SlipError]:
    """Feed `data` cut at these places."""
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    found = []
    for start, end in pairwise(places):
        found += list(reader.feed(data[start:end]))
    return found


@example([b"\xc0", b"\xdb", b"\xdb\xdc\xc0\xdd"], [1, 2, 3])
@given(PACKETS, st.lists(st.integers(0, 10_000)))
def test_packets_come_out_as_they_went_in(packets, cuts):
    assert read(SlipReader(), b"".join(map(frame, packets)), cuts) == packets


@given(st.binary(max_size=300), PACKETS, st.lists(st.integers(0, 10_000)))
def test_after_any_rubbish_the_next_packet_is_read(rubbish, packets, cuts):
    found = read(SlipReader(), rubbish + b"".join(map(frame, packets)), cuts)
    assert found[len(found) - len(packets) :] == packets


def test_a_frame_begins_and_ends_with_end_and_holds_none():
    assert frame(b"a\xc0b\xdbc") == b"\xc0a\xdb\xdcb\xdb\xddc\xc0"


@pytest.mark.parametrize("broken", [b"a\xdb", b"\xdba", b"\xdb\xdb\xdc", b"a\xdb\x00b"])
def test_a_broken_escape_is_said_and_costs_only_its_packet(broken):
    found = list(SlipReader().feed(frame(b"one") + broken + frame(b"two")))
    assert found[0] == b"one"
    assert "framing is broken" in str(found[1])
    assert found[2:] == [b"two"]


def test_what_is_too_long_is_said_once_and_never_kept():
    reader, errors = SlipReader(largest=100), []
    assert list(reader.feed(frame(b"\xc0" * 100))) == [b"\xc0" * 100]
    assert "has 101 bytes; allowed: up to 100" in str(next(iter(reader.feed(frame(bytes(101))))))
    for _ in range(1000):
        errors += list(reader.feed(bytes(150)))
        assert len(reader._rest) <= 200
    assert errors == []
    after = list(reader.feed(frame(b"next")))
    assert "longer than 100 bytes" in str(after[0])
    assert after[1:] == [b"next"]
    assert LARGEST_PACKET == 65_507
