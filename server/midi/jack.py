"""Who owns a JACK MIDI output: every event at its exact frame, in time order, and no note left sounding.

    messages of the engine -> drop what is stale -> wait for the frame -> note ledger -> port

Two ways to place. A commit stream's event leaves `bridge` samples after it is due, whatever the blocks do: the delay is
one constant that the port declares. A live stream's first event of a cycle leaves at once, at offset 0, and those that
came with it keep their distance from it: nothing can be sooner, and a note that is shorter than a block keeps a length.
One that is told ahead leaves when it is due.

Used in the process callback of server.audio.jack; `write` is the port's write_midi_event.
"""

from collections import deque
from collections.abc import Callable

from models.events import Event, NoteOn
from plugin_bridge.protocol import MidiMessage
from server.midi.message import from_bytes, to_bytes
from server.note_ledger import NoteLedger

MOST_PENDING = 4096  # events that wait; more than a JACK port holds in a cycle
STALE_SECONDS = 0.2  # a note that could start only this late or later does not start at all

Write = Callable[[int, bytes], None]


class MidiOut:
    """One port's events. Belongs to the process callback."""

    def __init__(self, rate: int, live: bool, write: Write) -> None:
        self._live, self._write = live, write
        self._stale = round(STALE_SECONDS * rate)
        self._pending: deque[tuple[int, Event]] = deque()
        self._ledger = NoteLedger()
        self._newest = 0  # no event leaves before one that came earlier
        self._first_due = -1  # of a live stream's events in this cycle
        self._deaf_before = 0
        self.notes = self.late = self.lost = self.ended = 0

    @property
    def sounding(self) -> int:
        """How many notes sound at the port."""
        return self._ledger.sounding

    def counts(self) -> dict[str, int]:
        """Return what happened to the events so far."""
        return {"notes": self.notes, "late_events": self.late, "lost_events": self.lost, "notes_ended": self.ended}

    def take(self, message: MidiMessage, now: int, bridge: int) -> None:
        """Queue what the engine sent; `now` is the first sample of this cycle."""
        event = from_bytes(message.due, message.status, message.data1, message.data2)
        if event is None:
            return
        leaves = self._leaves(message.due, now, bridge)
        stale = leaves < now - self._stale or message.place < self._deaf_before or len(self._pending) >= MOST_PENDING
        if stale and isinstance(event, NoteOn):
            self.lost += 1
            return
        # The block just sent ends within a bridge from now: a due sample beyond it would hold up all that follows.
        self._newest = max(self._newest, min(leaves, now + 2 * bridge))
        if leaves < now:
            self.late += 1
        self._pending.append((self._newest, event))

    def write(self, now: int, frames: int) -> None:
        """Write what leaves in the cycle that begins at sample `now`."""
        end = now + frames
        self._first_due = -1
        while self._pending and self._pending[0][0] < end:
            leaves, event = self._pending.popleft()
            for admitted in self._ledger.admit(event):
                self.notes += isinstance(admitted, NoteOn)
                self._write(max(0, leaves - now), bytes(to_bytes(admitted)))

    def end_all(self, now: int, heard_until: int = 0) -> int:
        """End every note now, before anything else of the cycle is written, and forget what waits.

        Of what was heard before `heard_until` no note starts any more: its answers may still be on their way.
        """
        self._pending.clear()
        self._deaf_before = max(self._deaf_before, heard_until)
        ended = 0
        for off in self._ledger.end_all(now):
            self._write(0, bytes(to_bytes(off)))
            ended += 1
        self.ended += ended
        return ended

    def _leaves(self, due: int, now: int, bridge: int) -> int:
        if not self._live:
            return due + bridge
        if self._first_due < 0:
            self._first_due = due
        return max(now + max(0, due - self._first_due), due)
