"""A device is kept awake while streams are open and nobody plays: a call that changes nothing, every so often, when no block is due.

A GPU that rests lowers its clocks and loses its caches, and the first block after a pause would pay for it. How long it may rest
is measured when an engine starts (`measure_rest`). A CPU needs none of this, and an engine of one never asks. The engine's own
thread makes the calls, between two looks at its socket, so that they wait for nobody and nobody waits for a lock.
"""

import logging
import time
from collections.abc import Callable, Iterable
from statistics import median
from typing import NamedTuple

log = logging.getLogger(__name__)
RESTS_MS = (10, 20, 40)
"""How long a device may rest: the longest that costs nothing. 40 ms are the longest pause between blocks of 1024 samples and more,
and what is awake every 40 ms is not idle to a driver, which lowers clocks after seconds."""
ROUNDS = 5  # of measuring: 0.4 s, once an engine and only on a device
FREE = 1.25  # times the call after the shortest rest: a longer rest costs something if it is over this
AHEAD_NS, AFTER_NS = 5_000_000, 1_000_000
"""Around the moment at which a block is due no call is made: what a block takes to compute goes off the first, and a host's own
jitter off both."""


class Heard(NamedTuple):
    """A stream's last block. ended_ns: when it was through. lasts_ns: how long it plays, after which the next one is due."""

    ended_ns: int
    lasts_ns: int


class KeepWarm:
    """When to call, and the call. One owner, one thread."""

    def __init__(
        self, call: Callable[[], object], rest_ms: float, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        """Args: call: what wakes the device and changes nothing. rest_ms: how long it may rest. clock: nanoseconds."""
        self._call, self._clock, self._last_ns = call, clock, clock()
        self.rest_ms = rest_ms
        self.calls = 0
        self.ended = False  # the device raised: its streams meet that themselves at their next step

    def run(self, streams: Iterable[Heard]) -> bool:
        """Call if the device has rested long enough and no stream's block is due; return whether it did."""
        heard = list(streams)
        now = self._clock()
        self._last_ns = max([self._last_ns, *(each.ended_ns for each in heard)])
        rested = now - self._last_ns >= 1e6 * self.rest_ms
        if self.ended or not heard or not rested or any(_is_due(each, now) for each in heard):
            return False
        try:
            self._call()
        except Exception as error:  # of ONNX Runtime's many: nobody is playing, and whoever plays next falls back
            self.ended = True
            log.info("the device is not kept warm any more: %s", error)
            return False
        self.calls += 1
        self._last_ns = self._clock()
        return True


def start_keeping(call: Callable[[], object]) -> KeepWarm | None:
    """Return what keeps a device warm by `call`, as often as it needs; None where the device raises."""
    try:
        return KeepWarm(call, measure_rest(call))
    except Exception as error:  # as above
        log.info("the device is not kept warm: %s", error)
        return None


def measure_rest(
    call: Callable[[], object], clock: Callable[[], int] = time.perf_counter_ns, sleep: Callable[[float], object] = time.sleep
) -> int:  # fmt: skip
    """Return the longest of RESTS_MS after which `call` takes no longer than after the shortest. The rests take turns."""
    times: dict[int, list[int]] = {rest: [] for rest in RESTS_MS}
    for _ in range(ROUNDS):
        for rest, taken in times.items():
            sleep(rest / 1000)
            began = clock()
            call()
            taken.append(clock() - began)
    most = FREE * median(times[RESTS_MS[0]])
    free = RESTS_MS[0]
    for rest in RESTS_MS[1:]:
        if median(times[rest]) > most:
            break
        free = rest
    return free


def _is_due(heard: Heard, now: int) -> bool:
    """Whether a stream that keeps its pace sends its next block about now."""
    return -AHEAD_NS <= now - (heard.ended_ns + heard.lasts_ns) <= AFTER_NS
