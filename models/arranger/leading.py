"""Plays with a host, or with a beat that was found: a bar is written shortly before its downbeat and stays as it is.

Planned from what came after bars like the last ones (`foresight`); where the song was heard there on an earlier pass, from what
was heard then; or, a bar behind, what was heard in the bar before. Bars are kept in song positions until they are played, so
that a change of tempo moves them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from models.arranger.bars import NEARLY, Bar, Course, Passed
from models.arranger.composing import Composer, Task
from models.arranger.config import BAR, HOP, SAMPLE_RATE
from models.arranger.drafting import STEPS_A_HOP, Draft
from models.arranger.foresight import AHEAD as FORESEEN
from models.arranger.foresight import MOST_BARS, foreseen, models_of
from models.arranger.hearing import HeardBar, Hearing, nothing_heard
from models.arranger.keyboard import Keyboard

AHEAD = 8 * HOP  # samples, 0.16 s: so long before its downbeat a bar is there, if computing takes no time
MOST_REMEMBERED = 600  # bars of a song


@dataclass(frozen=True, slots=True)
class Committed:
    """A bar that will be played as it is. downbeat: the sample it lies at. at: the end of the hop in which it was decided."""

    number: int
    downbeat: float
    at: int


class Leader:
    """One stream's bars, from heard to played."""

    def __init__(self, composer: Composer, keyboard: Keyboard, hearing: Hearing, behind: bool, ahead: int) -> None:
        """Args: behind: plays what it heard a bar ago. ahead: samples by which what it plays must leave before its place."""
        self._composer, self._keyboard, self._hearing = composer, keyboard, hearing
        self._behind, self._ahead = behind, AHEAD + ahead + HOP * (1 + behind) * BAR // STEPS_A_HOP
        self._songs: dict[tuple[int, int], HeardBar] = {}
        self._before: deque[HeardBar] = deque(maxlen=MOST_BARS - 1)
        self._waiting: deque[tuple[Bar, bool]] = deque(maxlen=4)  # bars to be remembered once all of them was heard
        self.reset()

    def reset(self) -> None:
        """Know nothing of the song."""
        self._songs.clear()
        self._before.clear()
        self._waiting.clear()
        self.forget()
        self.committed: Committed | None = None

    def forget(self) -> None:
        """The music broke off: what was begun is not played. What was heard of the song is remembered."""
        self._job: tuple[Bar, Task, Draft | None] | None = None
        self._over: Bar | None = None  # the last bar that is over
        self._next = float("nan")

    def forget_places(self) -> None:
        """The places of the song are others now."""
        self._songs.clear()
        self._waiting = deque(((bar, False) for bar, _ in self._waiting), self._waiting.maxlen)

    def begin(self, course: Course, position: float, now: int) -> None:
        """Music starts at a song position: a bar that is known there is played at once."""
        bar = course.bar(position)
        self._next = bar.beats[-1] if position > bar.beats[0] else position
        if not self._behind and (bar.metre, bar.number) in self._songs:
            entered = Bar(bar.metre, bar.number, bar.beats, position)
            task = self._task(entered, course, None)
            draft = self._composer.draft(task)
            if draft is not None:
                draft.finish()
            self._commit(entered, task, draft, course, now)
            self._next = bar.beats[-1]

    def hear(self, bars: Iterable[Bar], remember: bool) -> None:
        """Take bars that are over. remember: their numbers are those of a song."""
        for bar in bars:
            self._over = bar
            whole = bar.since <= bar.beats[0] and bar.until >= bar.beats[-1]
            self._waiting.append((bar, remember and whole))
        while self._waiting and self._waiting[0][0].beats[-1] <= self._hearing.until():
            bar, numbered = self._waiting.popleft()
            heard = self._hearing.bar(bar).packed()
            self._before.append(heard)
            if not numbered:
                continue
            self._songs.pop((bar.metre, bar.number), None)
            self._songs[bar.metre, bar.number] = heard
            if len(self._songs) > MOST_REMEMBERED:
                del self._songs[next(iter(self._songs))]

    def go_on(self, now: int, course: Course, passed: Passed) -> None:
        """Write a hop's share of the bar whose turn it is at sample `now`."""
        if self._job is None and course.sample(self._next) - now <= self._ahead:
            bar = course.bar(self._next)
            if bar.beats[0] < self._next - NEARLY:  # bars begin elsewhere now
                bar = replace(bar, since=self._next)
            self._next = bar.beats[-1]
            task = self._task(bar, course, passed.open(course.samples_a_beat))
            self._job = bar, task, self._composer.draft(task)
        if self._job is None:
            return
        bar, task, draft = self._job
        if draft is not None and not draft.done:
            draft.go_on()
        if draft is None or draft.done:
            self._job = None
            self._commit(bar, task, draft, course, now)

    def _commit(self, bar: Bar, task: Task, draft: Draft | None, course: Course, now: int) -> None:
        actions = self._composer.play(task, draft.notes if draft is not None else ())
        self._keyboard.add(actions, bar.place, bar.since, bar.until)
        self.committed = Committed(bar.number, course.sample(bar.beats[0]), now)

    def _task(self, bar: Bar, course: Course, last: Bar | None) -> Task:
        """Return what a bar is written from. last: the bar before it, which still lasts, in samples."""
        tempo = 60 * SAMPLE_RATE / course.samples_a_beat
        known = None if self._behind else self._songs.get((bar.metre, bar.number))
        after = course.bar(bar.beats[-1])
        if known is not None:
            later = self._songs.get((after.metre, after.number))
            heard = known.unpacked(), nothing_heard() if later is None else later.unpacked()
            return Task(bar.number, (bar.steps, after.steps), heard, heard[0], tempo)
        second = nothing_heard() if last is None else self._hearing.bar(last)
        if not self._behind:
            return Task(bar.number, (bar.steps, after.steps), self._foreseen(second), None, tempo, last=second)
        before = self._over
        first = nothing_heard() if before is None else self._hearing.bar(before)
        steps = bar.steps if before is None else before.steps, bar.steps if last is None else last.steps
        return Task(bar.number - 1, steps, (first, second), second, tempo, second=True)

    def _foreseen(self, last: HeardBar) -> tuple[HeardBar, HeardBar]:
        """Return what the two bars after the last one may be like."""
        bars = [*self._before, *(self._hearing.bar(bar) for bar, _ in self._waiting), last]
        bars = [nothing_heard()] * (FORESEEN + 1 - len(bars)) + bars
        places, shares = models_of(np.stack([bar.chords for bar in bars]).astype(np.float32))
        heard, chords = (foreseen([getattr(bar, name) for bar in bars], places, shares) for name in ("heard", "chords"))
        return HeardBar(heard[0], chords[0], last.loudness), HeardBar(heard[1], chords[1], last.loudness)
