"""A clip that is known ahead: its events reach the player so early that what they sound like is out at their places.

    places in samples, or in beats of the host's transport -> `lead` samples earlier -> events among a block's own

The lead is the stream's latency and what the client's own path adds. What is told too late for that comes as soon as it
may: after a start or a locate that nobody announced, the notes of the first `lead` samples begin together. Beats are
played again whenever the transport comes by, and only while it plays; samples come once.
"""

from bisect import bisect_left
from collections.abc import Iterable
from typing import Literal

from models.events import Event, Transport, moved, time_order
from server.note_ledger import NoteLedger

ClipUnit = Literal["samples", "beats"]
CLIP_UNITS: tuple[ClipUnit, ...] = ("samples", "beats")
MOST_CLIP_EVENTS = 1 << 17
SAME_BEAT = 1e-6  # beats; what arithmetic may put before a place that is on it


class ClipAhead:
    """One stream's clip. Its owner is the stream."""

    def __init__(self, host_rate: int, latency: int) -> None:
        self._rate, self._latency = host_rate, latency
        self._transport: Transport | None = None
        self._ledger = NoteLedger()
        self._ends = False
        self._told_until = 0.0  # the beat up to which all were told
        self.clear()

    def __len__(self) -> int:
        return len(self._once) + len(self._beats)

    def clear(self) -> None:
        """Forget the clip; what sounds of it is ended with the next block."""
        self._once: list[Event] = []  # at stream samples, in order
        self._beats: list[Event] = []  # `sample` counts quarter notes from the host's origin, in order
        self._next = 0  # the number of the first beat that was not told
        self._lead = self._latency
        self._ends = True

    def add(self, events: Iterable[Event], unit: ClipUnit, ahead: int = 0, position: int = 0) -> None:
        """Take more of the clip; what it has already is not taken twice.

        ahead: host samples that the client's own path adds to the stream's latency. position: the stream's; what lies at
        samples before it is over.
        """
        self._lead = self._latency + ahead
        if unit == "samples":
            coming = (event for event in events if event.sample >= position)
            self._once = sorted({*self._once, *coming}, key=time_order)
            return
        self._beats = sorted({*self._beats, *events}, key=time_order)
        self._next = self._first_from(self._told_until)

    def restart(self, start: int, transport: Transport | None) -> None:
        """The stream begins anew at `start`: nothing sounds, and what lies before is over."""
        self._ledger = NoteLedger()
        self._ends = False
        self._once = [event for event in self._once if event.sample >= start]
        self._transport = None
        if transport is not None:
            self.follow(transport, broke_off=False)

    def follow(self, transport: Transport, broke_off: bool) -> None:
        """Know what the host's transport does from its sample on; where it broke off, what sounds is ended there."""
        began = transport.playing and (broke_off or self._transport is None or not self._transport.playing)
        self._transport = transport
        self._ends = self._ends or broke_off
        if began:
            self._told_until = transport.position
            self._next = self._first_from(transport.position)

    def due(self, start: int, end: int) -> list[Event]:
        """Return the events that the player hears in samples start .. end - 1 of the stream."""
        if not (self._ends or self._once or self._transport):  # nearly every block of a stream that plays no clip
            return []
        heard = list(self._ledger.end_all(start)) if self._ends else []
        self._ends = False
        ready = bisect_left(self._once, float(end + self._lead), key=lambda event: event.sample)
        for event in self._once[:ready]:
            self._take(event, round(event.sample), start, heard)
        del self._once[:ready]
        transport = self._transport
        if transport is not None and transport.playing and transport.tempo_bpm:
            samples_a_beat = 60 * self._rate / transport.tempo_bpm
            while self._next < len(self._beats):
                event = self._beats[self._next]
                place = round(transport.sample + (event.sample - transport.position) * samples_a_beat)
                if place - self._lead >= end:
                    break
                self._take(event, place, start, heard)
                self._next += 1
            self._told_until = transport.position + (end + self._lead - transport.sample) / samples_a_beat
        return heard

    def _take(self, event: Event, place: int, start: int, heard: list[Event]) -> None:
        """Say an event as the ledger admits it: an end without a start is none."""
        heard += self._ledger.admit(moved(event, max(start, place - self._lead)))

    def _first_from(self, beat: float) -> int:
        return bisect_left(self._beats, beat - SAME_BEAT, key=lambda event: event.sample)
