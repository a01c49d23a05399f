"""Activations to notes, forward in time: one small state machine per pitch, all 88 stepped at once.

A note starts at the first hop at which one of the heads that have a vote passes its threshold: a head that looks a short
way ahead answers early where the sound leaves no doubt, a later one adds what was doubtful. All heads place the onset
by regression, so a second head that hears the same onset places it where it already is, and says nothing new. A note
ends when its frame activation, averaged over the phases, stays low or an offset is heard.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any  # Any: settings come from JSON

import numpy as np
from numpy.typing import NDArray

from models.events import Event, NoteOff, NoteOn
from models.step import Tensors
from models.transcriber.config import LOWEST_PITCH, PITCHES

LOW_KEYS = 19
"""Keys below E2. Their partials lie too close to be told apart as soon as the others', so they get deadlines of their own."""
SHORTEST_GAP_SECONDS = 0.045
"""Between two strikes of a key: above the onset target's width, half a fast trill."""
YOUNG_FRAMES = 2.0  # after its onset a note does not end yet
PLACES_BEFORE, PLACES_AFTER = 1.0, 2.0  # frames around its own in which a head may place an onset


@dataclass(frozen=True, slots=True)
class Clock:
    """The network's times in samples; see TranscriberConfig."""

    sample_rate: int
    hop: int
    phases: int
    look_ahead: tuple[int, ...]

    @property
    def frame(self) -> int:
        return self.hop * self.phases

    def frame_start(self, end: int, head: int) -> int:
        """Return where the frame begins that `head` speaks about at the hop that ends before sample `end`."""
        return end - self.look_ahead[head] - self.frame


@dataclass(frozen=True, slots=True)
class DecodeSettings:
    """How one stream is decoded. Thresholds are activations, 0..1.

    onset, low_onset: head -> threshold, for the keys from E2 up and for those below; a head left out has no vote.
    frame_head: whose frame, offset and pedal activations count; the other three are their thresholds.
    """

    onset: Mapping[int, float]
    low_onset: Mapping[int, float]
    frame_head: int
    frame: float
    offset: float = 1.01
    pedal: float = 0.5
    rearm_ratio: float = 0.5  # of the onset threshold: below it a head may hear the key again
    attack: float = 0.0  # samples from the first sound of a note to where it is placed: a bow takes its time

    @classmethod
    def read(cls, settings: Mapping[str, Any]) -> "DecodeSettings":
        """Build from a manifest's JSON, whose keys are words."""
        onset, low_onset = ({int(k): float(v) for k, v in settings[name].items()} for name in ("onset", "low_onset"))
        rest = {
            name: float(settings[name]) for name in ("offset", "pedal", "rearm_ratio", "attack") if name in settings
        }
        return cls(onset, low_onset, int(settings["frame_head"]), float(settings["frame"]), **rest)


