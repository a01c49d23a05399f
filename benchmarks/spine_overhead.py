"""What does the server add to a model, per block? The path of a block with the model left out, and its parts.

Aim: 150 us at the median for 256 samples at 48 kHz, resampling included. Most blocks complete no hop of a 16 kHz model,
so those that do stand in columns of their own. `engine` is the whole engine from the datagram on its socket to the
last reply, run in this process without its own. `stall` is the same after two seconds in which nothing was read: the time
to the answer to the newest block.
"""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from benchmarks.command import Options, run
from benchmarks.networks import model_files
from benchmarks.pacing import Pacer, calls, real_time
from benchmarks.record import Row, percentiles
from models.block import Block, silence
from models.events import NoteOn
from models.stream import StreamSpec
from plugin_bridge.protocol import RECEIVE_BUFFER, MidiMessage, pack_audio, pack_midi, pack_processed, parse
from server.data_port import DataPort
from server.hosted_stream import HostedStream
from server.kept_take import KeptTake
from server.live_stream import LiveStream
from server.model_store import find_model, open_stream
from server.rebuffer import Rebuffer
from server.scheduler import Emission, Scheduler
from server.shared_page import SharedPage

NAME, SECONDS = "spine_overhead", 4.0
RATE, BLOCK = 48_000, 256
STALL_SECONDS, STALLS = 2.0, 30
STALLED = ((1, 64), (1, 256), (4, 64), (4, 256))  # streams and their blocks; the socket holds no more of small ones


class SilentPlayer:
    """A stream processor that does nothing: what remains is the spine."""

    def __init__(self, sample_rate: int, hop: int, channels_out: int = 0) -> None:
        self.spec = StreamSpec(sample_rate, hop, 1, channels_out, 0)
        self._nothing = silence(channels_out, hop)

    def process(self, block: Block) -> Block:
        """Give silence."""
        return Block(block.start, self._nothing)

    def flush(self) -> Block:
        """Nothing is owed."""
        return Block(0, silence(self.spec.channels_out, 0))

    def reset(self) -> None:
        """Nothing is kept."""

    def set(self, name: str, value: float | str) -> None:
        """There is nothing to set."""
        raise KeyError(name)


def measure(options: Options) -> list[Row]:
    """Return a row per kind of stream, one per model with the engine around it, and one per part."""
    streams = {
        "48 kHz model, hop 128": LiveStream(SilentPlayer(48_000, 128), RATE),
        "48 kHz model, hop 128, audio out": LiveStream(SilentPlayer(48_000, 128, 1), RATE),
        "16 kHz model, hop 256": LiveStream(SilentPlayer(16_000, 256), RATE),
        "44.1 kHz model, hop 128, audio out": LiveStream(SilentPlayer(44_100, 128, 1), RATE),
        "probe": open_stream(find_model("probe", options.models), {}, RATE, options.provider),
    }
    with real_time() as scheduling:
        rows = [{"case": f"stream, {name}", **time_stream(stream, options.seconds)} for name, stream in streams.items()]
        rows += [{"case": f"engine, {name}", **time_engine(name, options)} for name in model_files(options.models)]
        rows += [time_stall(streams, block, options) for streams, block in STALLED]
        rows += time_parts(options.seconds)
    return [row | {"scheduling": scheduling} for row in rows]


def time_stream(stream: LiveStream, seconds: float) -> Row:
    """Return the time of LiveStream.process per paced block, and of the blocks that completed a hop."""
    samples, start = noise(BLOCK), 0
    times, with_hop = [], []
    pacer = Pacer(BLOCK / RATE)
    for _ in range(calls(seconds, BLOCK / RATE)):
        hops = stream.metrics.hops
        pacer.wait()
        began = time.perf_counter_ns()
        stream.process(start, samples)
        times.append((time.perf_counter_ns() - began) / 1000)
        if stream.metrics.hops > hops:
            with_hop.append(times[-1])
        start += BLOCK
    hop = percentiles(with_hop)
    return percentiles(times) | {f"hop_{name}": hop[name] for name in ("p50_us", "p99_us") if name in hop}


