"""What a pianist is told of a bar, and what is done at the piano: keys struck, keys let go, the pedal moved.

All places are steps (sixteenths) from the beginning of the bar they are in, which may carry a fraction.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from models.arranger.config import SIXTEENTHS
from models.arranger.grid import Written


@dataclass(frozen=True, slots=True)
class BarHeard:
    """A bar as it was heard. chords: (beats, CHORD) activations. melody: notes of the melody. loudness: (>= 4 * beats,) 0..1 of
    each step. beats: 1..4. tempo_bpm: > 0. number: of the bar in the song; equal bars of equal number are played alike.
    """

    chords: np.ndarray
    melody: tuple[Written, ...]
    loudness: np.ndarray
    beats: int
    tempo_bpm: float
    number: int

    @property
    def steps(self) -> int:
        return self.beats * SIXTEENTHS

    @property
    def seconds_a_step(self) -> float:
        return 60 / self.tempo_bpm / SIXTEENTHS


@dataclass(frozen=True, slots=True)
class Played:
    """A key is struck. length: steps, > 0; may reach beyond the bar, and then a Release may end it sooner. pitch: MIDI 21..108.

    velocity: 1..127. hand: left or right.
    """

    step: float
    length: float
    pitch: int
    velocity: int
    hand: str


@dataclass(frozen=True, slots=True)
class Release:
    """A key that an earlier bar struck is let go at `step`, sooner than was said then: its hand is wanted, or it is struck again."""

    step: float
    pitch: int


@dataclass(frozen=True, slots=True)
class Pedal:
    """The damper pedal goes down, or up."""

    step: float
    down: bool


Action: TypeAlias = Played | Release | Pedal
RANKS = {Release: 0, Pedal: 1, Played: 2}  # at one place keys go up, then the pedal moves, then keys go down


def action_order(action: Action) -> tuple[float, int, int]:
    """Sort key: by step; at one step by RANKS, then from the lowest key up."""
    return action.step, RANKS[type(action)], getattr(action, "pitch", 0)


def joined(bars: Iterable[tuple[Iterable[Action], int]]) -> list[Played]:
    """Return the notes of bars on one line of steps, each as long as it was held in the end. bars: (what was done, its steps)."""
    notes: list[Played] = []
    last: dict[int, int] = {}  # pitch -> place in notes
    begin = 0
    for actions, steps in bars:
        for action in sorted(actions, key=action_order):
            if isinstance(action, Played):
                last[action.pitch] = len(notes)
                notes.append(replace(action, step=begin + action.step))
            elif isinstance(action, Release):
                note = notes[last[action.pitch]]
                notes[last[action.pitch]] = replace(note, length=begin + action.step - note.step)
        begin += steps
    return notes
