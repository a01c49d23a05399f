"""An engine process: the streams of one model, from datagram to datagram, in one thread.

    data socket -> parse -> drop what is stale -> LiveStream -> MIDI, audio, processed -> data socket

It is started by `worker` with three descriptors: the data socket (owned by the control process, so that a spare goes
on where this one ends), a command socket, and the shared page. It waits in poll and never spins.
"""

import json
import os
import select
import socket
import sys
import time
from typing import Any  # Any: commands are JSON

import numpy as np

from models.events import Event, moved
from models.manifest import ManifestError
from plugin_bridge.client import osc
from plugin_bridge.protocol import (
    LARGEST_BLOCK,
    AudioMessage,
    MidiMessage,
    ProtocolError,
    pack_audio,
    pack_midi,
    pack_processed,
    parse,
)
from server.errors import BacklineError
from server.live_stream import LONGEST_GAP_SECONDS, LiveStream, Outgoing
from server.midi.message import from_bytes, to_bytes
from server.model_store import Model, find_model, open_stream
from server.note_ledger import NoteLedger
from server.realtime import enter_real_time
from server.scheduler import Emission
from server.shared_page import MOST_STREAMS, SharedPage, Slot

IDLE_MS = 20  # longest sleep, so that the heartbeat never is older
STALE_SECONDS = 0.1  # a real-time stream that is further behind than this starts at the newest block
QUIET_SECONDS = 1.0  # a real-time client that sends nothing for this long has its notes ended
MOST_EVENTS = 4096  # of one stream that wait for their block
DATAGRAMS_AT_ONCE = 256  # then commands and the heartbeat come first
WARM_UP_HOPS = 20

Address = tuple[str, int]


class HostedStream:
    """A stream with what the engine must know about its client."""

    def __init__(self, number: int, stream: LiveStream, slot: Slot, realtime: bool) -> None:
        self.number, self.stream, self.slot, self.realtime = number, stream, slot, realtime
        self.client: Address | None = None
        self.events: list[Event] = []

    def events_of(self, message: AudioMessage) -> list[Event]:
        """Take the events that fall before the end of a block; what was due earlier is played with the next sample heard."""
        end, heard = message.start + message.samples.shape[1], self.stream.position
        again = 0 <= heard - message.start <= LONGEST_GAP_SECONDS * self.stream.host_rate
        first = heard if again else message.start
        taken = [moved(e, max(e.sample, first)) for e in self.events if e.sample < end]
        self.events = [e for e in self.events if e.sample >= end]
        return taken


