"""Notes on the lines of a rhythmic grid, as far as one wants them there.

    emissions by the player's place -> a note goes to its line, its end goes with it -> scheduler

A note keeps its length, unless the same pitch is struck again before that: then it ends there. It never ends before it
starts or without any length between, and no event overtakes another of its pitch. Controllers and bends stay where they
were played.

A note can be moved back only while it is not gone. A commit stream therefore declares `reserve` more: half of the widest
distance between two lines at the tempo it was opened with; at a slower tempo notes go back no further than that. A live
stream declares nothing and waits for no one: what came before its line waits for it, what came after stays late.

The lines follow the host's transport while it rolls; while it stands there are none. Without a host's tempo they begin at
the stream's first sample.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil
from typing import Literal

from models.events import NoteOff, NoteOn, Transport
from models.rhythm.grid import STEPS, Grid
from server.scheduler import Emission

SHORTEST_SECONDS = 0.01  # what a note keeps of its length at least, where it had as much
CHANGEABLE = ("quantise_strength", "swing", "tempo_bpm")


@dataclass(slots=True)
class _Note:
    """One that was started: by how much it is moved, when it now leaves, where it was played, and its end once known."""

    moved: int
    due: int
    played: int
    end: Emission | None = None
    length: int = 0


class Quantiser:
    """One stream's notes. One owner, one thread."""

    def __init__(self, rate: int, kind: Literal["commit", "live"], values: Mapping[str, float | str]) -> None:
        """Args: values: the stream's parameters; without a `quantise` everything passes as it is."""
        self._rate = rate
        self._step = STEPS.get(str(values.get("quantise", "off")))
        self._values = {name: float(values[name]) for name in CHANGEABLE} if self._step else {}
        self._shortest = round(SHORTEST_SECONDS * rate)
        self._transport: Transport | None = None
        self._notes: dict[tuple[int, int], _Note] = {}
        self._origin = 0
        self._grid = self._lines()
        self.furthest = ceil(self._grid.furthest) if self._grid else 0
        self.reserve = self.furthest if kind == "commit" else 0

    @property
    def waits(self) -> bool:
        """Whether it may hold an event back until it is `due`."""
        return self._step is not None

    def set(self, name: str, value: float) -> None:
        """Change strength, swing or tempo for the notes to come."""
        self._values[name] = value
        self._grid = self._lines()

    def begin(self, origin: int, transport: Transport | None) -> None:
        """Forget all notes: the stream begins at host sample `origin`, with the host's transport, if there is one."""
        self._notes.clear()
        self._origin = origin
        self.follow(transport)

    def follow(self, transport: Transport | None) -> None:
        """Take what the host's transport does from now on, its sample on the host's clock."""
        self._transport = transport
        self._grid = self._lines()
        if self._grid is not None:
            self.furthest = max(self.furthest, ceil(self._grid.furthest))

    def take(self, emission: Emission) -> list[Emission]:
        """Return what may be scheduled for an emission, moved. An end waits here until it is `due`, lest it must be earlier."""
        event = emission.event
        if self._step and isinstance(event, NoteOn):
            return self._start(emission, (event.channel, event.pitch))
        if self._step and isinstance(event, NoteOff):
            return self._end(emission, (event.channel, event.pitch))
        return [emission]

    def due(self, end: int) -> list[Emission]:
        """Return and forget the ends that are due before sample `end`."""
        if not self._notes:
            return []
        left = [key for key, note in self._notes.items() if note.end is not None and note.end.due < end]
        return [e for key in left if (e := self._notes.pop(key).end) is not None]

    def _start(self, emission: Emission, key: tuple[int, int]) -> list[Emission]:
        moved, leaving = self._shift(emission.place), []
        before = self._notes.pop(key, None)
        if before is not None:
            kept = max(1, min(before.length or emission.place - before.played, self._shortest))
            moved = max(moved, before.due + kept - emission.due)
            if before.end is not None:
                leaving = [_by(before.end, min(0, emission.due + moved - before.end.due))]
        self._notes[key] = _Note(moved, emission.due + moved, emission.place)
        return [*leaving, _by(emission, moved)]

    def _end(self, emission: Emission, key: tuple[int, int]) -> list[Emission]:
        note = self._notes.get(key)
        if note is None or note.end is not None:
            return [emission]  # it ends nothing of ours; the ledger knows
        note.length = max(1, emission.place - note.played)
        note.end = _by(emission, max(note.moved, note.due + 1 - emission.due))
        return []

    def _shift(self, place: int) -> int:
        if self._grid is None:
            return 0
        away = self._values["quantise_strength"] / 100 * (self._grid.nearest(place) - place)
        return max(-self.reserve, round(away))

    def _lines(self) -> Grid | None:
        """Return the grid as it lies now; None where there is none, and while a host that has a tempo stands still."""
        if not self._step:
            return None
        transport, swing = self._transport, self._values["swing"] / 100
        if transport is None or not transport.tempo_bpm:
            return Grid(60 * self._rate / self._values["tempo_bpm"], self._step, self._origin, swing)
        if not transport.playing:
            return None
        quarter = 60 * self._rate / transport.tempo_bpm
        return Grid(quarter, self._step, transport.sample - transport.position * quarter, swing)


def _by(emission: Emission, samples: int) -> Emission:
    return replace(emission, due=emission.due + samples, place=emission.place + samples)
