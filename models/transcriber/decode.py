"""Activations to notes, forward in time: one small state machine per pitch, all 88 stepped at once.

A note starts at the first hop whose onset activation passes the threshold, without a hop of confirmation: the network
is trained to be sure over two frames and says where in them the onset lies. It ends when the frame activation stays
low. A pitch that sounds can be struck again once its onset activation has fallen in between.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any  # Any: settings come from JSON

import numpy as np
from numpy.typing import NDArray

from models.events import Event, NoteOff, NoteOn
from models.transcriber.config import LOWEST_PITCH, PITCHES

Activation = NDArray[np.float32]
SHORTEST_GAP = 3.0
"""Hops between two strikes of a key. 48 ms at a hop of 16 ms: twice the onset target's width, half a fast trill."""
LOW_HOPS = 1
"""Frames under the threshold that end a note. Waiting for a second one cost .03 to .04 of note F1 on validation renders."""


@dataclass(frozen=True, slots=True)
class DecodeSettings:
    """How one head is decoded. Thresholds are activations, 0..1; the rest counts hops."""

    onset_threshold: float
    frame_threshold: float
    rearm_ratio: float = 0.5  # of the onset threshold: below it a sounding pitch may be struck again
    shortest_gap: float = SHORTEST_GAP
    low_hops: int = LOW_HOPS

    @classmethod
    def of_head(cls, settings: Mapping[str, Any], head: int) -> "DecodeSettings":
        """Read the settings of one head from a manifest's `settings`."""
        rest = {k: settings[k] for k in ("rearm_ratio", "shortest_gap", "low_hops") if k in settings}
        return cls(float(settings["onset_threshold"][head]), float(settings["frame_threshold"][head]), **rest)


class NoteTracker:
    """The state machines of 88 pitches. Times are in hops, so that nothing here knows a sample rate."""

    def __init__(self, settings: DecodeSettings) -> None:
        self._settings = settings
        self.sensitivity = 0.5
        self.lowest, self.highest = LOWEST_PITCH, LOWEST_PITCH + PITCHES - 1
        self._sounding = np.zeros(PITCHES, bool)
        self._armed = np.ones(PITCHES, bool)
        self._low = np.zeros(PITCHES, np.int32)
        self._onset = np.full(PITCHES, -1e9)

    def step(
        self, frame_start: float, onset: Activation, frame: Activation, velocity: Activation, shift: Activation
    ) -> list[Event]:
        """Take one frame's activations, each (88,) float32; return its events, sample counted in hops.

        frame_start: the frame spoken about. No event is placed before it: an onset that was recognised a hop
        after its own is moved up to here, since the stream's latency has been declared.
        """
        settings = self._settings
        threshold = np.clip(settings.onset_threshold * 4.0 ** (0.5 - self.sensitivity), 0.02, 0.98)
        place = frame_start + np.clip(shift, 0.0, 2.0)
        allowed = self._armed & (place - self._onset >= settings.shortest_gap) & self._in_range()
        struck = (onset >= threshold) & allowed
        self._low = np.where(frame < settings.frame_threshold, self._low + 1, 0)
        young = frame_start - self._onset < 2.0
        ended = self._sounding & (struck | ((self._low >= settings.low_hops) & ~young))
        events = self._events(struck, ended, np.where(struck, place, frame_start), velocity)
        self._sounding = (self._sounding & ~ended) | struck
        self._onset[struck] = place[struck]
        self._low[struck] = 0
        self._armed = np.where(struck, False, self._armed | (onset < settings.rearm_ratio * threshold))
        return events

    def end_all(self, place: float) -> list[Event]:
        """End every sounding note at `place`."""
        ended: list[Event] = [NoteOff(place, int(i) + LOWEST_PITCH) for i in np.flatnonzero(self._sounding)]
        self._sounding[:] = False
        return ended

    def _in_range(self) -> NDArray[np.bool_]:
        pitches = np.arange(LOWEST_PITCH, LOWEST_PITCH + PITCHES)
        return (pitches >= self.lowest) & (pitches <= self.highest)

    def _events(
        self, struck: NDArray[np.bool_], ended: NDArray[np.bool_], place: NDArray[np.float64], velocity: Activation
    ) -> list[Event]:
        events: list[Event] = [NoteOff(float(place[i]), int(i) + LOWEST_PITCH) for i in np.flatnonzero(ended)]
        for i in np.flatnonzero(struck):
            unit = min(1.0, max(0.0, float(velocity[i])))
            events.append(NoteOn(float(place[i]), int(i) + LOWEST_PITCH, max(1, round(127 * unit))))
        return events
