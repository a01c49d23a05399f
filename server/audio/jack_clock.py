"""The stream's sample index, kept true through xruns: the sum of all cycles that ran, ours or not.

JACK's frame clock cannot be the index as it is. A client that was skipped sees it move by whole cycles, which is the
truth: input was lost, and all that is due later must keep its place. But when the server itself woke late, jackd sets
the clock forward by a number that has nothing to do with samples (1.9.21 divides microseconds by frames: 20 times too
far at 48 kHz), although no cycle ran meanwhile. Which of the two it was shows in the time that really passed.

Used in the process callback: integers only, nothing is allocated that stays.
"""

FRAME_CLOCK_TURNS = 1 << 32  # JACK counts frames in 32 bits: it starts again after 25 hours at 48 kHz
SLACK_CYCLES = 2  # a callback may itself run late by about this much


class SampleClock:
    """One client's index. It never goes back and never stands."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._frame_time = self._at_ns = 0
        self._end = -1
        self.skipped = 0  # samples of cycles that ran without us
        self.resets = 0  # jumps of JACK's clock that were not time

    def advance(self, frame_time: int, frames: int, now_ns: int) -> int:
        """Return the first sample of the cycle that JACK calls `frame_time`, `frames` long; the first of all is 0."""
        if self._end < 0:
            position = 0
        else:
            position = self._end + self._missed(frame_time, frames, now_ns)
        self._frame_time, self._at_ns = (frame_time + frames) % FRAME_CLOCK_TURNS, now_ns
        self._end = position + frames
        return position

    def _missed(self, frame_time: int, frames: int, now_ns: int) -> int:
        """Return the samples between the end of our last cycle and this one."""
        gap = (frame_time - self._frame_time) % FRAME_CLOCK_TURNS
        if gap == 0:
            return 0
        passed = (now_ns - self._at_ns) * self._rate // 1_000_000_000
        if gap > passed + SLACK_CYCLES * frames:
            self.resets += 1
            return 0
        self.skipped += gap
        return gap
