"""How much memory does an engine take, how much each stream, and does it grow?

An engine locks its pages where it may, so that `resident` counts all it could ever touch; `own` is what no other
process shares with it: the price of one engine more. Growth is over a minute of audio at free pace.
"""

from benchmarks.command import Options, run
from benchmarks.host_to_event import signal
from benchmarks.networks import model_files
from benchmarks.record import Row
from benchmarks.serving import Server, memory_mb
from benchmarks.spine_overhead import RATE
from plugin_bridge.client import BridgeError, BridgeStream

NAME, SECONDS = "memory", 60.0
COUNTS = (0, 1, 4, 8)
BLOCK = 1024
FIRST_SECONDS = 5.0  # of audio before anything is called growth: buffers have been touched by then


def measure(options: Options) -> list[Row]:
    """Return per model a row per number of streams, and one of growth. seconds: of audio for the growth."""
    rows = []
    for model in model_files(options.models):
        with Server(options) as server:
            server.load(model)
            engine, streams = server.engines()[0], list[BridgeStream]()
            before = memory_mb(engine)
            for count in COUNTS:
                while len(streams) < count:
                    streams.append(server.client.open_stream(model, RATE, {"pace": "free"}))
                    feed(streams[-1], model, 0.0, min(1.0, options.seconds))
                now = memory_mb(engine)
                each = (now["own_mb"] - before["own_mb"]) / max(1, count)
                rows.append({"case": f"{model}, streams {count}", **now, "per_stream_mb": round(each, 3)})
            rows.append({"case": f"{model}, growth", **growth(engine, streams[0], model, options.seconds)})
            rows.append({"case": f"{model}, control process", **memory_mb(server.pid)})
    return rows


def growth(engine: int, stream: BridgeStream, model: str, seconds: float) -> Row:
    """Return the memory after `seconds` of audio and what was added since the first few."""
    place = min(1.0, seconds)
    place = feed(stream, model, place, min(FIRST_SECONDS, seconds))
    early = memory_mb(engine)
    feed(stream, model, place, seconds)
    late = memory_mb(engine)
    return late | {"audio_seconds": seconds, "growth_mb": round(late["own_mb"] - early["own_mb"], 3)}


def feed(stream: BridgeStream, model: str, place: float, seconds: float) -> float:
    """Send `seconds` of audio from `place` on, as fast as the engine takes it; return the place after it."""
    audio, start = signal(model, 1.0)[:, : RATE // BLOCK * BLOCK], round(place * RATE)
    end = start + round(seconds * RATE)
    while start < end:
        for begin in range(0, audio.shape[1], BLOCK):
            stream.send(start + begin, audio[:, begin : begin + BLOCK])
            for _ in stream.wait(start + begin + BLOCK, timeout=20.0):
                pass
        start += audio.shape[1]
    return start / RATE


if __name__ == "__main__":
    raise SystemExit(run(NAME, measure, SECONDS, (BridgeError,)))
