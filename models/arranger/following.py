"""Follows what was heard: a bar is written once it and the next one were heard, and lies where it was, a constant latency later.

A bar that lasts longer than the latency allows is written from what was heard until then. Nothing is written twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from models.arranger.bars import Bar, Passed
from models.arranger.composing import Composer, Task
from models.arranger.config import BAR, HOP, SAMPLE_RATE
from models.arranger.drafting import STEPS_A_HOP, Draft
from models.arranger.hearing import Hearing, nothing_heard
from models.arranger.keyboard import Keyboard

MARGIN = HOP * (4 + BAR // STEPS_A_HOP)  # samples before the latest moment at which a bar is begun
TOGETHER = 1.0  # sample: bars that follow each other


class Follower:
    """One stream's bars, from heard to played."""

    def __init__(self, composer: Composer, keyboard: Keyboard, hearing: Hearing, latency: int) -> None:
        """Args: latency: samples from a bar's place to the moment at which it must be there."""
        self._composer, self._keyboard, self._hearing, self._latency = composer, keyboard, hearing, latency
        self.reset()

    def reset(self) -> None:
        """Have heard no bar."""
        self._bars: deque[Bar] = deque()
        self._job: tuple[Bar, Task, Draft | None] | None = None
        self._written = -1.0  # where the bars that were written end

    def hear(self, bars: Iterable[Bar]) -> None:
        """Take bars that are over."""
        for bar in bars:
            if _middle(bar) > self._written and bar.beats[-1] > bar.since:
                self._bars.append(bar)

    def go_on(self, now: int, passed: Passed, beat: float) -> None:
        """Write a hop's share of what can be written at sample `now`. beat: how long one is, in samples."""
        if self._job is None:
            self._job = self._next(now, passed, beat)
        if self._job is None:
            return
        bar, task, draft = self._job
        if draft is not None and not draft.done:
            draft.go_on()
        if draft is None or draft.done:
            self._job = None
            actions = self._composer.play(task, draft.notes if draft is not None else ())
            self._keyboard.add(actions, bar.place, bar.since, bar.until)

    def _next(self, now: int, passed: Passed, beat: float) -> tuple[Bar, Task, Draft | None] | None:
        """Return the next bar to be written, if it is time."""
        last = passed.open(beat)
        known = list(self._bars)[:2] if last is None or len(self._bars) > 1 else [*self._bars, last]
        if not known or _middle(known[0]) <= self._written:
            return None
        bar, after = known[0], known[1] if len(known) > 1 else None
        late = now >= bar.beats[0] + self._latency - MARGIN
        if after is not None and abs(after.beats[0] - bar.beats[-1]) > TOGETHER:
            after = None
        over, closed = bool(self._bars), len(self._bars) > 1
        heard = self._hearing.until()
        alone = over and after is None and (closed or bar.until <= bar.beats[-1]) and heard >= bar.beats[-1]
        both = over and closed and after is not None and heard >= after.beats[-1]
        if not (late or alone or both):
            return None
        if over:
            self._bars.popleft()
        self._written = bar.beats[-1]
        first, second = self._hearing.bar(bar), nothing_heard() if after is None else self._hearing.bar(after)
        tempo = 60 * SAMPLE_RATE * (len(bar.beats) - 1) / (bar.beats[-1] - bar.beats[0])
        steps = bar.steps, bar.steps if after is None else after.steps
        task = Task(bar.number, steps, (first, second), first, tempo)
        return bar, task, self._composer.draft(task)


def _middle(bar: Bar) -> float:
    return (bar.beats[0] + bar.beats[-1]) / 2