@contextmanager
def engine(name: str, count: int, options: Options) -> Iterator[tuple[DataPort, socket.socket]]:
    """An engine in this process with streams 1 to `count` of a model, and a client's socket."""
    client, data = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in "ab")
    page, streams = SharedPage(), dict[int, HostedStream]()
    with client, data:
        data.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        data.bind(("127.0.0.1", 0))
        data.setblocking(False)
        client.connect(data.getsockname())
        client.settimeout(1.0)
        port = DataPort(data, page, streams)
        takes = [KeptTake.make(RATE) for _ in range(count)]
        for number, take in enumerate(takes, 1):
            stream = open_stream(find_model(name, options.models), {}, RATE, options.provider)
            streams[number] = HostedStream(number, stream, page.slot(number - 1), True, port.transmit, take)
        yield port, client
    page.close()
    for take in takes:
        take.close()


def time_engine(name: str, options: Options) -> Row:
    """Return the time from a datagram on the engine's socket to its last reply, per paced block."""
    samples, times = noise(BLOCK), []
    with engine(name, 1, options) as (port, client):
        pacer = Pacer(BLOCK / RATE)
        for turn in range(calls(options.seconds, BLOCK / RATE)):
            datagram = pack_audio(1, turn * BLOCK, samples)
            pacer.wait()
            client.send(datagram)
            began = time.perf_counter_ns()
            port.take()
            times.append((time.perf_counter_ns() - began) / 1000)
            _answered(client)
    return percentiles(times)


def time_stall(streams: int, block: int, options: Options) -> Row:
    """Return the time in which an engine of probes is through with what came in two seconds, to the answers to the newest blocks."""
    samples, times, start = noise(block), [], 0
    with engine("probe", streams, options) as (port, client):
        for _ in range(STALLS):
            for _ in range(round(STALL_SECONDS * RATE / block)):
                for number in range(1, streams + 1):
                    client.send(pack_audio(number, start, samples))
                start += block
            began = time.perf_counter_ns()
            port.take()
            times.append((time.perf_counter_ns() - began) / 1000)
            for _ in range(streams):
                _answered(client)
    return {"case": f"stall, {streams} x {block} samples", **percentiles(times)}


def _answered(client: socket.socket) -> None:
    """Read until a block is done."""
    while not client.recv(65536).startswith(b"/backline/processed"):
        pass


def time_parts(seconds: float) -> list[Row]:
    """Return a row per part of a block's way, each timed in the same paced round."""
    parts = _parts()
    times: dict[str, list[float]] = {name: [] for name in parts}
    pacer = Pacer(BLOCK / RATE)
    for _ in range(calls(seconds, BLOCK / RATE)):
        pacer.wait()
        for name, part in parts.items():
            began = time.perf_counter_ns()
            done = part()
            if done is not None:
                times[name].append((time.perf_counter_ns() - began) / 1000)
    return [{"case": f"part, {name}", **percentiles(values)} for name, values in times.items()]


def noise(count: int) -> np.ndarray:
    """Return (1, count) float32 of noise too soft for the probe to take for an impulse."""
    return (0.01 * np.random.default_rng(1).standard_normal((1, count))).astype(np.float32)


def _parts() -> dict[str, Callable[[], object]]:
    """Return the parts by name; each is called once a block. One that had nothing to do returns None."""
    samples, datagram = noise(BLOCK), pack_audio(1, 1 << 33, noise(BLOCK))
    plain, resampling, scheduler = Rebuffer(RATE, RATE, 128, 1), Rebuffer(RATE, 16_000, 256, 1), Scheduler()
    message = MidiMessage(1, 1, 1, 0x90, 60, 100)

    def push(rebuffer: Rebuffer) -> bool:
        rebuffer.push(samples)
        return True

    def drain() -> bool:
        while plain.is_ready():
            plain.pop()
        return True

    def schedule() -> list[Emission]:
        scheduler.add(Emission(5, 5, NoteOn(5, 60, 100)), 0)
        return scheduler.take(6)

    return {
        "parse a block's datagram": lambda: parse(datagram),
        "push, same rate": lambda: push(plain),
        "pop two hops, same rate": drain,
        "push, 48 kHz": lambda: push(resampling),
        "pop a hop, 48 to 16 kHz": lambda: resampling.pop() if resampling.is_ready() else None,
        "schedule and take one event": schedule,
        "pack an event": lambda: pack_midi(message),
        "pack a block": lambda: pack_audio(1, 1 << 33, samples),
        "pack processed": lambda: pack_processed(1, 1 << 33, 0),
    }


if __name__ == "__main__":
    raise SystemExit(run(NAME, measure, SECONDS))
