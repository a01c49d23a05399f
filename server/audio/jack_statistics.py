"""What a process callback counts: in memory that is there from the start, read after the end."""

from array import array

MOST_INCIDENTS = 4096
LONGEST_US = 50_000  # the last place of the histogram: longer ones count as this long


class Incidents:
    """When something happened, on the monotonic clock. All are counted, the first MOST_INCIDENTS keep their time."""

    def __init__(self) -> None:
        self.count = 0
        self._at_ns = array("q", bytes(8 * MOST_INCIDENTS))

    def add(self, now_ns: int) -> None:
        """Count one."""
        if self.count < MOST_INCIDENTS:
            self._at_ns[self.count] = now_ns
        self.count += 1

    def seconds(self) -> list[float]:
        """Return the times in seconds."""
        return [round(at / 1e9, 6) for at in self._at_ns[: min(self.count, MOST_INCIDENTS)]]


class CallbackTimes:
    """How long the callbacks took, in a histogram of microseconds."""

    def __init__(self) -> None:
        self.count = self.longest_us = 0
        self._histogram = array("q", bytes(8 * (LONGEST_US + 1)))

    def add(self, us: int) -> None:
        """Count one callback."""
        self.count += 1
        self._histogram[min(us, LONGEST_US)] += 1
        if us > self.longest_us:
            self.longest_us = us

    def summary(self) -> dict[str, int]:
        """Return median, tail and longest in microseconds."""
        return {"p50": self._at(0.5), "p99": self._at(0.99), "p99.9": self._at(0.999), "longest": self.longest_us}

    def _at(self, share: float) -> int:
        left = share * self.count
        for us, count in enumerate(self._histogram):
            left -= count
            if left <= 0:
                return us
        return LONGEST_US
