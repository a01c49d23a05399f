"""When the streams of an engine have their hops: apart from each other, so that none waits while another is computed.

A host's tracks begin at one moment and all their blocks go out together: the hops of all of them would be complete in the same
block, and the last would be answered when all were computed. What only listens may as well begin some blocks later, by less
than a hop. It then hears what it would have heard of audio that begins there, to the bit.
"""

NEAR = 32  # hops less than such a part of a period apart are at one place: a stream is heard now and then a little late


class HopSpread:
    """The hops of the streams of one engine, on the monotonic clock."""

    def __init__(self, period_ns: int) -> None:
        """Args: period_ns: of the hops, which all streams have in common."""
        self.period_ns = period_ns
        self._hops: dict[int, int] = {}  # stream -> when one of its hops was complete

    def choose(self, stream: int, now_ns: int, block_ns: int) -> int:
        """Return how many blocks of `block_ns` a stream that could begin now shall wait, so that it is where the others are not."""
        others = [hop for number, hop in self._hops.items() if number != stream]
        near = self.period_ns / NEAR

        def crowd(blocks: int) -> float:
            return sum(1 / (self._apart(now_ns + blocks * block_ns, hop) + near) for hop in others)

        best = min(range(max(1, self.period_ns // max(1, block_ns))), key=crowd)  # of several the first
        self._hops[stream] = now_ns + best * block_ns
        return best

    def note(self, stream: int, now_ns: int) -> None:
        """Take note of a hop, since clocks drift apart."""
        self._hops[stream] = now_ns

    def forget(self, stream: int) -> None:
        """Let a stream's place go."""
        self._hops.pop(stream, None)

    def _apart(self, one_ns: int, other_ns: int) -> int:
        """Return how far hops are from each other at their nearest."""
        distance = (one_ns - other_ns) % self.period_ns
        return min(distance, self.period_ns - distance)


class Turn:
    """One stream's turn among the hops of its engine: the sample from which it listens."""

    def __init__(self, spread: HopSpread, stream: int, rate: int) -> None:
        """Args: rate: of the stream's samples."""
        self._spread, self._stream, self._rate = spread, stream, rate
        self._hop = spread.period_ns * rate  # in billionths of a sample: hops need not be whole ones
        self._begins_at: int | None = None  # not chosen yet

    def begin(self, start: int, count: int, now_ns: int, again: bool = False) -> int:
        """Return the sample from which to listen, `start` or later, as a block of `count` samples comes.

        Args: again: whether the stream begins anew here; its hops stay where they were among the others'.
        """
        if self._begins_at is None:
            block_ns = 1_000_000_000 * count // self._rate
            self._begins_at = start + count * self._spread.choose(self._stream, now_ns, block_ns)
        elif again:
            self._begins_at = start + (self._begins_at - start) * 1_000_000_000 % self._hop // 1_000_000_000
        waits = self._begins_at - start  # more than a hop: the client's clock went back
        return self._begins_at if 0 < waits <= self._hop // 1_000_000_000 else start

    def note(self, now_ns: int) -> None:
        """Take note of when a hop of it was complete."""
        self._spread.note(self._stream, now_ns)
