"""How many streams does one engine carry? 1, 4 and 8 at once in real time, each block of each stream answered.

A host calls its plug-ins one after the other and then waits, so all blocks of a period go out together; a stream's
time is from that moment to its own /backline/processed, the streams before it included.
"""

import time

from benchmarks.command import Options, run
from benchmarks.host_to_event import signal
from benchmarks.networks import model_files
from benchmarks.pacing import Pacer, calls, real_time
from benchmarks.record import Row, percentiles
from benchmarks.serving import Server, processor_seconds
from benchmarks.spine_overhead import RATE
from models.block import Samples
from plugin_bridge.client import BridgeError, BridgeStream

NAME, SECONDS = "streams", 3.0
COUNTS = (1, 4, 8)
BLOCK = 256


def measure(options: Options) -> list[Row]:
    """Return a row per model and number of streams."""
    rows = []
    for model in model_files(options.models):
        with Server(options) as server, real_time() as scheduling:
            server.load(model)
            for count in COUNTS:
                rows.append(
                    {
                        "case": f"{model}, streams {count}",
                        **time_streams(server, model, count, options.seconds),
                        "block_us": round(1e6 * BLOCK / RATE),
                        "scheduling": scheduling,
                    }
                )
    return rows


def time_streams(server: Server, model: str, count: int, seconds: float) -> Row:
    """Return the percentiles over all streams and blocks, what was lost, and the engine's share of a core."""
    streams = [server.client.open_stream(model, RATE) for _ in range(count)]
    audio, engine = signal(model, seconds), server.engines()[0]
    used, began = processor_seconds(engine), time.monotonic()
    times, last = play_together(streams, audio, seconds)
    share = (processor_seconds(engine) - used) / (time.monotonic() - began)
    status = [server.status()[str(stream.number)] for stream in streams]
    for stream in streams:
        stream.close()
    lost = {name: sum(int(row[name]) for row in status) for name in ("late_events", "stale_samples", "lost_samples")}
    return percentiles(times) | {"last_p50_us": percentiles(last)["p50_us"], "processor_share": round(share, 4)} | lost


def play_together(streams: list[BridgeStream], audio: Samples, seconds: float) -> tuple[list[float], list[float]]:
    """Send `audio` to all streams in real time; return the time of every block, and of each period's last stream."""
    times, last = [], []
    pacer = Pacer(BLOCK / RATE)
    for turn in range(calls(seconds, BLOCK / RATE)):
        start = turn * BLOCK
        block = audio[:, start : start + BLOCK]
        sent = pacer.wait()
        for stream in streams:
            stream.send(start, block)
        for stream in streams:
            for _ in stream.wait(start + BLOCK):
                pass
            times.append((time.perf_counter_ns() - sent) / 1000)
        last.append(times[-1])
    return times, last


if __name__ == "__main__":
    raise SystemExit(run(NAME, measure, SECONDS, (BridgeError,)))