class NoteTracker:
    """The state machines of 88 pitches. Places are model samples.

    single: the instrument plays one note at a time; a new one ends the one before, and of several the surest is it.
    """

    def __init__(self, settings: DecodeSettings, clock: Clock, single: bool = False) -> None:
        self._settings, self._clock, self._single = settings, clock, single
        self._heads = sorted(set(settings.onset) | set(settings.low_onset), reverse=True)  # the latest knows best
        thresholds = np.full((len(self._heads), PITCHES), np.inf)
        for row, head in enumerate(self._heads):
            thresholds[row, :LOW_KEYS] = settings.low_onset.get(head, np.inf)
            thresholds[row, LOW_KEYS:] = settings.onset.get(head, np.inf)
        self._given = thresholds
        self._gap = SHORTEST_GAP_SECONDS * clock.sample_rate
        self.sensitivity = 0.5
        self.lowest, self.highest = LOWEST_PITCH, LOWEST_PITCH + PITCHES - 1
        self._chosen: tuple[float, ...] = ()
        self.sounding = np.zeros(PITCHES, bool)
        self.onset, self._offset = np.full(PITCHES, -1e12), np.full(PITCHES, -1e12)  # of each key's last note
        self._armed = np.ones_like(thresholds, bool)
        self._before = np.zeros_like(thresholds)  # the other phase's onset activations
        self._frame_before = self._offset_before = np.zeros(PITCHES)
        self._frame_low, self._offset_high = 2 * settings.frame, 2 * settings.offset  # of both phases' sum

    def step(self, end: int, outputs: Tensors, open_to_new: bool = True) -> list[Event]:
        """Take the outputs, (1, heads, 88) each, of the hop that ends before sample `end`; return what was decided.

        open_to_new: False while the input gate is shut: notes may end, none starts.
        """
        if self._chosen != (self.sensitivity, self.lowest, self.highest):
            self._choose()
        ended = self._ended(end, outputs)
        onset = outputs["onset"][0, self._heads]
        crossed = onset >= self._thresholds
        crossed &= self._armed
        events: list[Event] = []
        if np.count_nonzero(crossed) or ended is not None:  # a hop in which neither is: nearly all
            ended = np.zeros(PITCHES, bool) if ended is None else ended
            events = self._decide(end, outputs, onset, crossed, ended, open_to_new)
            self._armed &= ~crossed
        self._armed |= np.maximum(onset, self._before) < self._calm
        self._before = onset
        return events

    def _decide(
        self, end: int, outputs: Tensors, onset: np.ndarray, crossed: np.ndarray, ended: np.ndarray, open_to_new: bool
    ) -> list[Event]:
        """Strike and end notes. onset, crossed: (heads that have a vote, 88); ended: (88,)."""
        events: list[Event] = []
        struck, replaced = np.zeros(PITCHES, bool), np.zeros(PITCHES, bool)
        for row in np.flatnonzero(crossed.any(1)):
            head = self._heads[row]
            shift = np.clip(outputs["shift"][0, head], -PLACES_BEFORE, PLACES_AFTER)
            place = self._clock.frame_start(end, head) + shift * self._clock.frame + self._settings.attack
            new = crossed[row] & (place - self.onset >= self._gap) & open_to_new
            place = np.maximum(place, self._offset)
            if self._single and new.any():
                new &= np.arange(PITCHES) == np.argmax(np.where(new, onset[row], -1.0))
                new &= not struck.any()
            for key in np.flatnonzero(new):
                own = np.arange(PITCHES) == key
                over = self.sounding & ~struck if self._single else (self.sounding | struck) & own
                events += [self._end(int(other), float(place[key])) for other in np.flatnonzero(over)]
                replaced |= over
                unit = min(1.0, max(0.0, float(outputs["velocity"][0, head, key])))
                events.append(NoteOn(float(place[key]), int(key) + LOWEST_PITCH, max(1, round(127 * unit))))
            self.onset[new] = place[new]
            struck |= new
        events += [self._end(int(key), self._end_place(end)) for key in np.flatnonzero(ended & ~struck & ~replaced)]
        self.sounding = (self.sounding & ~ended & ~replaced) | struck
        return events

    def end_all(self, place: float) -> list[Event]:
        """End every sounding note at `place`."""
        ended: list[Event] = [NoteOff(place, int(i) + LOWEST_PITCH) for i in np.flatnonzero(self.sounding)]
        self.sounding[:] = False
        return ended

    def _end(self, key: int, place: float) -> NoteOff:
        """End a note, at the earliest a sample after it began; its key's next one begins no earlier."""
        self._offset[key] = max(place, float(self.onset[key]) + 1)
        return NoteOff(float(self._offset[key]), key + LOWEST_PITCH)

    def _end_place(self, end: int) -> float:
        return float(self._clock.frame_start(end, self._settings.frame_head))

    def _ended(self, end: int, outputs: Tensors) -> NDArray[np.bool_] | None:
        """Return which sounding keys end, (88,), since both phases' mean says so; None where none does."""
        head = self._settings.frame_head
        frame_before, offset_before = self._frame_before, self._offset_before
        frame = self._frame_before = outputs["frame"][0, head].astype(np.float64)
        offset = self._offset_before = outputs["offset"][0, head].astype(np.float64)
        ended = frame + frame_before < self._frame_low
        ended |= offset + offset_before >= self._offset_high
        ended &= self.sounding
        if not np.count_nonzero(ended):
            return None
        ended &= self.onset <= self._end_place(end) - YOUNG_FRAMES * self._clock.frame
        return ended if np.count_nonzero(ended) else None

    def _choose(self) -> None:
        """Take up a changed sensitivity or range of pitches."""
        self._chosen = self.sensitivity, self.lowest, self.highest
        thresholds = np.clip(self._given * 4.0 ** (0.5 - self.sensitivity), 0.02, 0.98)
        thresholds[np.isinf(self._given)] = np.inf
        self._calm = self._settings.rearm_ratio * thresholds
        pitches = np.arange(LOWEST_PITCH, LOWEST_PITCH + PITCHES)
        self._thresholds = np.where((pitches >= self.lowest) & (pitches <= self.highest), thresholds, np.inf)
