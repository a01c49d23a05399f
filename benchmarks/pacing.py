"""Calls at the pace of a real stream: sleep until each is due on one absolute schedule.

A tight loop flatters: its caches stay warm, and paced calls cost 1.2 to 2 times as much (measured). Two more traps:
a loop that waits for slow answers asks less often and so sees fewer of them (coordinated omission): here a call that
its predecessor held up counts from when it was due. And the machine's own hiccups look like ours: the lateness of
every wake-up is kept, and stands beside the figures.
"""

import gc
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from server.realtime import FIFO_PRIORITY

WARM_UP_CALLS = 20


class Pacer:
    """A schedule of one call every `period_seconds`, beginning now."""

    def __init__(self, period_seconds: float) -> None:
        self._period_ns = round(period_seconds * 1e9)
        self._due = time.perf_counter_ns()
        self.late_us: list[float] = []  # wake-ups, behind their due time

    def wait(self) -> int:
        """Sleep until the next call is due; return from when it counts, in ns of time.perf_counter_ns."""
        self._due += self._period_ns
        left = self._due - time.perf_counter_ns()
        if left <= 0:
            return self._due
        time.sleep(left / 1e9)
        now = time.perf_counter_ns()
        self.late_us.append((now - self._due) / 1000)
        return now


@contextmanager
def real_time() -> Iterator[str]:
    """Run as an engine runs: SCHED_FIFO where allowed and a quiet garbage collector; give `fifo` or `normal`."""
    gc.collect()
    gc.freeze()
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(FIFO_PRIORITY))
        scheduling = "fifo"
    except OSError:
        scheduling = "normal"
    try:
        yield scheduling
    finally:
        if scheduling == "fifo":
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        gc.unfreeze()


def calls(seconds: float, period_seconds: float) -> int:
    """Return how many paced calls fit into `seconds`, but two at least: the first counts apart."""
    return max(2, round(seconds / period_seconds))
