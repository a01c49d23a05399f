"""One stream between audio devices, MIDI ports and the server: a loop that passes on, each thing at its time.

    device process -> block -> engine;   engine -> audio -> device process
    MIDI input -> at its sample -> engine, a clock as the transport;   engine -> MIDI -> at its time -> the MIDI output's process

A commit stream's event leaves `bridge` after it is due, to the sample of the device's clock: one constant that is told. A
live stream's leaves at once, and those that came with it keep their distance from it. Two blocks of bridge, as at
JACK. The MIDI output hears a heartbeat only while the engine answers, so that no note outlives either of them.
"""

import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any  # Any: JSON

import numpy as np

from models.block import silence
from models.events import Event
from models.rhythm.transport import TransportWatch
from plugin_bridge.client import BridgeClient, BridgeError
from plugin_bridge.protocol import LARGEST_BLOCK, AudioMessage, MidiMessage
from server.audio.jack_cycle import SYSTEM_MESSAGES
from server.audio.jack_transport import TransportOut
from server.audio.portaudio import DeviceSettings
from server.audio.portaudio_clock import DeviceClock
from server.audio.portaudio_line import DeviceLine
from server.errors import BacklineError
from server.midi.clip import Clip, read_clip
from server.midi.message import to_bytes
from server.midi.ports import PortChoice, parse_port
from server.midi.rtmidi import HEARTBEAT_SECONDS, MidiInput, MidiOutput
from server.realtime import enter_real_time

BRIDGE_BLOCKS = 2
SILENT_SECONDS = 1.0  # a device that gives nothing for so long is gone; so may be a server that answers nothing
ANSWER_SECONDS = 2.0
NO_JACK = SimpleNamespace(valid=0, frame=0)  # a transport that stands, for a clock to stand in for
Tell = Callable[[dict[str, Any]], None]


