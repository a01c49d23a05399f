"""Symbols to notes, forward in time: one small state machine a pitch.

A note starts when its pitch has been said for some hops running, the fewer the surer, and ends when it has not been said for some. A new
onset of a pitch that sounds starts it again. Its place is the hop in which its onset was first heard.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any  # Any: settings come from JSON

import numpy as np

from models.events import Event, NoteOff, NoteOn
from models.step import Tensors
from models.translator.config import LOWEST_PITCH, PITCHES
from models.translator.symbols import velocity_of

REMEMBERED = 14  # hops, at the least, in which an onset is looked for
FIRST = 0.03  # of the loudest onset among them: the first hop that says so much is the onset's
MOST_SURE = 0.97  # that a hop may be
AGAIN_SECONDS = 0.07  # between two onsets of a pitch


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """on: evidence from which hops running count for a note, confirm: the sum of their squared log odds from which it starts; off:
    evidence below which it ends, release: hops for which; again: onset that starts it anew;
    attack: samples from the end of the hop that says an onset back to the onset; patient: a note that is sure waits as long as its
    place allows, since how hard it is played shows late."""

    on: float = 0.6
    off: float = 0.3
    confirm: float = 20.0
    release: int = 4
    again: float = 0.6
    attack: float = 192.0
    patient: bool = False

    @classmethod
    def read(cls, settings: Mapping[str, Any]) -> TrackerSettings:
        """Build from a manifest's JSON."""
        return cls(**settings)


class NoteTracker:
    """The state machines of all pitches. Places are model samples; `earliest` is how far before a hop's last sample one may lie."""

    def __init__(self, settings: TrackerSettings, hop: int, sample_rate: int, earliest: int) -> None:
        self._settings, self._hop, self._earliest = settings, hop, earliest
        self._again = AGAIN_SECONDS * sample_rate
        self.sensitivity = 0.5
        self.lowest, self.highest = float(LOWEST_PITCH), float(LOWEST_PITCH + PITCHES - 1)
        remembered = max(REMEMBERED, earliest // hop)
        self._onsets = deque([np.zeros(PITCHES)] * remembered, remembered)
        self._said, self._quiet = np.zeros(PITCHES), np.zeros(PITCHES, int)  # squared log odds, and hops, running
        self._dynamics = np.zeros((PITCHES, 5))
        self._armed = np.ones(PITCHES, bool)
        self._pending: dict[int, float] = {}  # pitch that is sure and waits -> its place
        self.sounding, self._onset = np.zeros(PITCHES, bool), np.full(PITCHES, -1e12)

    def step(self, end: int, outputs: Tensors, open_to_new: bool) -> list[Event]:
        """Take the outputs of the hop that ends before sample `end`; return what was decided, in time order a pitch."""
        settings = self._settings
        evidence, dynamics = gather(outputs)
        onset = outputs["onset"][0].astype(np.float64)
        self._onsets.append(onset)
        factor = 4.0 ** (0.5 - self.sensitivity)
        evidence = 1 / (1 + factor**2 * (1 / np.clip(evidence, 1e-6, MOST_SURE) - 1))  # odds are so many times smaller
        said = evidence >= settings.on
        self._said = np.where(said, self._said + np.log(evidence / (1 - evidence)) ** 2, 0.0)
        self._quiet = np.where(evidence < settings.off, self._quiet + 1, 0)
        self._dynamics = np.where((said | self._waits())[:, None], self._dynamics + dynamics, 0.0)
        struck = (onset >= settings.again) & self._armed & (end - self._onset > self._again) & self.sounding & said
        self._armed = (self._armed & ~struck) | (onset < 0.5 * settings.again)
        events: list[Event] = []
        for key in np.flatnonzero(self.sounding & (self._quiet >= settings.release)):
            events += self._end(int(key), max(end - settings.release * self._hop, end - 1 - self._earliest))
        pitches = np.arange(LOWEST_PITCH, LOWEST_PITCH + PITCHES)
        allowed = (pitches >= self.lowest) & (pitches <= self.highest) & open_to_new
        new = (self._said >= settings.confirm) & (~self.sounding | struck) & allowed
        for key in np.flatnonzero(new):
            place = max(self._place(int(key), end), end - 1.0 - self._earliest, 0.0)
            if self.sounding[key]:
                place = max(place, self._onset[key] + 1)
                events += self._end(int(key), place)
            self._onset[key], self.sounding[key] = place, True
            self._pending[int(key)] = place
        last = (
            end + self._hop - 1.0 - self._earliest if settings.patient else np.inf
        )  # a place before it cannot wait for another hop
        due = [key for key, place in self._pending.items() if place < last]
        return events + [event for key in due for event in self._begin(key)]

    def _waits(self) -> np.ndarray:
        waits = np.zeros(PITCHES, bool)
        waits[list(self._pending)] = True
        return waits

    def end_all(self, place: float) -> list[Event]:
        """End every sounding note at `place`."""
        return [event for key in np.flatnonzero(self.sounding) for event in self._end(int(key), place)]

    def _begin(self, key: int) -> list[Event]:
        """The beginning of a pitch, if it waits."""
        if key not in self._pending:
            return []
        return [NoteOn(self._pending.pop(key), key + LOWEST_PITCH, velocity_of(self._dynamics[key]))]

    def _end(self, key: int, place: float) -> list[Event]:
        """The end of a pitch that sounds, and its beginning if that has waited."""
        begun = self._begin(key)
        self.sounding[key] = False
        return [*begun, NoteOff(max(place, float(self._onset[key]) + 1), key + LOWEST_PITCH)]

    def _place(self, key: int, end: int) -> float:
        """The onset: where the first hop of the last ones lies that said so."""
        heard = np.array([onset[key] for onset in self._onsets])
        first = int(np.argmax(heard >= max(FIRST * heard.max(), 1e-6)))
        return end - (len(heard) - 1 - first) * self._hop - self._settings.attack


def gather(outputs: Tensors) -> tuple[np.ndarray, np.ndarray]:
    """How surely each pitch sounds (PITCHES,), by what its slot's symbols say and by the trunk, in equal parts; and probabilities of
    its dynamics (PITCHES, 5)."""
    classes, octaves = outputs["pitch_class"][0], outputs["octave"][0]
    pitch = classes.argmax(1) + 12 * (octaves.argmax(1) + 1) - LOWEST_PITCH
    active = outputs["active"][0][np.clip(pitch, 0, PITCHES - 1)]
    surely = np.sqrt(active * outputs["sounding"][0] * classes.max(1) * octaves.max(1))
    evidence, dynamics = np.zeros(PITCHES), np.zeros((PITCHES, outputs["dynamics"].shape[-1]))
    for slot in np.argsort(surely):  # the surest last
        if 0 <= pitch[slot] < PITCHES:
            evidence[pitch[slot]], dynamics[pitch[slot]] = surely[slot], outputs["dynamics"][0, slot]
    return evidence, dynamics
