"""From heard bars to a pianist's bar: what is written from, what is written, and what is done at the piano.

    bars heard, what was played before, wishes -> window -> draft -> pianist -> actions

Owns what was played, so that each bar goes on from those before it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.arranger.config import BAR, CHORD, ROOTS, SIXTEENTHS
from models.arranger.drafting import Draft, Window
from models.arranger.grid import Written
from models.arranger.hearing import HeardBar
from models.arranger.pianist import VALUES as PIANIST_VALUES
from models.arranger.pianist import Pianist
from models.arranger.played import Action, BarHeard
from models.arranger.wishes import NO_CHORD, Progression, chord_of, read_texture
from models.step import Step

CHANGEABLE = (*PIANIST_VALUES, "chords", "texture")


@dataclass(frozen=True, slots=True)
class Task:
    """A bar to be written. number: of the bar in the song. steps: of both bars of the window. second: it is the second of them.

    heard: two bars, those of the window as they were heard or as they are foreseen. known: what was heard of the bar itself; None
    where it is still to come. last: the last bar that was heard then. tempo_bpm: of the bar.
    """

    number: int
    steps: tuple[int, int]
    heard: tuple[HeardBar, HeardBar]
    known: HeardBar | None
    tempo_bpm: float
    second: bool = False
    last: HeardBar | None = None

    @property
    def bar_steps(self) -> int:
        """How many steps the bar has."""
        return self.steps[self.second]

    @property
    def is_music(self) -> bool:
        """Whether there is something to play from."""
        return (self.known or self.last or self.heard[1]).is_music


class Composer:
    """One stream's. Bars are asked for in the order in which they are played."""

    def __init__(self, steps: Mapping[str, Step], values: Mapping[str, float | str]) -> None:
        """Args: steps: `encode` and `write`. values: CHANGEABLE by name. Raises ManifestError where a text says nothing."""
        self._encode, self._write = steps["encode"], steps["write"]
        self._pianist = Pianist(values)
        self._played: deque[tuple[Written, ...]] = deque(maxlen=3)
        self.read(values)

    def read(self, values: Mapping[str, float | str]) -> None:
        """Take what is asked for from the next bar on. Raises ManifestError, and then nothing has changed."""
        chords, texture = Progression(str(values["chords"])), read_texture(str(values["texture"]))
        self._pianist.read(values)
        self._chords, self._texture, self._melody = chords, texture, values["melody"] == "in"

    def reset(self) -> None:
        """Have played nothing."""
        self.forget()
        self._played.clear()

    def forget(self) -> None:
        """Hold no key any more: the music broke off. What was played is remembered."""
        self._pianist.reset()

    def draft(self, task: Task) -> Draft | None:
        """Return a draft of a bar, nothing of it done; None where there is nothing to play from."""
        if not task.is_music:
            return None
        window = Window(
            heard=np.concatenate([bar.heard for bar in task.heard]),
            chords=self._chords_of(task),
            prompt=self._prompt(task.second),
            texture=None if self._texture is None else self._texture.window(task.number - task.second),
            plan=task.known is None and not self._chords,
            melody=self._melody,
        )
        return Draft(self._encode, self._write, window, task.steps, int(task.second))

    def play(self, task: Task, notes: Sequence[Written]) -> tuple[Action, ...]:
        """Take a bar as it was written, and return what is done at the piano."""
        if notes or self._played:
            self._played.append(tuple(notes))
        beats = task.bar_steps // SIXTEENTHS
        if self._chords:
            chords = self._chords.bar(task.number, beats)
        else:
            chords = chords_of(notes, beats) if task.known is None else task.known.decided()
        before = task.last or task.heard[1]
        told = task.known or replace(before, heard=np.zeros_like(before.heard))
        bar = BarHeard(chords[:beats], told.melody(), told.loudness, beats, task.tempo_bpm, task.number)
        return self._pianist.play(notes, bar)

    def _chords_of(self, task: Task) -> np.ndarray:
        """Return the chords of the window's beats, (2 * BEATS_A_BAR, CHORD): those asked for are those of the bars to be written."""
        if not self._chords:
            return np.concatenate([bar.chords for bar in task.heard])
        first = task.number - task.second
        return np.concatenate([self._chords.bar(first + i, steps // SIXTEENTHS) for i, steps in enumerate(task.steps)])

    def _prompt(self, second: bool) -> tuple[Written, ...] | None:
        """Return what was played in the two bars before the window; None at the beginning."""
        before = list(self._played)[: -1 if second else None][-2:]
        if not before:
            return None
        first = 2 - len(before)
        return tuple(replace(n, step=n.step + BAR * (first + i)) for i, bar in enumerate(before) for n in bar)


def chords_of(notes: Sequence[Written], beats: int) -> np.ndarray:
    """Return the chords that notes of a bar seem to play, (beats, CHORD): their lowest key is root and bass, until another sounds."""
    out = np.zeros((beats, CHORD), np.float32)
    for beat in range(beats):
        begin, end = beat * SIXTEENTHS, (beat + 1) * SIXTEENTHS
        sounding = sorted(note.pitch for note in notes if note.step < end and note.step + note.length > begin)
        if not sounding:
            out[beat] = out[beat - 1] if beat else chord_of(NO_CHORD)
            continue
        out[beat, [sounding[0] % 12, ROOTS + 12 + sounding[0] % 12]] = 1
        out[beat, [ROOTS + pitch % 12 for pitch in sounding]] = 1
    return out