class Player:
    """See the module's docstring. One owner, one thread; a context manager, since it holds processes."""

    def __init__(self, settings: DeviceSettings) -> None:
        self._settings = settings
        self._live = False
        self._clip: Clip | None = None
        self._clip_told, self._clip_end = 0, 1 << 62
        self._problem = ""
        self._midi_in: MidiInput | None = None
        self._midi_out: MidiOutput | None = None
        self._blocks = self._lost_blocks = self._late = self._events = 0
        self._sent = self._answered = 0
        self._first = -1  # the device's own sample at which the stream begins
        self._counts: dict[str, Any] = {}

    def __enter__(self) -> "Player":
        """Open everything. Raises BacklineError, BridgeError."""
        asked = self._settings
        self._line = DeviceLine(
            {"input": asked.audio_in, "output": asked.audio_out, "channel": asked.channel, "rate": asked.rate, "block": asked.block}
        )  # fmt: skip
        self._bridge = BridgeClient(asked.host, asked.port)
        try:
            self._open()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *problem: object) -> None:
        """End the notes, then the devices."""
        self._end()

    def run(self, tell: Tell) -> dict[str, Any]:
        """Play until something ends it; return the statistics, with `problem`. `tell` hears of everything."""
        woken, wake = os.pipe()
        os.set_blocking(wake, False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(wake)
        enter_real_time()
        self._line.catch_up()
        self._heard_at = time.monotonic_ns()
        tell(self._described())
        ends = [woken, *([sys.stdin.fileno()] if self._settings.held else [])]
        ports = [port for port in (self._midi_in, self._midi_out) if port is not None]
        sources = [*ends, self._line.fileno(), self._stream.fileno(), *(port.fileno() for port in ports)]
        while not self._problem and self._sent < self._clip_end:
            ready = select.select(sources, [], [], SILENT_SECONDS / 4)[0]
            if any(end in ready and not self._goes_on(end, woken) for end in ends):
                break
            now = time.monotonic_ns()
            if self._line.fileno() in ready:
                self._hear_device()
            self._hear_engine(now, tell)
            if self._midi_out is not None:
                list(self._midi_out.listen())
            self._problem = self._problem or next((each.problem for each in (self._line, *ports) if each.problem), "")
            self._judge(now)
        self._end()
        return self._statistics()

    def _goes_on(self, end: int, woken: int) -> bool:
        """Whether what came at a signal's pipe, or at standard input, is no reason to end."""
        return end != woken and os.read(end, 64) != b""

    # The devices.

    def _open(self) -> None:
        asked = self._settings
        said = self._line.await_start()
        self._rate, self._said = int(said["sample_rate"]), said
        self._block = int(said["block"])
        self._silence = silence(1, LARGEST_BLOCK)
        self._clock = DeviceClock(self._rate)
        self._bridge.load(asked.model)
        self._stream = self._bridge.open_stream(asked.model, self._rate, {"gather": "yes", **asked.settings})
        self._live = self._stream.latency == 0
        self._transport, self._watch = TransportOut(self._stream, self._rate), TransportWatch(self._rate)
        self._bridge_samples = max(BRIDGE_BLOCKS * self._block, said["latency_in"] + self._block)
        if asked.clip:
            self._clip = read_clip(Path(asked.clip), self._rate, asked.tracks)
            after = self._stream.latency + self._bridge_samples + self._said["latency_out"]
            self._clip_end = self._clip.played_length(self._rate) + after
        heartbeat = max(HEARTBEAT_SECONDS, BRIDGE_BLOCKS * self._block / self._rate)
        if asked.midi_out:
            self._midi_out = MidiOutput(_port(asked.midi_out), heartbeat)
        if asked.midi_in:
            self._midi_in = MidiInput(_port(asked.midi_in))

    def _hear_device(self) -> None:
        block = self._line.hear()
        if block is None:
            return
        if self._first < 0:
            self._first = block.start
        start = block.start - self._first
        self._heard_at = time.monotonic_ns()
        self._lost_blocks += block.lost
        self._blocks += 1
        self._clock.heard(start, block.at)
        if self._midi_in is not None:
            self._send_midi(self._midi_in.listen(), start)
            self._send_transport(start)
        if self._clip is not None:
            self._play_clip(self._clip.events, start + block.frames)
        self._stream.send(start, block.samples if block.samples.size else self._silence[:, : block.frames])
        self._sent = start + block.frames

    def _play_clip(self, events: Sequence[Event], end: int) -> None:
        """Send what the clip plays before sample `end`."""
        while self._clip_told < len(events) and events[self._clip_told].sample < end:
            event = events[self._clip_told]
            with suppress(OSError):  # the block that follows fails the same way and is not answered
                self._stream.send_midi(round(event.sample), *to_bytes(event))
            self._clip_told += 1

    def _send_midi(self, messages: Iterator[tuple[int, int, int, int]], now: int) -> None:
        """Place what was played at the sample that the device heard at that moment."""
        for at, *message in messages:
            sample = self._clock.sample_at(at) + self._said["latency_in"]
            self._transport.hear(sample, bytes(message))
            if message[0] < SYSTEM_MESSAGES:
                with suppress(OSError):  # the block that follows fails the same way and is not answered
                    self._stream.send_midi(max(now, sample), *message)

    def _send_transport(self, start: int) -> None:
        """Say what the clock at the MIDI input says; where it stops or jumps, end the notes."""
        transport = self._transport.now(False, NO_JACK, start)
        if self._watch.broke_off(transport.playing, transport.host_sample, start) and self._midi_out is not None:
            self._midi_out.end_notes()
        self._transport.tell(transport)

    # The engine.

    def _hear_engine(self, now: int, tell: Tell) -> None:
        first_due = -1
        for message in self._stream.receive():
            if isinstance(message, MidiMessage):
                first_due = message.due if first_due < 0 else first_due
                self._pass_on(message, now, first_due, tell)
            elif isinstance(message, AudioMessage) and self._settings.audio_out:
                mono = message.samples.mean(axis=0, dtype=np.float32)
                self._line.play(self._first + message.start + self._bridge_samples, mono)
        if self._stream.processed > self._answered:
            self._answered = self._stream.processed
            self._stream.refused.clear()
            if self._midi_out is not None:
                self._midi_out.beat()

    def _pass_on(self, message: MidiMessage, now: int, first_due: int, tell: Tell) -> None:
        if self._live:
            leaves = now + (message.due - first_due) * 1_000_000_000 // self._rate
        else:
            leaves = self._clock.time_of(message.due + self._bridge_samples)
            self._late += leaves < now
        status = message.status, message.data1, message.data2
        if self._midi_out is not None:
            self._midi_out.send(leaves, *status)
        self._events += 1
        waited = leaves - self._clock.time_of(message.place - self._said["latency_in"])
        tell({"midi": status, "due": message.due, "place": message.place, "waited_ms": round(waited / 1e6, 2)})

    def _judge(self, now: int) -> None:
        """See who has been silent for too long."""
        patience = max(SILENT_SECONDS, 8 * self._block / self._rate)
        if now - self._heard_at > patience * 1e9:
            self._problem = (
                self._problem or f"the audio device {self._said['device']} gives nothing any more; all notes were ended"
            )
        if self._sent - self._answered > patience * self._rate:
            self._answered = self._sent  # asked once in a while
            if self._stream.refused or not self._server_answers():
                self._problem = "the Backline server does not take this stream any more; all notes were ended"

    def _server_answers(self) -> bool:
        try:
            self._bridge.request("/backline/sync", 1, timeout=ANSWER_SECONDS)
        except BridgeError:
            return False
        self._heard_at = time.monotonic_ns()
        return True

    # Before and after.

    def _described(self) -> dict[str, Any]:
        bridge = 0 if self._live else self._bridge_samples
        declared = self._said["latency_in"] + (0 if self._live else self._stream.latency + bridge)
        return self._said | {
            "stream": self._stream.number, "stream_latency": self._stream.latency, "live": self._live, "bridge": bridge,
            "declared_latency": declared, "midi_out": self._midi_out.name if self._midi_out else "",
            "midi_in": self._midi_in.name if self._midi_in else "",
        }  # fmt: skip

    def _statistics(self) -> dict[str, Any]:
        return {
            "problem": self._problem, "blocks": self._blocks, "lost_blocks": self._lost_blocks, "events": self._events,
            "late_events": self._late, "late_in_engine": self._stream.late, "port": self._counts,
        }  # fmt: skip

    def _end(self) -> None:
        """End the notes, then the devices, then the stream; a second time there is nothing to end."""
        if self._midi_out is not None:
            self._counts = dict(self._midi_out.close())
        if self._midi_in is not None:
            self._midi_in.close()
        if self._line.fileno() < 0:
            return
        self._line.close()
        try:
            if hasattr(self, "_stream"):
                self._stream.close()
        except (BridgeError, OSError):
            pass  # the server is gone, and the stream with it
        self._bridge.close()


def _port(word: str) -> PortChoice:
    choice = parse_port(word)
    if choice is None:
        raise BacklineError(f"'{word}' is no MIDI port; one is written midi, midi:NAME or virtual:NAME")
    return choice
