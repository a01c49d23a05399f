"""Which notes sound at a port, and what sustains or bends them, so that every one can be ended whatever dies.

A row a channel: the velocity of each of the 128 pitches, then 1 where the sustain pedal is down, then 1 where the bend
wheel is away from home.

The table may live in memory that another process reads (server.shared_page): then the note-offs of an engine that
died are sent by the one that outlives it.
"""

import mmap
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from models.events import ControlChange, Event, NoteOff, NoteOn, PitchBend

CHANNELS, PITCHES = 16, 128
PEDAL, BEND = PITCHES, PITCHES + 1  # columns
COLUMNS = PITCHES + 2
TABLE_BYTES = CHANNELS * COLUMNS
SUSTAIN, SUSTAIN_DOWN = 64, 64  # the controller's number, and its value from which the pedal is down


def table_in(descriptor: int) -> NDArray[np.uint8]:
    """Return a ledger's table, (CHANNELS, COLUMNS), in the memory behind a file descriptor of TABLE_BYTES; the descriptor may be closed."""
    return np.frombuffer(mmap.mmap(descriptor, TABLE_BYTES), np.uint8).reshape(CHANNELS, COLUMNS)


def begins(event: Event) -> bool:
    """Whether there is something to be ended after an event: a note, a pedal that is down, a wheel that is away from home."""
    if isinstance(event, ControlChange):
        return event.control == SUSTAIN and event.value >= SUSTAIN_DOWN
    return event.value != 0 if isinstance(event, PitchBend) else isinstance(event, NoteOn)


class NoteLedger:
    """Passes events on so that every note-on has one note-off and none is doubled."""

    def __init__(self, table: NDArray[np.uint8] | None = None) -> None:
        self._table = np.zeros((CHANNELS, COLUMNS), np.uint8) if table is None else table

    @property
    def sounding(self) -> int:
        """How many notes sound."""
        return int(np.count_nonzero(self._table[:, :PITCHES]))

    def admit(self, event: Event) -> tuple[Event, ...]:
        """Return what may leave for `event`: a note struck again is ended first, an end without a start is dropped."""
        if isinstance(event, NoteOn):
            ended = NoteOff(event.sample, event.pitch, 0, event.channel)
            again = bool(self._table[event.channel, event.pitch])
            self._table[event.channel, event.pitch] = event.velocity
            return (ended, event) if again else (event,)
        if isinstance(event, NoteOff):
            sounding = bool(self._table[event.channel, event.pitch])
            self._table[event.channel, event.pitch] = 0
            return (event,) if sounding else ()
        if isinstance(event, PitchBend):
            self._table[event.channel, BEND] = event.value != 0
        elif event.control == SUSTAIN:
            self._table[event.channel, PEDAL] = event.value >= SUSTAIN_DOWN
        return (event,)

    def end_all(self, sample: int) -> Iterator[Event]:
        """End every sounding note at `sample`, then lift the pedals and let the wheels go home."""
        for channel, column in sorted(
            np.argwhere(self._table).tolist(), key=lambda place: (place[1] >= PITCHES, place)
        ):
            self._table[channel, column] = 0
            if column == PEDAL:
                yield ControlChange(sample, SUSTAIN, 0, channel)
            elif column == BEND:
                yield PitchBend(sample, 0, channel)
            else:
                yield NoteOff(sample, column, 0, channel)
