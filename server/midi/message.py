"""Events as MIDI bytes and back: status, data 1, data 2."""

from models.events import ControlChange, Event, NoteOff, NoteOn, PitchBend

NOTE_OFF, NOTE_ON, CONTROL, BEND = 0x80, 0x90, 0xB0, 0xE0
BEND_CENTRE = 8192


def to_bytes(event: Event) -> tuple[int, int, int]:
    """Return the three bytes of an event's MIDI message."""
    if isinstance(event, NoteOn):
        return NOTE_ON | event.channel, event.pitch, event.velocity
    if isinstance(event, NoteOff):
        return NOTE_OFF | event.channel, event.pitch, event.velocity
    if isinstance(event, ControlChange):
        return CONTROL | event.channel, event.control, event.value
    value = event.value + BEND_CENTRE
    return BEND | event.channel, value & 0x7F, value >> 7


def from_bytes(sample: int, status: int, data1: int, data2: int) -> Event | None:
    """Return three MIDI bytes as an event at `sample`; None where they are no message that a player uses."""
    kind, channel = status & 0xF0, status & 0x0F
    if data1 > 127 or data2 > 127:
        return None
    if kind == NOTE_ON and data2:
        return NoteOn(sample, data1, data2, channel)
    if kind in (NOTE_ON, NOTE_OFF):
        return NoteOff(sample, data1, data2 if kind == NOTE_OFF else 0, channel)
    if kind == CONTROL and data1 < 120:
        return ControlChange(sample, data1, data2, channel)
    if kind == BEND:
        return PitchBend(sample, (data2 << 7 | data1) - BEND_CENTRE, channel)
    return None
