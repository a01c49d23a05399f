"""A device's samples on the computer's clock, and the stream's sample index kept true through lost input."""

WINDOW_NS = (
    250_000_000  # long enough for a callback on time to be in it, short enough to see at once that a device stood still
)


class DeviceClock:
    """When a sample could first be there. Callbacks come late and never early: the earliest of the last moments tells the time."""

    def __init__(self, rate: int) -> None:
        self._ns_a_sample = 1e9 / rate
        self._earliest = [float("inf"), float("inf")]  # ns at sample 0, of this window and of the one before
        self._window_ends = 0

    def heard(self, start: int, now: int) -> None:
        """Hear that the block that begins at sample `start` was handed over at `now`, in ns."""
        if now >= self._window_ends:
            self._earliest = [float("inf"), self._earliest[0]]
            self._window_ends = now + WINDOW_NS
        self._earliest[0] = min(self._earliest[0], now - start * self._ns_a_sample)

    def time_of(self, sample: int) -> int:
        """Return when a block that begins at `sample` is handed over, in ns."""
        return round(min(self._earliest) + sample * self._ns_a_sample)

    def sample_at(self, now: int) -> int:
        """Return the sample with which a block begins that is handed over at `now`, in ns."""
        return round((now - min(self._earliest)) / self._ns_a_sample)


class LostInput:
    """How many samples a device threw away, in its callback. It says that some are lost; the clock says how many."""

    def __init__(self, rate: int) -> None:
        self._rate, self._end, self._at = rate, 0, -1

    def advance(self, frames: int, lost: bool, now: int) -> int:
        """Return the first sample of the block that comes at `now`, in ns; the first of all is 0."""
        start = self._end
        if lost and self._at >= 0:
            start += max(0, (now - self._at) * self._rate // 1_000_000_000 - frames)
        self._end, self._at = start + frames, now
        return start
