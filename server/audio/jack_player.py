"""The client itself: its ports, what JACK calls back, and its life from activation to the last note-off.

JACK's thread is the only one that works: the main thread sleeps on a pipe until a signal, an ending server or the one
who started the process wakes it. What cannot wait happens in the process callback (ports are copied, notes are ended);
what may take long, in the main thread. `midi_out` and `audio_out` declare the stream's latency plus the bridge; a live
stream declares nothing.
"""

import gc
import os
import select
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from time import monotonic_ns
from typing import Any  # Any: objects of JACK-Client, which has no types

import jack  # optional: this module is imported once server.audio.jack has opened a client

from models.block import silence
from models.rhythm.transport import TransportWatch
from plugin_bridge.client import BridgeClient, BridgeError
from plugin_bridge.protocol import LARGEST_BLOCK
from server.audio.jack_audio import AudioOut
from server.audio.jack_clock import SampleClock
from server.audio.jack_cycle import BRIDGE_PERIODS, Cycle
from server.audio.jack_latency import PortLatencies
from server.audio.jack_ports import described, register_ports
from server.audio.jack_statistics import CallbackTimes, Incidents
from server.audio.jack_transport import TransportOut
from server.errors import BacklineError
from server.midi.jack import MidiOut
from server.realtime import lock_memory

LAST_CYCLE_MS = 1000  # a JACK server that gives no cycle for this long will not carry the note-offs out either
ANSWER_SECONDS = 2.0
# What wakes the main thread, one byte each; signals write their own number.
JACK_ENDED, SERVER_GONE, SERVER_SILENT, NOTES_ENDED, WIDER = b"J", b"G", b"S", b"N", b"W"
PROBLEMS = {JACK_ENDED: "the JACK server ended; all notes were ended as far as it allowed",
            SERVER_GONE: "the Backline server does not take this stream any more; all notes were ended"}  # fmt: skip


