"""Does a player keep up at JACK? Late blocks, late events and xruns, beside the machine's own gaps in the same run.

A real jackd with the dummy driver, a real server, the real JACK client, and a player that feeds it, each a process of
its own. A block is late when its answer is not there after two periods, the bridge; an event when its sample has
passed. `late_in_gaps` and `xruns_in_gaps` count those that follow a gap that the hiccup meter saw: what is left over is
ours to explain.
Callback times are of Backline's own Python callback; the period is what it may take.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any  # Any: the client's figures are JSON

import numpy as np

from benchmarks.command import Options, run
from benchmarks.hiccup import Meter
from benchmarks.host_to_event import signal
from benchmarks.native.jackd import jackd
from benchmarks.networks import model_files
from benchmarks.record import ROOT, Row
from benchmarks.serving import Server
from plugin_bridge.client import BridgeError
from server.audio.jack import JackSettings, spawn
from server.errors import BacklineError

NAME, SECONDS = "jack_latency", 20.0
RATE = 48_000
PERIODS = (256, 64)
PREFERRED = ("transcriber", "probe")
TAKE_SECONDS = 4.0  # what the player repeats
START_SECONDS = 5.0
LEAD_SECONDS = 1.0  # before anything counts: pages and caches are cold
SETTLE_PERIODS = 3  # an answer may be late because of a gap in the bridge's two periods or the one before
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "JACK_NO_START_SERVER": "1"}


def measure(options: Options) -> list[Row]:
    """Return a row per period."""
    found = model_files(options.models)
    model = next(name for name in PREFERRED if name in found)
    rows = []
    with Server(options) as server, tempfile.TemporaryDirectory() as folder:
        server.load(model)
        take = Path(folder) / "take.npy"
        np.save(take, signal(model, TAKE_SECONDS)[0])
        for period in PERIODS:
            with jackd(period, RATE) as running, Meter() as meter:
                found_here = listen(server.port, running.name, model, take, options.seconds)
            found_row = row(f"{model}, {period} samples", period, found_here, meter)
            rows.append(found_row | {"scheduling": running.scheduling})
    return rows


def row(case: str, period: int, found: dict[str, Any], meter: Meter) -> Row:
    """Return one run's figures, each late one held against the machine's gaps."""
    times, reach = found["callback_us"], SETTLE_PERIODS * period / RATE
    figures: Row = {"case": case, "callbacks": found["callbacks"], "notes": found["notes"]}
    figures |= {f"callback_{name}_us": times[name] for name in ("p50", "p99", "longest")}
    late = found["late_blocks_at"] + found["late_events_at"]
    figures |= {"late_blocks": found["late_blocks"], "late_events": found["late_events"]}
    figures |= {"late_in_gaps": sum(meter.held_up(moment, reach) for moment in late), "xruns": found["xruns"]}
    figures |= {"xruns_in_gaps": sum(meter.held_up(moment, reach) for moment in found["xruns_at"])}
    figures |= {"lost_events": found["lost_events"], "skipped_samples": found["skipped_samples"]}
    return figures | meter.figures() | {"period_us": round(1e6 * period / RATE)}


def listen(port: int, jack: str, model: str, take: Path, seconds: float) -> dict[str, Any]:
    """Run a client and a player at the JACK server for `seconds`; return the client's statistics."""
    client = spawn(JackSettings(model, port=port, server_name=jack))
    assert client.stdout is not None
    player = None
    try:
        first = client.stdout.readline()
        if first:
            words = [jack, f"{json.loads(first)['active']}:audio_in", str(take)]
            player = subprocess.Popen([sys.executable, "-P", str(Path(__file__)), "--play", *words], env=ENVIRONMENT)
            time.sleep(LEAD_SECONDS + seconds)
        client.terminate()
        last, errors = client.communicate(timeout=START_SECONDS)
    finally:
        for process in filter(None, (player, client)):
            process.kill()
            process.wait()
    if not last:
        raise BacklineError(errors.strip().removeprefix("backline: ") or "the JACK client ended without its figures")
    statistics: dict[str, Any] = json.loads(last)
    return statistics


def play(words: Sequence[str]) -> None:
    """Feed an array into a port, again and again, until killed: words are server, port, file. A process of its own."""
    import jack

    samples, place = np.load(words[2]), 0
    client = jack.Client("player", no_start_server=True, servername=words[0])
    out = client.outports.register("out")

    def process(frames: int) -> None:
        nonlocal place
        if place + frames > samples.size:
            place = 0
        out.get_array()[:] = samples[place : place + frames]
        place += frames

    client.set_process_callback(process)
    client.activate()
    out.connect(words[1])
    with suppress(KeyboardInterrupt):
        time.sleep(3600)


def main() -> int:
    """Run the command line; on a machine without JACK there is nothing to measure, and that is no error."""
    if sys.argv[1:2] == ["--play"]:
        play(sys.argv[2:])
        return 0
    if shutil.which("jackd") is None:
        print(f"{NAME}: jackd is not installed; skipped")
        return 0
    return run(NAME, measure, SECONDS, (BridgeError, subprocess.SubprocessError))


if __name__ == "__main__":
    raise SystemExit(main())
