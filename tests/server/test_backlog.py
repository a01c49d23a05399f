"""What waits too long is left out, in whatever pieces it was read."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin_bridge.protocol import AudioMessage
from server.backlog import Blocks, without_stale

BLOCK, NEAR, CLIENT = 64, 4800, ("127.0.0.1", 9)


@dataclass
class Host:
    """A stream that begins again where more than NEAR samples are missing; what it leaves out it remembers."""

    number: int
    realtime: bool = True
    position: int = 0
    left_out: list[int] = field(default_factory=list)

    def fresh_from(self, newest: int) -> int:
        return newest - NEAR

    def is_stale(self, start: int, newest: int) -> bool:
        return self.realtime and start < self.fresh_from(newest)

    def begins_again(self, start: int) -> bool:
        return self.is_stale(self.position, start)

    def leave_out(self, messages: list[AudioMessage]) -> None:
        for message in messages:
            self.left_out += message.samples[0].astype(int).tolist()


def blocks(host: Host, start: int, count: int, block: int = BLOCK) -> Blocks:
    """Return `count` blocks from a sample on, each sample its own place."""
    samples = np.arange(start, start + count * block, dtype=np.float32)[None]
    return Blocks(host, AudioMessage(host.number, start, samples), CLIENT, block)


def heard(waiting: list[Blocks]) -> list[tuple[int, int, int]]:
    """Return (stream, start, samples) of every block, and see that its samples are its own."""
    said = []
    for each in waiting:
        for message in each.each():
            assert message.samples[0, 0] == message.start
            said.append((message.stream, message.start, message.samples.shape[1]))
    return said


@pytest.mark.parametrize("sizes", [(1500,), (1,) * 1500, (64,) * 23 + (28,), (32, 1468)])
def test_after_a_stall_the_newest_block_is_all_that_is_heard(sizes):
    host, starts = Host(1), np.cumsum((0, *sizes))
    fresh = without_stale([blocks(host, 64 * int(start), size) for start, size in zip(starts, sizes, strict=False)])
    assert heard(fresh) == [(1, 64 * 1499, 64)]
    assert host.left_out == list(range(64 * 1499)), "all else is kept, in order"


def test_what_was_heard_to_the_end_of_what_is_stale_goes_on_there():
    host = Host(1, position=64 * 20)
    assert heard(without_stale([blocks(host, 0, 90)])) == [(1, 64 * n, 64) for n in range(14, 90)]
    assert host.left_out == list(range(64 * 14))


def test_a_backlog_that_is_near_enough_and_one_at_free_pace_are_heard_whole():
    near, free = Host(1), Host(2, realtime=False)
    waiting = [blocks(near, 0, 70), blocks(free, 0, 1500), blocks(near, 70 * 64, 6)]
    assert without_stale(waiting) is waiting
    assert near.left_out == free.left_out == []


def test_a_stall_of_one_is_none_of_another():
    late, here = Host(1), Host(2)
    fresh = without_stale([blocks(late, 0, 700), blocks(here, 0, 2), blocks(late, 700 * 64, 1)])
    assert heard(fresh) == [(2, 0, 64), (2, 64, 64), (1, 700 * 64, 64)]


@given(
    st.lists(
        st.tuples(st.integers(1, 60), st.sampled_from((48, 64, 512)), st.integers(0, 3000)), min_size=1, max_size=12
    )
)
def test_pieces_make_no_difference(parts):
    one, other, start = Host(1), Host(1), 0
    whole, single = [], []
    for count, block, hole in parts:
        whole.append(blocks(one, start, count, block))
        single += [blocks(other, start + k * block, 1, block) for k in range(count)]
        start += count * block + hole
    assert heard(without_stale(whole)) == heard(without_stale(single))
    assert one.left_out == other.left_out
