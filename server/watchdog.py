"""Whether an engine still does its work: a judgement from a few numbers, without clocks or processes of its own.

Dead is noticed at once (its command socket closes). Frozen and silent are seen in the shared page: a heartbeat that
stands still, or datagrams that wait while nothing is done. A tick of ours that came late itself is no evidence, since
then the whole machine stood still (holes of 100 ms are known on virtual machines).
"""

from dataclasses import dataclass

TICK_SECONDS = 0.02
FROZEN_SECONDS = 0.25  # an idle engine beats every 20 ms and a hop takes under a millisecond
SILENT_SECONDS = 0.25
TICKS_TO_BE_SURE = 3
LATE_TICK_SECONDS = 0.06


@dataclass(frozen=True, slots=True)
class Sight:
    """What a tick sees.

    now: seconds. heartbeat_age: seconds. work: datagrams taken and blocks done so far, together. waiting: whether
    the data socket holds any datagram.
    """

    now: float
    heartbeat_age: float
    work: int
    waiting: bool


class Watchdog:
    """One engine's judge."""

    def __init__(self) -> None:
        self._last_tick: float | None = None
        self._work = -1
        self._moved_at = 0.0
        self._bad_ticks = 0

    def judge(self, sight: Sight) -> str | None:
        """Return `frozen`, `silent`, or None while all is well."""
        late = self._last_tick is not None and sight.now - self._last_tick > LATE_TICK_SECONDS
        self._last_tick = sight.now
        if sight.work != self._work or not sight.waiting or late:
            self._work, self._moved_at = sight.work, sight.now
        frozen = sight.heartbeat_age > FROZEN_SECONDS
        silent = sight.now - self._moved_at > SILENT_SECONDS
        self._bad_ticks = self._bad_ticks + 1 if (frozen or silent) and not late else 0
        if self._bad_ticks < TICKS_TO_BE_SURE:
            return None
        return "frozen" if frozen else "silent"