class Engine:
    """See the module's docstring."""

    def __init__(
        self, model: Model, provider: str, data: socket.socket, commands: socket.socket, page: SharedPage
    ) -> None:
        self._model, self._provider, self._data, self._commands, self._page = model, provider, data, commands, page
        self._streams: dict[int, HostedStream] = {}
        self._active = self._ended = False

    def warm_up(self) -> str:
        """Load the model, run its first hops on noise, enter real time; return how the process is scheduled."""
        stream = open_stream(self._model, {}, 48_000, self._provider)
        noise = np.random.default_rng(0).uniform(-0.1, 0.1, (1, 1024)).astype(np.float32)
        start = 0
        while stream.metrics.hops < WARM_UP_HOPS:
            stream.process(start, noise)
            start += 1024
        return enter_real_time()

    def run(self) -> None:
        """Serve until told to end, or until the control process is gone."""
        poll = select.poll()
        poll.register(self._commands, select.POLLIN)
        while not self._ended:
            self._page.beat(time.monotonic_ns())
            ready = dict(poll.poll(IDLE_MS))
            if self._commands.fileno() in ready:
                was_active = self._active
                self._take_command()
                if self._active and not was_active:
                    poll.register(self._data, select.POLLIN)
            if self._data.fileno() in ready:
                self._take_datagrams()
            if self._active:
                self._end_quiet_streams()

    # Commands: one JSON object a packet; every one is answered.

    def _take_command(self) -> None:
        packet = self._commands.recv(1 << 20)
        if not packet:  # the control process is gone, and its port's notes are now ours alone to end
            self._do_quit()
            return
        command = json.loads(packet)
        try:
            answer = getattr(self, "_do_" + command["do"])(**command.get("with", {}))
        except (BacklineError, ManifestError) as error:
            answer = {"problem": str(error)}
        self._commands.send(json.dumps({"request": command["request"], "answer": answer}).encode())

    def _do_activate(self) -> None:
        self._active = True

    def _do_open(self, stream: int, rate: int, settings: dict[str, Any]) -> dict[str, int]:
        slots = [self._page.slot(i) for i in range(MOST_STREAMS)]
        slot = next((s for s in slots if s.number == 0), None)
        if slot is None:
            raise BacklineError(f"{MOST_STREAMS} streams of '{self._model.manifest.name}' are open, which is the most")
        chosen = dict(settings)
        pace = str(chosen.pop("pace", "realtime"))
        if pace not in ("realtime", "free"):
            raise BacklineError(f"pace is '{pace}'; allowed: realtime, free")
        slot.clear(stream)
        slot.heard(0, time.monotonic_ns(), 0)  # a client that never sends is gone too, one day
        try:
            opened = open_stream(self._model, chosen, rate, self._provider, NoteLedger(slot.sounding))
        except BacklineError:
            slot.clear(0)
            raise
        self._streams[stream] = HostedStream(stream, opened, slot, pace == "realtime")
        return {"latency": opened.declared, "live_delay": opened.live_delay}

    def _do_close(self, stream: int) -> None:
        hosted = self._hosted(stream)
        self._send(hosted, hosted.stream.finish(hosted.stream.position))
        hosted.slot.clear(0)
        del self._streams[stream]

    def _do_reset(self, stream: int) -> None:
        hosted = self._hosted(stream)
        hosted.events.clear()
        self._send(hosted, hosted.stream.restart(hosted.stream.position))

    def _do_set(self, stream: int, name: str, value: str) -> None:
        parameter = self._model.manifest.parameter(name)
        parsed = parameter.parse(value)
        try:
            self._hosted(stream).stream.set(name, parsed)
        except KeyError:
            raise BacklineError(f"{name} is chosen when the stream opens and cannot be changed while it runs") from None

    def _do_status(self) -> dict[str, Any]:
        return {
            str(number): hosted.stream.metrics.summary() | {
                "model": self._model.manifest.name, "rate": hosted.stream.host_rate, "latency": hosted.stream.declared,
                "position": hosted.stream.position, "late_events": hosted.stream.scheduler.late,
                "sounding": hosted.stream.ledger.sounding,
            }
            for number, hosted in self._streams.items()
        }  # fmt: skip

    def _do_quit(self) -> None:
        for number in list(self._streams):
            self._do_close(number)
        self._ended = True

    def _hosted(self, number: int) -> HostedStream:
        if number not in self._streams:
            raise BacklineError(
                f"there is no stream {number}; open ones: {', '.join(map(str, self._streams)) or 'none'}"
            )
        return self._streams[number]

    # Data: everything that waits is read first, so that what is stale is seen before it is worked on.

    def _take_datagrams(self) -> None:
        waiting: list[tuple[HostedStream, AudioMessage, Address]] = []
        taken = 0
        for taken in range(1, DATAGRAMS_AT_ONCE + 1):
            try:
                datagram, sender = self._data.recvfrom(65536)
            except BlockingIOError:
                taken -= 1
                break
            self._sort_datagram(datagram, sender, waiting)
        self._page.count(taken, 0)
        for hosted, message, sender in self._without_stale(waiting):
            self._run_block(hosted, message, sender)

    def _sort_datagram(
        self, datagram: bytes, sender: Address, waiting: list[tuple[HostedStream, AudioMessage, Address]]
    ) -> None:
        try:
            message = parse(datagram)
            hosted = self._streams.get(message.stream)
            if hosted is None:
                raise ProtocolError(f"there is no stream {message.stream} here")
            if isinstance(message, AudioMessage):
                waiting.append((hosted, message, sender))
            elif isinstance(message, MidiMessage):
                if len(hosted.events) >= MOST_EVENTS:
                    raise ProtocolError(f"{MOST_EVENTS} MIDI messages wait for their block, which is the most")
                event = from_bytes(message.due, message.status, message.data1, message.data2)
                if event is not None:
                    hosted.events.append(event)
        except ProtocolError as error:
            self._transmit(osc("/backline/fail", "data port", str(error)), sender)

    def _without_stale(
        self, waiting: list[tuple[HostedStream, AudioMessage, Address]]
    ) -> list[tuple[HostedStream, AudioMessage, Address]]:
        """Drop the blocks of a real-time stream that are too far behind its newest one: a stall must not become a delay."""
        newest = {hosted.number: message.start for hosted, message, _ in waiting}
        fresh = []
        for item in waiting:
            hosted, message, _ = item
            if hosted.realtime and newest[hosted.number] - message.start > STALE_SECONDS * hosted.stream.host_rate:
                hosted.stream.metrics.stale_samples += message.samples.shape[1]
            else:
                fresh.append(item)
        return fresh

    def _run_block(self, hosted: HostedStream, message: AudioMessage, sender: Address) -> None:
        stream = hosted.stream
        if sender != hosted.client:
            # Another client goes on with the stream: what sounds at the one before is ended there.
            self._send(
                hosted,
                [Emission(stream.position, stream.position, off) for off in stream.ledger.end_all(stream.position)],
            )
            hosted.client = sender
            hosted.slot.set_client(sender)
        events = hosted.events_of(message) if hosted.events else []
        samples = message.samples
        if samples.shape[0] > max(1, stream.spec.channels_in):
            samples = samples.mean(axis=0, keepdims=True, dtype=np.float32)
        if (
            stream.metrics.hops
            and message.start - stream.position > STALE_SECONDS * stream.host_rate
            and hosted.realtime
        ):
            self._send(hosted, stream.restart(message.start))
        outgoing = stream.process(message.start, samples, events)
        end = message.start + samples.shape[1]
        self._reply(hosted, message.start, outgoing)
        hosted.slot.heard(end, time.monotonic_ns(), stream.scheduler.late)
        self._transmit(pack_processed(hosted.number, end, stream.scheduler.late), sender)
        self._page.beat(time.monotonic_ns())
        self._page.count(0, 1)

    def _reply(self, hosted: HostedStream, start: int, outgoing: Outgoing) -> None:
        self._send(hosted, outgoing.emissions)
        if hosted.stream.spec.channels_out and hosted.client is not None:
            most = LARGEST_BLOCK // hosted.stream.spec.channels_out
            for first in range(0, outgoing.audio.shape[1], most):
                piece = outgoing.audio[:, first : first + most]
                self._transmit(pack_audio(hosted.number, start + first, piece), hosted.client)

    def _send(self, hosted: HostedStream, emissions: list[Emission]) -> None:
        for emission in emissions:
            if hosted.client is not None:
                message = MidiMessage(hosted.number, emission.due, emission.place, *to_bytes(emission.event))
                self._transmit(pack_midi(message), hosted.client)

    def _transmit(self, datagram: bytes, address: Address) -> None:
        try:
            self._data.sendto(datagram, address)
        except OSError:
            # A client that is gone or does not read: its notes are ended when it stays quiet, nothing else can be done.
            pass

    def _end_quiet_streams(self) -> None:
        now = time.monotonic_ns()
        for hosted in self._streams.values():
            quiet = hosted.slot.heard_ns and now - hosted.slot.heard_ns > QUIET_SECONDS * 1e9
            if hosted.realtime and quiet and hosted.stream.ledger.sounding:
                self._send(hosted, hosted.stream.restart(hosted.stream.position))


def main() -> None:
    """Entry of the process: one JSON argument with model, provider and descriptors."""
    settings = json.loads(sys.argv[1])
    data = socket.socket(fileno=settings["data"])
    commands = socket.socket(fileno=settings["commands"])
    page = SharedPage(settings["page"])
    began = time.monotonic()
    try:
        engine = Engine(find_model(settings["model"]), settings["provider"], data, commands, page)
        scheduling = engine.warm_up()
    except BacklineError as error:
        commands.send(json.dumps({"problem": str(error)}).encode())
        raise SystemExit(2) from error
    ready = {"ready": True, "pid": os.getpid(), "scheduling": scheduling, "seconds": time.monotonic() - began}
    try:
        commands.send(json.dumps(ready).encode())
        engine.run()
    except (BrokenPipeError, ConnectionResetError):
        pass  # the control process is gone or has changed its mind; there is nobody left to serve


if __name__ == "__main__":
    main()
