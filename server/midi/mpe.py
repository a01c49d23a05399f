"""MIDI polyphonic expression: every sounding note on a channel of its own, so that one note can bend without the others.

    the player's events -> member channels 2..16 of the lower zone, the master channel 1 -> note ledger -> port

The lower zone of the MPE specification (M1-100-UM, version 1.0): channel 1 is the master and carries the pedal and what
else concerns all notes; channels 2 to 16 are its members. A synth learns of it by the MPE Configuration Message
(registered parameter 6 on the master) and of the members' bend range by registered parameter 0.

A wheel in a player's events bends every note of its channel by up to BEND_SEMITONES. Here it bends the member channels on
which those notes sound. A note that has ended keeps its bend while it rings out: its channel is the last to be used again.

Pure: events in, events out. LiveStream puts it before its ledger, which thereby knows the channels that really sound.
"""

from dataclasses import replace

from models.events import ControlChange, Event, NoteOff, NoteOn, PitchBend

MASTER = 0
MEMBERS = range(1, 16)
BEND_SEMITONES, MEMBER_SEMITONES = 2, 48  # MIDI's own range of a wheel, which players use, and the one of an MPE member
LOWEST_BEND, HIGHEST_BEND = -8192, 8191
PARAMETER_LOW, PARAMETER_HIGH, DATA_HIGH, DATA_LOW = 100, 101, 6, 38  # controllers
BEND_RANGE, MPE_CONFIGURATION = 0, 6  # registered parameters

Key = tuple[int, int]
"""(channel, pitch) as the player says it."""


def configuration(sample: float) -> tuple[Event, ...]:
    """Return what tells a synth of the zone: fifteen members, each bent by up to 48 semitones."""
    zone = _registered(sample, MASTER, MPE_CONFIGURATION, len(MEMBERS))
    ranges = (e for member in MEMBERS for e in _registered(sample, member, BEND_RANGE, MEMBER_SEMITONES, 0))
    return *zone, *ranges


def _registered(sample: float, channel: int, parameter: int, *values: int) -> tuple[Event, ...]:
    moves = [(PARAMETER_LOW, parameter), (PARAMETER_HIGH, 0), *zip((DATA_HIGH, DATA_LOW), values, strict=False)]
    return tuple(ControlChange(sample, control, value, channel) for control, value in moves)


def member_bend(value: int) -> int:
    """Return a player's wheel as the wheel of a member channel: the same interval in another range."""
    return round(value * BEND_SEMITONES / MEMBER_SEMITONES)


class MpeZone:
    """Which note sounds on which member. One owner, one thread."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Be as new."""
        self._order = list(MEMBERS)  # the longest released first
        self._wheels: dict[int, int] = {}  # of the player's channels
        self.forget_notes()

    def forget_notes(self) -> None:
        """Forget what sounds: the owner's ledger has ended it and sent the members' wheels home."""
        self._member_of: dict[Key, int] = {}  # in the order in which the notes began
        self._bends = dict.fromkeys(MEMBERS, 0)

    def say(self, event: Event) -> tuple[Event, ...]:
        """Return what leaves for one of the player's events, in that order."""
        if isinstance(event, NoteOn):
            return self._start(event)
        if isinstance(event, NoteOff):
            return self._end(event)
        if isinstance(event, PitchBend):
            return self._bend(event)
        return (replace(event, channel=MASTER),)

    def _start(self, note: NoteOn) -> tuple[Event, ...]:
        key = note.channel, note.pitch
        before = self._end(NoteOff(note.sample, note.pitch, 0, note.channel))
        member, taken = self._member_for(note.pitch)
        if taken is not None:
            before += self._end(NoteOff(note.sample, note.pitch, 0, taken[0]))
        self._member_of[key] = member
        bend = self._move(note.sample, member, member_bend(self._wheels.get(note.channel, 0)))
        return (*before, *bend, replace(note, channel=member))

    def _end(self, end: NoteOff) -> tuple[Event, ...]:
        member = self._member_of.pop((end.channel, end.pitch), None)
        if member is None:
            return ()
        self._order.remove(member)
        self._order.append(member)
        return (replace(end, channel=member),)

    def _bend(self, bend: PitchBend) -> tuple[Event, ...]:
        self._wheels[bend.channel] = bend.value
        members = dict.fromkeys(m for (channel, _), m in self._member_of.items() if channel == bend.channel)
        return tuple(e for m in members for e in self._move(bend.sample, m, member_bend(bend.value)))

    def _move(self, sample: float, member: int, value: int) -> tuple[Event, ...]:
        """Return the bend that takes a member's wheel to `value`; nothing where it is there."""
        if self._bends[member] == value:
            return ()
        self._bends[member] = value
        return (PitchBend(sample, value, member),)

    def _member_for(self, pitch: int) -> tuple[int, Key | None]:
        """Return a member for a new note: the longest released; when all sound, one that shares.

        A channel cannot hold a pitch twice. Where all fifteen sound this very pitch, the note that began first gives way.
        """
        busy = list(self._member_of.values())
        free = [member for member in self._order if member not in busy]
        if free:
            return free[0], None
        same = {member: key for key, member in self._member_of.items() if key[1] == pitch}
        shared = [member for member in dict.fromkeys(busy) if member not in same]
        if shared:
            return min(shared, key=busy.count), None
        member, key = next(iter(same.items()))
        return member, key
