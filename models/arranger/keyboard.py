"""What was decided to be played, kept until it is due: keys go down and up, the pedal moves, and no key is struck while it sounds.

Places are song positions while a host's or a found beat is followed, or samples; whoever asks says which sample a place is now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from itertools import count
from math import inf

from models.arranger.played import RANKS, Action, Pedal, Played
from models.events import ControlChange, Event, NoteOff, NoteOn

SUSTAIN = 64
SHORTEST = 16.0  # samples that a key stays down: 1 ms; where a stop leaves it less it is not struck


class Keyboard:
    """One stream's. Events come in the order of their samples."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Nothing is held, and nothing is to come."""
        self.late = 0  # keys that were never struck, since it was known too late
        self._serial = count()
        self._due: list[tuple[float, int, int, Action, float]] = []  # place, rank, serial, action, place of its end
        self._held: dict[int, float] = {}  # pitch -> place at which it goes up
        self._pedal = False

    def add(self, actions: Iterable[Action], place: Callable[[float], float], since: float, until: float) -> None:
        """Take what is played in a bar. place: step of the bar -> place. since, until: places between which it is played."""
        for action in actions:
            at = place(action.step)
            if since <= at < until:
                end = min(place(action.step + action.length), until) if isinstance(action, Played) else at
                heappush(self._due, (at, RANKS[type(action)], next(self._serial), action, end))

    def play(self, reach: float, earliest: float, sample: Callable[[float], float], slack: float = 0.0) -> list[Event]:
        """Return what is due before the sample `reach`.

        What should have been before `earliest` is done there; a key that is more than `slack` samples late is not struck at all.
        """
        out: list[Event] = []
        while True:
            place, pitch = min(((end, pitch) for pitch, end in self._held.items()), default=(inf, 0))
            if place < inf and (not self._due or (place, 0) <= self._due[0][:2]):
                if sample(place) >= reach:
                    return out
                del self._held[pitch]
                out.append(NoteOff(max(sample(place), earliest), pitch))
                continue
            if not self._due or sample(self._due[0][0]) >= reach:
                return out
            place, _, _, action, end = heappop(self._due)
            at = sample(place)
            if isinstance(action, Played) and at < earliest - slack:
                self.late += 1
            elif not isinstance(action, Played) or sample(end) >= max(at, earliest) + SHORTEST:
                out += self._do(action, max(at, earliest), place, end)

    def end(self, sample: float) -> list[Event]:
        """Let everything go, and forget what was to come."""
        self._due.clear()
        out: list[Event] = [NoteOff(sample, pitch) for pitch in sorted(self._held)]
        if self._pedal:
            out.append(ControlChange(sample, SUSTAIN, 0))
        self._held.clear()
        self._pedal = False
        return out

    def _do(self, action: Action, sample: float, place: float, end: float) -> list[Event]:
        if isinstance(action, Pedal):
            moved, self._pedal = action.down != self._pedal, action.down
            return [ControlChange(sample, SUSTAIN, 127 * action.down)] if moved else []
        again = self._held.pop(action.pitch, None) is not None
        out: list[Event] = [NoteOff(sample, action.pitch)] if again else []
        if isinstance(action, Played):
            self._held[action.pitch] = end
            out.append(NoteOn(sample, action.pitch, action.velocity))
        return out
