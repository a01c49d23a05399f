"""Which notes sound at a port: 16 channels x 128 pitches, so that every one can be ended whatever dies.

The table may live in memory that another process reads (server.shared_page): then the note-offs of an engine that
died are sent by the one that outlives it.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from models.events import Event, NoteOff, NoteOn

CHANNELS, PITCHES = 16, 128


class NoteLedger:
    """Passes events on so that every note-on has one note-off and none is doubled."""

    def __init__(self, table: NDArray[np.uint8] | None = None) -> None:
        self._table = np.zeros((CHANNELS, PITCHES), np.uint8) if table is None else table

    @property
    def sounding(self) -> int:
        """How many notes sound."""
        return int(np.count_nonzero(self._table))

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
        return (event,)

    def end_all(self, sample: int) -> Iterator[NoteOff]:
        """End every sounding note at `sample`."""
        for channel, pitch in np.argwhere(self._table):
            self._table[channel, pitch] = 0
            yield NoteOff(sample, int(pitch), 0, int(channel))
