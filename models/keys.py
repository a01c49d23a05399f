"""Which pitches are held down: what comes from keys and sustain pedals in, starts and ends of voices out.

A key is a channel and the pitch that it says. What it plays may be another pitch (transposed, or moved into the instrument's
range) and the same one for several keys: it sounds until the last of them lets go. Called by processors.
"""

from __future__ import annotations

from typing import Protocol

from models.events import ControlChange, NoteOff, NoteOn

SUSTAIN, SUSTAIN_DOWN = 64, 64  # the controller's number, and its value from which the pedal is down

Key = tuple[int, int]  # channel, pitch as given


class Voices(Protocol):
    """What sounds."""

    def start(self, sample: float, pitch: int, velocity: float, channel: int = 0) -> None:
        """A pitch begins."""
        ...

    def stop(self, sample: float, pitch: int) -> None:
        """A pitch ends; nothing happens if it does not sound."""
        ...


class Keys:
    """The keys and pedals of one stream."""

    def __init__(self, voices: Voices) -> None:
        self._voices = voices
        self._held: dict[Key, int] = {}  # pitch as played
        self._sustained: dict[Key, int] = {}  # let go while the pedal of their channel was down
        self._pedals: set[int] = set()  # channels

    def press(self, event: NoteOn, pitch: int | None, velocity: float) -> None:
        """A key goes down and plays `pitch`, or nothing, as hard as `velocity` says; what it played before ends."""
        key = (event.channel, event.pitch)
        before = self._held.pop(key, None)
        sustained = self._sustained.pop(key, None)
        if pitch is not None:
            self._held[key] = pitch
            self._voices.start(event.sample, pitch, velocity, event.channel)
        for played in (before, sustained):
            self._end(event.sample, played)

    def release(self, event: NoteOff) -> None:
        """A key goes up; nothing happens if it was not down."""
        key = (event.channel, event.pitch)
        pitch = self._held.pop(key, None)
        if pitch is not None and event.channel in self._pedals:
            self._sustained[key] = pitch
        else:
            self._end(event.sample, pitch)

    def move_pedal(self, event: ControlChange) -> None:
        """A sustain pedal goes down or up."""
        if event.value >= SUSTAIN_DOWN:
            self._pedals.add(event.channel)
            return
        self._pedals.discard(event.channel)
        for key in [key for key in self._sustained if key[0] == event.channel]:
            self._end(event.sample, self._sustained.pop(key))

    def end_all(self, sample: float) -> None:
        """End every note; pedals stay where they are."""
        played = {*self._held.values(), *self._sustained.values()}
        self._held.clear()
        self._sustained.clear()
        for pitch in sorted(played):
            self._voices.stop(sample, pitch)

    def _end(self, sample: float, pitch: int | None) -> None:
        """End a pitch that no key holds any more."""
        if pitch is not None and pitch not in self._held.values() and pitch not in self._sustained.values():
            self._voices.stop(sample, pitch)
