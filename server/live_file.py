"""A file played to a server in real time, as a device would: a block leaves when its last sample has been heard.

What comes back is kept with the time of its arrival, so that the report says what a listener waited and not
what a model was asked to wait.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from models.block import Samples, silence
from models.events import Event
from plugin_bridge.client import BridgeStream
from plugin_bridge.protocol import LARGEST_BLOCK, AudioMessage, MidiMessage
from server.metrics import NAMES, PERCENTILES
from server.midi.message import from_bytes, to_bytes
from server.midi.rtmidi import MidiOutput
from server.run_file import OnAudio, Take, Trim, host_blocks
from server.scheduler import Emission


@dataclass(slots=True)
class Listening:
    """What was measured while the file played.

    replies_us: microseconds from sending a block to the engine being through with it.
    waits_ms: milliseconds from a note's place in the file to its arrival here, by the wall clock.
    late_sends: blocks that this process sent more than a block late.
    """

    take: Take
    replies_us: list[float] = field(default_factory=list)
    waits_ms: list[float] = field(default_factory=list)
    late_sends: int = 0


Observer = Callable[[Event, float], None]
"""Called with an event at the sample it speaks about and the milliseconds it took to arrive; -1 at free pace."""


BRIDGE_BLOCKS = 2  # an event of a commit stream leaves so much after it is due, as at a device


class FilePlayer:
    """One file through one open stream; in real time also to a MIDI port, if there is one."""

    def __init__(self, stream: BridgeStream, samples: Samples, rate: int, block: int, realtime: bool,
                 port: MidiOutput | None = None, events: Sequence[Event] = (), sound: OnAudio | None = None,
                 audio_late: int = 0) -> None:  # fmt: skip
        """Args: events: of a MIDI file. sound: takes the audio that comes, at its place: `audio_late` samples are taken off."""
        self._stream, self._samples, self._rate, self._block, self._realtime = stream, samples, rate, block, realtime
        self._length = samples.shape[1]
        self._sent_at: dict[int, float] = {}
        self._events, self._told = events, 0
        self._trim = Trim(audio_late, self._length, sound) if sound is not None else None
        self._audio_late = audio_late
        self.result = Listening(Take(rate))
        self.position = 0
        self._port, self._last_leaves, self._answered = port if realtime else None, 0, 0

    def play(self, on_event: Observer, on_block: Callable[[], None]) -> Listening:
        """Play to the end; `on_event` hears of every note, `on_block` is called once per block, after it was sent."""
        stream, block = self._stream, self._block
        tail = max(stream.latency or stream.live_delay, self._audio_late)
        began = time.monotonic() + 0.05
        for start, count in host_blocks(self._length, block, tail):
            due = began + (start + block) / self._rate
            if self._realtime:
                self._listen_until(due, began, on_event)
                self.result.late_sends += time.monotonic() - due > block / self._rate
            self._tell_events(start + block, on_event)
            self._send(start, count)
            self.position = min(start + block, self._length)
            on_block()
            if not self._realtime:
                for message in stream.wait(start + block):
                    self._take(message, began, on_event)
        for message in stream.wait(start + block):
            self._take(message, began, on_event)
        self._play_out()
        self.result.take.end(self._length, start + block)
        return self.result

    def _tell_events(self, end: int, on_event: Observer) -> None:
        """Send and show what the file plays before sample `end`."""
        while self._told < len(self._events) and self._events[self._told].sample < end:
            event = self._events[self._told]
            self._stream.send_midi(round(event.sample), *to_bytes(event))
            on_event(event, -1.0)
            self._told += 1

    def _send(self, start: int, count: int) -> None:
        samples = self._samples[:, start : start + count]
        if count < self._block:
            samples = np.concatenate([samples, silence(1, self._block - count)], axis=1)
        self._sent_at[start + self._block] = time.monotonic()
        for begin in range(0, self._block, LARGEST_BLOCK):
            self._stream.send(start + begin, samples[:, begin : begin + LARGEST_BLOCK])

    def _listen_until(self, due: float, began: float, on_event: Observer) -> None:
        while (left := due - time.monotonic()) > 0:
            if self._stream.ready(left):
                for message in self._stream.receive():
                    self._take(message, began, on_event)
                self._note_processed()

    def _forward(self, message: MidiMessage, began: float, port: MidiOutput) -> None:
        """Send a live stream's event at once, a commit stream's at its sample."""
        now = time.monotonic_ns()
        bridge = BRIDGE_BLOCKS * self._block
        leaves = round(1e9 * (began + (message.due + bridge) / self._rate)) if self._stream.latency else now
        self._last_leaves = max(self._last_leaves, leaves)
        port.send(leaves, message.status, message.data1, message.data2)

    def _play_out(self) -> None:
        """Wait for what has still to leave."""
        while self._port is not None and time.monotonic_ns() < self._last_leaves:
            self._port.beat()
            time.sleep(0.01)

    def _note_processed(self) -> None:
        if self._port is not None and self._stream.processed > self._answered:
            self._answered = self._stream.processed
            self._port.beat()
        now = time.monotonic()
        for end in [end for end in self._sent_at if end <= self._stream.processed]:
            self.result.replies_us.append(1e6 * (now - self._sent_at.pop(end)))

    def _take(self, message: MidiMessage | AudioMessage, began: float, on_event: Observer) -> None:
        if isinstance(message, AudioMessage):
            if self._trim is not None:
                self._trim.take(message.samples.copy())
            return
        if self._port is not None:
            self._forward(message, began, self._port)
        event = from_bytes(message.place, message.status, message.data1, message.data2)
        if event is None:
            return
        wait_ms = 1000 * (time.monotonic() - began - message.place / self._rate) if self._realtime else -1.0
        if wait_ms >= 0 and message.status & 0xF0 == 0x90 and message.place < self._length:
            self.result.waits_ms.append(wait_ms)
        block_end = (message.due // self._block + 1) * self._block
        self.result.take.keep([Emission(message.due, message.place, event)], block_end, self._length)
        on_event(event, wait_ms)


def spread(values: list[float], first_apart: bool = False) -> dict[str, float]:
    """Return percentiles of `values`, rounded; the first one by itself where it met cold caches."""
    row = {"first": round(values[0], 1)} if first_apart and values else {}
    rest = values[1:] if first_apart else values
    if rest:
        row |= {name: round(float(v), 1) for name, v in zip(NAMES, np.percentile(rest, PERCENTILES), strict=True)}
    return row
