"""What waits for a stream is too old where a stall has kept it waiting: it is kept for the take, and not worked on."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from plugin_bridge.protocol import AudioMessage
from server.hosted_stream import HostedStream
from server.viewers import Address


class Blocks(NamedTuple):
    """One block of a stream, or several that follow on, in one message. block: samples in each."""

    hosted: HostedStream
    message: AudioMessage
    sender: Address
    block: int

    @property
    def newest(self) -> int:
        """The sample at which the last of them begins."""
        return self.message.start + self.message.samples.shape[1] - self.block

    def each(self) -> Iterable[AudioMessage]:
        """Return them one by one."""
        return (self.message,) if self.message.samples.shape[1] == self.block else self._pieces()

    def _pieces(self) -> Iterator[AudioMessage]:
        for first in range(0, self.message.samples.shape[1], self.block):
            yield self._part(first, first + self.block)

    def _part(self, first: int, last: int) -> AudioMessage:
        return self.message._replace(start=self.message.start + first, samples=self.message.samples[:, first:last])

    def first_from(self, sample: int) -> int:
        """Return where the first of them begins that begins at `sample` or later."""
        return self.message.start + max(0, -(-(sample - self.message.start) // self.block)) * self.block

    def cut(self, sample: int) -> tuple[AudioMessage | None, "Blocks | None"]:
        """Return those that begin before `sample`, and the others."""
        count = min(self.first_from(sample) - self.message.start, self.message.samples.shape[1])
        before = self._part(0, count) if count else None
        later = self._replace(message=self._part(count, self.message.samples.shape[1]))
        return before, later if later.message.samples.shape[1] else None


def without_stale(waiting: list[Blocks]) -> list[Blocks]:
    """Drop and count the blocks that are too far behind their stream's newest one: a stall must not become a delay.

    Where so much is dropped that the stream begins again anyway, it does so at the newest block: what came before it is late
    already, and to work on it would make the next ones late too. What is dropped is kept for the take all the same.
    """
    begins = _beginnings(waiting)
    if not begins:
        return waiting
    fresh: list[Blocks] = []
    dropped: dict[int, list[AudioMessage]] = {number: [] for number in begins}
    hosts = {blocks.hosted.number: blocks.hosted for blocks in waiting}
    for blocks in waiting:
        before, later = blocks.cut(begins.get(blocks.hosted.number, blocks.message.start))
        if before is not None:
            dropped[blocks.hosted.number].append(before)
        if later is not None:
            fresh.append(later)
    for number, messages in dropped.items():
        hosts[number].leave_out(messages)
    return fresh


def _beginnings(waiting: list[Blocks]) -> dict[int, int]:
    """Return where the streams go on whose backlog goes back further than a real-time stream may be behind."""
    oldest: dict[int, int] = {}
    newest: dict[int, Blocks] = {}
    for blocks in waiting:
        number = blocks.hosted.number
        oldest[number] = min(blocks.message.start, oldest.get(number, blocks.message.start))
        newest[number] = blocks
    stale = {n: last.newest for n, last in newest.items() if last.hosted.is_stale(oldest[n], last.newest)}
    first: dict[int, int] = {}
    for blocks in waiting if stale else ():
        number = blocks.hosted.number
        if number in stale and number not in first:
            fresh = blocks.first_from(blocks.hosted.fresh_from(stale[number]))
            if fresh <= blocks.newest:
                first[number] = fresh
    return {n: place if newest[n].hosted.begins_again(first[n]) else first[n] for n, place in stale.items()}
