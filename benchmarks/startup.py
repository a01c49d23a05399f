"""How long until it plays, and how long is the hole when an engine dies?

Each run is a new server: until its ready line, until the first stream is open (its engine starts), until a second one
is (it is warm), until the first note of an impulse, and, after SIGKILL to the engine, until listeners are told and
until blocks are answered again. The model's file is in the system's cache: what a cold disk adds is not here.
"""

import os
import select
import signal
import socket
import time
from collections.abc import Callable

import numpy as np

from benchmarks.command import Options, run
from benchmarks.networks import model_files
from benchmarks.pacing import Pacer
from benchmarks.record import Row, percentiles
from benchmarks.serving import Server
from benchmarks.spine_overhead import BLOCK, RATE
from plugin_bridge.client import BridgeError, BridgeStream, osc
from plugin_bridge.protocol import RECEIVE_BUFFER, MidiMessage
from server.errors import BacklineError

NAME, SECONDS = "startup", 25.0
PATIENCE_SECONDS = 30.0  # for an engine to start or to be replaced
RUN_SECONDS = 2.5  # what one run takes


def measure(options: Options) -> list[Row]:
    """Return a row per step, over as many runs as fit into `seconds`; two at least, as the first stands apart."""
    found: dict[str, list[float]] = {}
    models = model_files(options.models)
    for _ in range(max(2, round(options.seconds / RUN_SECONDS / len(models)))):
        for model in models:
            for step, milliseconds in one_run(options, model).items():
                found.setdefault(step if step == "serve, ready" else f"{model}, {step}", []).append(milliseconds)
    return [{"case": step, **percentiles(values, "ms")} for step, values in found.items()]


def one_run(options: Options, model: str) -> dict[str, float]:
    """Return the milliseconds of every step of one server's life."""
    took: dict[str, float] = {}
    with Server(options) as server:
        took["serve, ready"] = 1000 * server.ready_seconds
        stream, took["first stream open"] = _timed(lambda: server.client.open_stream(model, RATE))
        if model == "probe":
            took["first note after opening"] = first_note(stream)
        _timed(lambda: server.load(model))
        second, took["second stream open"] = _timed(lambda: server.client.open_stream(model, RATE))
        second.close()
        took["engine killed, listeners told"], took["engine killed, blocks answered"] = swap(server, stream)
    return took


def first_note(stream: BridgeStream) -> float:
    """Return the milliseconds from sending an impulse to its note, the declared latency included."""
    impulse = np.zeros((1, BLOCK), np.float32)
    impulse[0, 0] = 0.9
    pacer = Pacer(BLOCK / RATE)
    began = time.perf_counter()
    for turn in range(round(RATE / BLOCK)):
        pacer.wait()
        stream.send(turn * BLOCK, impulse if turn == 0 else np.zeros_like(impulse))
        for message in stream.wait((turn + 1) * BLOCK):
            if isinstance(message, MidiMessage):
                return 1000 * (time.perf_counter() - began)
    raise BacklineError("the probe did not answer an impulse within a second")


def swap(server: Server, stream: BridgeStream) -> tuple[float, float]:
    """Kill the working engine amid blocks in real time; return (listeners told, blocks answered) in milliseconds."""
    block, told, answered = np.zeros((1, BLOCK), np.float32), 0.0, 0.0
    start = max(stream.processed, BLOCK) // BLOCK * BLOCK
    with _listener(server.port) as listener:
        pacer = Pacer(BLOCK / RATE)
        killed, asked, deadline = 0.0, 0, time.perf_counter() + PATIENCE_SECONDS
        while not (told and answered):
            pacer.wait()
            for _ in stream.receive():
                pass
            now = time.perf_counter()
            if now > deadline:
                raise BacklineError("no engine took over from the one that was killed")
            if killed and not answered and stream.processed > asked:
                answered = now
            if not told and select.select([listener], [], [], 0)[0] and b"replaced" in listener.recv(65536):
                told = now
            if not killed and stream.processed >= start:
                os.kill(server.engines()[0], signal.SIGKILL)
                killed, asked = time.perf_counter(), start
            stream.send(start, block)
            start += BLOCK
    return 1000 * (told - killed), 1000 * (answered - killed)


def _listener(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    listener.connect(("127.0.0.1", port))
    listener.settimeout(5.0)
    listener.send(osc("/backline/notify", 1))
    listener.recv(65536)  # /backline/done
    return listener


def _timed(act: Callable[[], object]):  # type: ignore[no-untyped-def]  # what `act` returns, and milliseconds
    began = time.perf_counter()
    result = act()
    return result, 1000 * (time.perf_counter() - began)


if __name__ == "__main__":
    raise SystemExit(run(NAME, measure, SECONDS, (BridgeError,)))