class JackPlayer:
    """One client with one stream. `run` it once."""

    def __init__(self, client: Any, bridge: BridgeClient, model: str, settings: Mapping[str, str | float]) -> None:
        self._client, self._bridge = client, bridge
        self._rate, self._period = int(client.samplerate), int(client.blocksize)
        bridge.load(model)
        row = described(bridge, model, settings.get("direction"))
        if "ahead_ms" in row.get("parameters", {}):  # who plays in time plays so early that it is there in time
            settings = {"ahead_ms": 1000 * BRIDGE_PERIODS * self._period / self._rate, **settings}
        self._stream = bridge.open_stream(model, self._rate, {"gather": "yes", **settings})
        self._live = self._stream.latency == 0
        self._ports = register_ports(client, row)
        self._midi = MidiOut(self._rate, self._live, self._write_midi)
        self._audio = AudioOut() if self._ports.audio_out else None
        self._cycle = Cycle(self._stream, self._rate, self._period, self._midi, self._audio)
        self._clock, self._watch = SampleClock(self._rate), TransportWatch(self._rate)
        self._transport = TransportOut(self._stream, self._rate)
        self._latencies = PortLatencies(
            client, self._ports.inputs, [(port, self._added) for port in self._ports.outputs]
        )
        self._times, self._xruns, self._unwritten = CallbackTimes(), Incidents(), 0
        self._silence = silence(1, LARGEST_BLOCK)
        self._freewheels = self._ending = self._ended = self._told = False
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        self._set_callbacks()

    def run(
        self, connect: Sequence[Sequence[str]], held: bool, on_active: Callable[[dict[str, Any]], None]
    ) -> dict[str, Any]:
        """Work until something ends it; return the statistics. Raises BacklineError."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(self._wake)
        # The callback leaves no reference cycles behind, so that nothing is there to collect.
        gc.collect()
        gc.freeze()
        gc.disable()
        lock_memory()
        problem = ""
        try:
            self._activate(connect)
            on_active(self._described())
            problem = self._sleep(held)
        finally:
            self._end(jack_is_there=problem != PROBLEMS[JACK_ENDED])
        return self._statistics(problem)

    # In JACK's threads: the process thread first, then the one that brings notices.

    def _process(self, frames: int) -> None:
        began = monotonic_ns()
        now = self._clock.advance(self._client.last_frame_time, frames, began)
        if self._ports.midi_out is not None:
            self._ports.midi_out.clear_buffer()
        if self._ending:
            self._end_notes(now)
        else:
            self._exchange(now, frames)
        self._times.add((monotonic_ns() - began) // 1000)

    def _exchange(self, now: int, frames: int) -> None:
        state, place = self._client.transport_query_struct()
        for offset, message in self._ports.clock_in.incoming_midi_events():
            self._transport.hear(now + offset, bytes(message))
            if self._ports.midi_in is not None:
                self._cycle.send_midi(now + offset, bytes(message))
        transport = self._transport.now(state == jack.ROLLING, place, now)
        if self._watch.broke_off(transport.playing, transport.host_sample, now):
            self._midi.end_all(now, heard_until=now)
        self._transport.tell(transport)
        heard = self._silence[:, :frames] if self._ports.audio_in is None else self._ports.audio_in.get_array()[None]
        self._cycle.run(now, heard, self._freewheels)
        self._midi.write(now, frames)
        if self._audio is not None and self._ports.audio_out is not None:
            self._audio.read(now, self._ports.audio_out.get_array())
        if self._cycle.doubts():
            os.write(self._wake, SERVER_GONE if self._cycle.refused else SERVER_SILENT)

    def _end_notes(self, now: int) -> None:
        """End all notes in one cycle and say so in the next, when the first has been through."""
        if self._ports.audio_out is not None:
            self._ports.audio_out.get_array()[:] = 0.0
        if self._ended and not self._told:
            self._told = True
            os.write(self._wake, NOTES_ENDED)
        elif not self._ended:
            self._midi.end_all(now)
            self._ended = True

    def _write_midi(self, offset: int, message: bytes) -> None:
        try:
            self._ports.midi_out.write_midi_event(offset, message)
        except jack.JackError:
            self._unwritten += 1

    def _added(self) -> int:
        """Return the frames that the ports declare."""
        return 0 if self._live else self._stream.latency + self._cycle.bridge

    def _set_callbacks(self) -> None:
        client = self._client
        client.set_process_callback(self._process)
        client.set_xrun_callback(lambda _: self._xruns.add(monotonic_ns()))
        client.set_freewheel_callback(self._on_freewheel)
        client.set_blocksize_callback(self._on_period)
        client.set_shutdown_callback(lambda *_: os.write(self._wake, JACK_ENDED))

    def _on_freewheel(self, starting: bool) -> None:
        self._freewheels = starting

    def _on_period(self, period: int) -> None:
        before = self._cycle.bridge
        self._cycle.widen(period)
        if self._cycle.bridge != before:
            os.write(self._wake, WIDER)

    # In the main thread.

    def _activate(self, connect: Sequence[Sequence[str]]) -> None:
        try:
            self._client.activate()
            for source, destination in connect:
                self._client.connect(self._full(source), self._full(destination))
        except jack.JackError as error:
            raise BacklineError(f"JACK refuses: {error}; `jack_lsp` lists the ports there are") from error

    def _full(self, port: str) -> str:
        return port if ":" in port else f"{self._client.name}:{port}"

    def _described(self) -> dict[str, Any]:
        return {
            "active": self._client.name, "ports": [port.name for port in (*self._ports.inputs, *self._ports.outputs)],
            "sample_rate": self._rate, "period": self._period, "stream": self._stream.number,
            "stream_latency": self._stream.latency, "bridge": self._cycle.bridge, "declared_latency": self._added(),
            "realtime": bool(self._client.realtime),
        }  # fmt: skip

    def _sleep(self, held: bool) -> str:
        """Return the problem that ended it; nothing where it was told to end."""
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        if held:
            poll.register(sys.stdin.fileno(), select.POLLIN)
        while True:
            for descriptor, _ in poll.poll():
                woken_by = os.read(descriptor, 1)
                if descriptor != self._woken:
                    if not woken_by:
                        return ""
                elif woken_by == WIDER:
                    self._latencies.changed()
                elif woken_by != SERVER_SILENT:
                    return PROBLEMS.get(woken_by, "")
                elif not self._server_answers():
                    return PROBLEMS[SERVER_GONE]

    def _server_answers(self) -> bool:
        try:
            self._bridge.request("/backline/sync", 1, timeout=ANSWER_SECONDS)
        except BridgeError:
            return False
        return True

    def _end(self, jack_is_there: bool) -> None:
        """End the notes, then the client, then the stream."""
        self._ending = True
        if jack_is_there:
            poll = select.poll()
            poll.register(self._woken, select.POLLIN)
            while poll.poll(LAST_CYCLE_MS) and os.read(self._woken, 1) not in (NOTES_ENDED, JACK_ENDED):
                pass
            self._client.deactivate()
        self._client.close()
        try:
            self._stream.close()
        except (BridgeError, OSError):
            pass  # the server is gone, and the stream with it

    def _statistics(self, problem: str) -> dict[str, Any]:
        found: dict[str, Any] = {"problem": problem, "callbacks": self._times.count}
        found |= {"callback_us": self._times.summary(), "xruns": self._xruns.count, "xruns_at": self._xruns.seconds()}
        found |= {"skipped_samples": self._clock.skipped, "clock_resets": self._clock.resets}
        found |= self._midi.counts() | self._cycle.counts()
        return found | {"lost_events": found["lost_events"] + self._unwritten}
