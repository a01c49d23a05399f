"""How long does the wire take? A ping to the control process, and a block to an engine and back, through real sockets.

A bare echo in a process of its own stands beside them in the same run: what the machine and Python take alone. The
client runs as a host's audio thread does, with real-time rights where there are any.
"""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from benchmarks.command import Options, run
from benchmarks.pacing import WARM_UP_CALLS, Pacer, calls, real_time
from benchmarks.record import Row, percentiles
from benchmarks.serving import Server
from benchmarks.spine_overhead import RATE, noise
from plugin_bridge.client import BridgeClient, BridgeError
from plugin_bridge.protocol import pack_audio

NAME, SECONDS = "osc_round_trip", 3.0
BLOCKS = (64, 256, 1024)
PING_SECONDS = 0.005

ECHO = """
import socket
echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
echo.bind(("127.0.0.1", 0))
print(echo.getsockname()[1], flush=True)
while True:
    datagram, sender = echo.recvfrom(65536)
    echo.sendto(datagram, sender)
"""


def measure(options: Options) -> list[Row]:
    """Return a row for the ping, and for each block size one of the echo and one of the probe's engine."""
    with Server(options) as server:
        server.load("probe")
        with real_time() as scheduling:
            rows = [{"case": "ping, control port", **time_ping(server.client, options.seconds)}]
            for block in BLOCKS:
                rows.append({"case": f"echo, block {block}", **time_echo(block, options.seconds)})
                rows.append({"case": f"probe, block {block}", **time_blocks(server.client, block, options.seconds)})
    return [row | {"scheduling": scheduling} for row in rows]


def time_ping(client: BridgeClient, seconds: float) -> Row:
    """Return the round trip of /backline/ping."""
    return _time_trips(lambda _: client.request("/backline/ping", time.time_ns(), tags="h"), seconds, PING_SECONDS)


def time_blocks(client: BridgeClient, block: int, seconds: float) -> Row:
    """Return the time from sending a block to its /backline/processed, the replies before it included."""
    stream = client.open_stream("probe", RATE)
    samples = noise(block)

    def trip(turn: int) -> None:
        stream.send(turn * block, samples)
        for _ in stream.wait((turn + 1) * block):
            pass

    try:
        return _time_trips(trip, seconds, block / RATE)
    finally:
        stream.close()


def time_echo(block: int, seconds: float) -> Row:
    """Return the round trip of the same datagrams through a process that only echoes."""
    datagram = pack_audio(1, 0, noise(block))
    with _echo() as connection:

        def trip(_: int) -> None:
            connection.send(datagram)
            connection.recv(65536)

        return _time_trips(trip, seconds, block / RATE)


def _time_trips(trip: Callable[[int], object], seconds: float, period: float) -> Row:
    began = time.perf_counter_ns()
    trip(0)
    times = [(time.perf_counter_ns() - began) / 1000]
    for turn in range(1, WARM_UP_CALLS):
        trip(turn)
    pacer = Pacer(period)
    for turn in range(WARM_UP_CALLS, WARM_UP_CALLS + calls(seconds, period)):
        sent = pacer.wait()
        trip(turn)
        times.append((time.perf_counter_ns() - sent) / 1000)
    return percentiles(times) | {"wake_p99_us": percentiles(pacer.late_us).get("p99_us", 0.0)}


@contextmanager
def _echo() -> Iterator[socket.socket]:
    process = subprocess.Popen([sys.executable, "-c", ECHO], stdout=subprocess.PIPE, text=True)
    connection = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        connection.connect(("127.0.0.1", int(process.stdout.readline()) if process.stdout else 0))
        connection.settimeout(5.0)
        yield connection
    finally:
        connection.close()
        process.kill()
        process.communicate()


if __name__ == "__main__":
    raise SystemExit(run(NAME, measure, SECONDS, (BridgeError,)))
