"""What a JACK client does in one process cycle, on arrays instead of ports.

    block -> datagram;  datagrams -> MIDI and audio out, `bridge` samples after they were due;  is the engine alive?

Two periods of bridge, since one is not drop-free (measured: 0.7 % of the answers are not there after one period of 128
samples, none after two). No lock, no log, nothing allocated that stays. Called by server.audio.jack, tested without JACK.
"""

from time import monotonic_ns

from models.block import Samples
from plugin_bridge.client import BridgeError, BridgeStream
from plugin_bridge.protocol import MidiMessage
from server.audio.jack_audio import AudioOut
from server.audio.jack_statistics import Incidents
from server.midi.jack import MidiOut

BRIDGE_PERIODS = 2
HEARTBEAT_SECONDS = 0.2  # blocks sent and none answered for this long: the engine is lost, its notes end
DOUBT_SECONDS = 1.0  # an engine is replaced in less: somebody shall ask whether the server is there at all
FREEWHEEL_WAIT_SECONDS = 2.0
SYSTEM_MESSAGES = 0xF0  # from here on a MIDI status names no channel


class Cycle:
    """The client's work, cycle by cycle. One owner: the process callback."""

    def __init__(self, stream: BridgeStream, rate: int, period: int, midi: MidiOut, audio: AudioOut | None) -> None:
        self._stream, self._midi, self._audio = stream, midi, audio
        self.bridge = BRIDGE_PERIODS * period
        self.late_blocks, self.late_events, self.lost_heartbeats = Incidents(), Incidents(), Incidents()
        self._heartbeat = max(round(HEARTBEAT_SECONDS * rate), BRIDGE_PERIODS * period)
        self._doubt = round(DOUBT_SECONDS * rate)
        self._last_end = self._end_before = 0  # where the last two blocks ended
        self._answered = self._unanswered = 0
        self._next_doubt = self._doubt

    @property
    def alive(self) -> bool:
        """Whether the engine answers."""
        return self._unanswered <= self._heartbeat

    @property
    def refused(self) -> bool:
        """Whether the server said of the newest blocks that it has no such stream; a new engine may say so for a moment."""
        return bool(self._stream.refused)

    def doubts(self) -> bool:
        """Whether it is time to ask if the server is there: once in DOUBT_SECONDS of silence."""
        if self._unanswered < self._next_doubt:
            return False
        self._next_doubt += self._doubt
        return True

    def counts(self) -> dict[str, int | list[float]]:
        """Return what was late so far, and when."""
        return {
            "late_blocks": self.late_blocks.count,
            "late_blocks_at": self.late_blocks.seconds(),
            "late_events_at": self.late_events.seconds(),
            "lost_heartbeats": self.lost_heartbeats.count,
            "late_in_engine": self._stream.late,
        }

    def widen(self, period: int) -> None:
        """Make room for a longer period. The bridge never shrinks: a latency that was declared stays."""
        self.bridge = max(self.bridge, BRIDGE_PERIODS * period)

    def send_midi(self, sample: int, message: bytes) -> None:
        """Pass on a MIDI message that came in at `sample` of this cycle; before its block. Clocks and sysex stay here."""
        if not 2 <= len(message) <= 3 or message[0] >= SYSTEM_MESSAGES:
            return
        try:
            self._stream.send_midi(sample, message[0], message[1], message[2] if len(message) > 2 else 0)
        except OSError:
            pass  # the block that follows fails the same way and is counted there

    def run(self, now: int, samples: Samples, wait: bool) -> None:
        """Exchange a block, (1, frames) from sample `now` on; `wait` for its answer in freewheel mode."""
        frames = samples.shape[1]
        try:
            self._stream.send(now, samples)
        except OSError:
            pass  # what cannot be sent is not answered: that is what counts
        self._receive(now, now + frames if wait and self.alive else None)
        self._judge(now, frames)
        self._end_before, self._last_end = self._last_end, now + frames

    def _receive(self, now: int, wait_for: int | None) -> None:
        stream, late = self._stream, self._midi.late
        messages = stream.receive() if wait_for is None else stream.wait(wait_for, FREEWHEEL_WAIT_SECONDS)
        try:
            for message in messages:
                if isinstance(message, MidiMessage):
                    self._midi.take(message, now, self.bridge)
                elif self._audio is not None:
                    self._audio.take(message.start + self.bridge, message.samples, now)
        except BridgeError:
            self._unanswered = self._heartbeat  # freewheeling: this cycle is the last one that waits for it
        except OSError:
            pass  # no datagram, no heartbeat: that is what counts
        if self._midi.late > late:
            self.late_events.add(monotonic_ns())

    def _judge(self, now: int, frames: int) -> None:
        """Count an answer that is overdue, and end the notes of an engine that gives none."""
        was_alive = self.alive
        if self._stream.processed < self._end_before:
            self.late_blocks.add(monotonic_ns())
        if self._stream.processed > self._answered:
            self._answered, self._unanswered, self._next_doubt = self._stream.processed, 0, self._doubt
            self._stream.refused.clear()
        else:
            self._unanswered += frames
        if was_alive and not self.alive:
            self.lost_heartbeats.add(monotonic_ns())
            self._midi.end_all(now)
