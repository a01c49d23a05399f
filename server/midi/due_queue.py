"""Who owns a MIDI output: every event at its time, in order, and no note left sounding.

    messages with the time at which they leave -> drop what is stale -> wait -> note ledger -> port

Pure: the time is given, in nanoseconds of the monotonic clock. server.midi.rtmidi_port runs it in a process of its own.
"""

from collections import deque
from collections.abc import Callable

from models.events import Event, NoteOn
from server.audio.jack_statistics import CallbackTimes
from server.midi.message import from_bytes, to_bytes
from server.note_ledger import NoteLedger

STALE_NS = 200_000_000  # a note that could start only this late or later does not start at all
FURTHEST_NS = 2_000_000_000  # no event may hold up those behind it for longer
MOST_PENDING = 4096
NEVER = 1 << 62

Write = Callable[[bytes], None]


class DueQueue:
    """One output's events. heartbeat_ns: for so long its sender may say nothing before the notes end."""

    def __init__(self, write: Write, heartbeat_ns: int, now: int, ledger: NoteLedger | None = None) -> None:
        self._write, self._heartbeat = write, heartbeat_ns
        self._pending: deque[tuple[int, Event]] = deque()
        self._ledger = ledger or NoteLedger()
        self._newest = 0  # no event leaves before one that came earlier
        self._heard, self._touched = now, False
        self.notes = self.lost = self.ended = self.lost_heartbeats = 0
        self.lateness = CallbackTimes()

    def beat(self, now: int) -> None:
        """Hear that the sender is there."""
        self._heard = now

    def take(self, leaves: int, status: int, data1: int, data2: int, now: int) -> None:
        """Queue a message that leaves at `leaves`."""
        self.beat(now)
        event = from_bytes(0, status, data1, data2)
        if event is None:
            return
        if isinstance(event, NoteOn) and (leaves < now - STALE_NS or len(self._pending) >= MOST_PENDING):
            self.lost += 1
            return
        self._newest = max(self._newest, min(leaves, now + FURTHEST_NS))
        self._pending.append((self._newest, event))

    def next(self) -> int:
        """Return when `run` must be called again."""
        due = self._pending[0][0] if self._pending else NEVER
        return min(due, self._heard + self._heartbeat) if self._holds_something() else due

    def run(self, now: int) -> None:
        """Send what is due at `now`; end all where the sender has been silent for too long."""
        while self._pending and self._pending[0][0] <= now:
            leaves, event = self._pending.popleft()
            self._touched = True
            for admitted in self._ledger.admit(event):
                self.notes += isinstance(admitted, NoteOn)
                self._write(bytes(to_bytes(admitted)))
            self.lateness.add((now - leaves) // 1000)
        if now - self._heard >= self._heartbeat and self._holds_something():
            self.lost_heartbeats += 1
            self.end_all()

    def end_all(self) -> None:
        """End every note now and forget what waits."""
        self._pending.clear()
        self._touched = False
        for off in self._ledger.end_all(0):
            self._write(bytes(to_bytes(off)))
            self.ended += 1

    def counts(self) -> dict[str, int | dict[str, int]]:
        """Return what happened so far; lateness in microseconds after an event's time."""
        return {
            "notes": self.notes, "lost_events": self.lost, "notes_ended": self.ended, "lost_heartbeats": self.lost_heartbeats,
            "lateness_us": self.lateness.summary(),
        }  # fmt: skip

    def _holds_something(self) -> bool:
        return self._touched or bool(self._pending)
