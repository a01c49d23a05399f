"""An engine process: the streams of one model in one thread, what they are told, and the loop that serves them.

    data socket -> data_port -> hosted_stream -> live_stream -> hosted_stream -> data socket

It is started by `worker` with three descriptors: the data socket (owned by the control process, so that a spare goes
on where this one ends), a command socket, and the shared page. It waits in poll and never spins.
"""

import json
import os
import select
import socket
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any  # Any: commands are JSON

import numpy as np

from models.manifest import DIRECTION, Manifest, ManifestError
from plugin_bridge.client import TOKEN_VARIABLE
from server.data_port import DataPort
from server.errors import BacklineError
from server.gate import Gate
from server.hop_spread import HopSpread
from server.hosted_stream import HostedStream
from server.keep_warm import Heard, KeepWarm, start_keeping
from server.kept_take import KeptTake
from server.model_store import Model, load_model, open_stream
from server.realtime import WakeLock, enter_real_time, keep_to_core
from server.shared_page import MOST_STREAMS, SharedPage
from server.step_pool import StepPool, StreamSteps

IDLE_MS = 20  # longest sleep, so that the heartbeat never is older
WARM_UP_HOPS = 20


class Engine:
    """See the module's docstring."""

    def __init__(
        self, model: Model, pool: StepPool, data: socket.socket, commands: socket.socket, page: SharedPage
    ) -> None:
        self._model, self._pool, self._data, self._commands, self._page = model, pool, data, commands, page
        self._steps: dict[int, StreamSteps] = {}
        self._told = False  # the control process knows of a device that failed
        self._streams: dict[int, HostedStream] = {}
        self._faced: dict[int, Manifest] = {}  # what the model is in each stream's direction
        self._gate = Gate(os.environ.get(TOKEN_VARIABLE, ""))
        self._port = DataPort(data, page, self._streams, self._gate, pool.together)
        self._active = self._ended = False
        self._warmth: KeepWarm | None = None  # of a device, where there is one
        self._awake = WakeLock()
        period_ns = 1_000_000_000 * model.manifest.hop // model.manifest.sample_rate
        self._spread = HopSpread(period_ns) if pool.together is None else None  # who shares calls meets at a hop

    def warm_up(self) -> str:
        """Load the model, run its first hops on noise, enter real time; return how the process is scheduled.

        All its directions: what another stream may want is loaded now, since it would hold up the streams that run.
        """
        noise = np.random.default_rng(0).uniform(-0.1, 0.1, (1, 1024)).astype(np.float32)
        directions = self._model.manifest.directions
        for settings in [{DIRECTION: direction} for direction in directions] or [{}]:
            steps, start = self._pool.stream(), 0
            stream = open_stream(self._model, settings, 48_000, steps)
            while stream.metrics.hops < WARM_UP_HOPS:
                stream.process(start, noise)
                start += 1024
            if self._warmth is None and self._pool.on_device():
                self._warmth = start_keeping(self._pool.keep_warm)
            steps.close()
        return enter_real_time()

    def run(self) -> None:
        """Serve until told to end, or until the control process is gone."""
        poll, looked = select.poll(), 0
        poll.register(self._commands, select.POLLIN)
        while not self._ended:
            now = time.monotonic_ns()
            self._page.beat(now)
            ready = dict(poll.poll(self._longest_sleep()))
            if self._commands.fileno() in ready:
                was_active = self._active
                self._take_command()
                if self._active and not was_active:
                    poll.register(self._data, select.POLLIN)
            if self._data.fileno() in ready:
                self._port.take()
            if self._active:
                if now - looked > IDLE_MS * 1_000_000:
                    looked = now
                    for hosted in self._streams.values():
                        hosted.end_if_quiet(now)
                self._tell_problem()
                if self._warmth is not None and not ready:
                    self._warmth.run(Heard(h.slot.heard_ns, h.block_ns) for h in self._streams.values())

    # Commands: one JSON object a packet; every one is answered.

    def _take_command(self) -> None:
        packet, lent, _, _ = socket.recv_fds(self._commands, 1 << 20, 1)
        if not packet:  # the control process is gone, and its port's notes are now ours alone to end
            self._do_quit()
            return
        command = json.loads(packet)
        try:
            arguments = command.get("with", {}) | ({"take": lent[0]} if lent else {})
            answer = getattr(self, "_do_" + command["do"])(**arguments)
        except (BacklineError, ManifestError) as error:
            answer = {"problem": str(error)}
        self._commands.send(json.dumps({"request": command["request"], "answer": answer}).encode())

    def _do_admit(self, senders: list[list[Any]]) -> None:
        self._gate.admit((str(host), int(port)) for host, port in senders)

    def _do_activate(self) -> None:
        self._active = True

    def _do_open(self, stream: int, rate: int, settings: dict[str, Any], take: int) -> dict[str, int]:
        try:
            return self._open(stream, rate, settings, KeptTake(take))
        except BaseException:
            os.close(take)
            raise

    def _open(self, stream: int, rate: int, settings: dict[str, Any], take: KeptTake) -> dict[str, int]:
        if stream in self._streams:  # asked twice: the first answer was not heard
            self._do_close(stream)
        slots = [self._page.slot(i) for i in range(MOST_STREAMS)]
        slot = next((s for s in slots if s.number == 0), None)
        if slot is None:
            raise BacklineError(f"{MOST_STREAMS} streams of '{self._model.manifest.name}' are open, which is the most")
        chosen = dict(settings)
        pace = str(chosen.pop("pace", "realtime"))
        if pace not in ("realtime", "free"):
            raise BacklineError(f"pace is '{pace}'; allowed: realtime, free")
        gather = str(chosen.pop("gather", "no"))
        if gather not in ("yes", "no"):
            raise BacklineError(f"gather is '{gather}'; allowed: yes, no")
        slot.clear(stream)
        slot.heard(0, time.monotonic_ns(), 0)  # a client that never sends is gone too, one day
        steps = self._pool.stream()
        try:
            opened = open_stream(self._model, chosen, rate, steps)
        except BacklineError:
            slot.clear(0)
            steps.close()
            raise
        self._steps[stream] = steps
        self._streams[stream] = HostedStream(
            stream, opened, slot, pace == "realtime", self._port.transmit, take, gather == "yes", self._spread
        )
        self._faced[stream] = self._model.manifest.facing(chosen)
        self._awake.hold(True)
        return {"latency": opened.declared, "live_delay": opened.live_delay}

    def _do_close(self, stream: int) -> None:
        hosted = self._hosted(stream)
        hosted.send(hosted.stream.finish(hosted.stream.position))
        hosted.slot.clear(0)
        hosted.take.close()
        self._steps.pop(stream).close()
        del self._streams[stream], self._faced[stream]
        if self._spread is not None:
            self._spread.forget(stream)
        self._awake.hold(bool(self._streams))

    def _do_reset(self, stream: int) -> None:
        self._hosted(stream).reset()

    def _do_clip(self, stream: int, unit: str, ahead: int, rows: str) -> int:
        return self._hosted(stream).take_clip(unit, ahead, rows)

    def _do_set(self, stream: int, name: str, value: str) -> None:
        hosted = self._hosted(stream)
        parsed = self._faced[stream].parameter(name).parse(value)
        try:
            hosted.stream.set(name, parsed)
        except KeyError:
            raise BacklineError(f"{name} is chosen when the stream opens and cannot be changed while it runs") from None

    def _do_status(self, stream: int | None = None) -> dict[str, Any]:
        """Say how all streams are, or the one that is asked for."""
        return {
            str(number): hosted.stream.metrics.summary() | {
                "model": self._model.manifest.name, "rate": hosted.stream.host_rate, "latency": hosted.stream.declared,
                "position": hosted.stream.position, "late_events": hosted.stream.scheduler.late,
                "sounding": hosted.stream.ledger.sounding, "live_delay": hosted.stream.live_delay,
                "parts": asdict(hosted.stream.latency), "provider": self._pool.provider(),
            }
            for number, hosted in self._streams.items()
            if stream is None or number == stream
        }  # fmt: skip

    def _do_quit(self) -> None:
        for number in list(self._streams):
            self._do_close(number)
        self._ended = True

    def _longest_sleep(self) -> float:
        """Return milliseconds."""
        if self._warmth is None or not self._streams:
            return IDLE_MS
        return min(IDLE_MS, self._warmth.rest_ms)

    def _tell_problem(self) -> None:
        """Tell the control process, once, of a device that failed."""
        if self._pool.problem and not self._told:
            self._commands.send(json.dumps({"note": f"goes on on the CPU: {self._pool.problem}"}).encode())
            self._told = True

    def _hosted(self, number: int) -> HostedStream:
        if number not in self._streams:
            raise BacklineError(
                f"there is no stream {number}; open ones: {', '.join(map(str, self._streams)) or 'none'}"
            )
        return self._streams[number]


def main() -> None:
    """Entry of the process: one JSON argument with model, provider and descriptors."""
    settings = json.loads(sys.argv[1])
    data = socket.socket(fileno=settings["data"])
    commands = socket.socket(fileno=settings["commands"])
    page = SharedPage(settings["page"])
    began = time.monotonic()
    if settings["core"] is not None:
        keep_to_core(settings["core"])
    try:
        pool = StepPool(settings["provider"], settings["batch"])
        engine = Engine(load_model(Path(settings["model"])), pool, data, commands, page)
        scheduling = engine.warm_up()
    except BacklineError as error:
        commands.send(json.dumps({"problem": str(error)}).encode())
        raise SystemExit(2) from error
    ready = {
        "ready": True, "pid": os.getpid(), "scheduling": scheduling, "seconds": time.monotonic() - began,
        "choices": {name: str(choice) for name, choice in pool.choices.items()},
    }  # fmt: skip
    try:
        commands.send(json.dumps(ready).encode())
        engine.run()
    except (BrokenPipeError, ConnectionResetError):
        pass  # the control process is gone or has changed its mind; there is nobody left to serve


if __name__ == "__main__":
    main()
