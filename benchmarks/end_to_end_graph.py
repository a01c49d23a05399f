"""Who stands in the JACK graph between jack_probe's two ends: Backline's own client, or aubionotes by its own.

play:out -> Backline or aubionotes -> record:midi_in, all in one server; a latency is a difference of two of its frames.
"""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any  # Any: the client's figures are JSON

from benchmarks.end_to_end_material import Material
from benchmarks.native.jack_probe import JackProbe
from benchmarks.native.jackd import Jackd
from benchmarks.native.take import Take
from benchmarks.record import Row
from server.audio.jack import JackSettings, spawn
from server.child_process import end_process
from server.errors import BacklineError

MODEL = "transcriber"
START_SECONDS = 15.0
LOOK_SECONDS = 0.05
PATIENCE_SECONDS = 30.0
AUBIO = "aubionotes"
AUBIO_PORTS = ("aubio:in_1", "aubio:midi_out_1")


@dataclass(frozen=True, slots=True)
class Listening:
    """A take and what was said of it. declared: samples, by the MIDI port. client: Backline's own figures, at its end."""

    take: Take
    declared: int
    client: dict[str, Any] = field(default_factory=dict)

    @property
    def incidents(self) -> Row:
        """What JACK lost meanwhile, and what the client says it was late with."""
        row: Row = {
            "xruns": len(self.take.xruns),
            "lost_cycles": len(self.take.jumps),
            "hanging_notes": len(self.take.sounding()),
        }
        return row | {name: self.client[name] for name in ("late_blocks", "late_events") if name in self.client}


def through_backline(
    running: Jackd, port: int, settings: dict[str, str | float], material: Material, fast: bool = False
) -> Listening:
    """Play the material to a JACK client of the Backline server at `port`. Raises BacklineError.

    fast: in freewheel mode, where every cycle waits for its answers and nothing depends on how busy the machine is.
    """
    client = spawn(JackSettings(MODEL, port=port, settings=settings, server_name=running.name))
    try:
        assert client.stdout is not None
        first = client.stdout.readline()
        if not first:
            raise BacklineError(_problem(client))
        name = json.loads(first)["active"]
        take, declared = _play(running, (f"{name}:audio_in", f"{name}:midi_out"), material, fast)
        client.terminate()
        last, _ = client.communicate(timeout=START_SECONDS)
    finally:
        client.kill()
        client.wait()
    return Listening(take, declared, json.loads(last) if last else {})


def through_aubionotes(running: Jackd, material: Material) -> Listening:
    """Play the material to aubionotes as a JACK client, with its own defaults. Raises BacklineError."""
    with _aubionotes(running):
        take, declared = _play(running, AUBIO_PORTS, material)
    return Listening(take, declared)


def missing_aubionotes() -> str:
    """Return why aubionotes cannot be measured here, nothing where it can."""
    return "" if shutil.which(AUBIO) else f"the program {AUBIO} (Debian's package aubio-tools) is not installed"


def _play(running: Jackd, ports: Sequence[str], material: Material, fast: bool = False) -> tuple[Take, int]:
    """Return the take, and the latency that the MIDI port declares, in samples."""
    connect = [("play:out", ports[0]), (ports[1], "record:midi_in")]
    with JackProbe(running, connect, sound=material.sound, frames=material.sound.size) as probe:
        declared = probe.latency(ports[1])["capture"][1]
        if fast:
            probe.say("fast")
        probe.say("start")
        return probe.finish(PATIENCE_SECONDS + material.sound.size / running.rate), declared


@contextmanager
def _aubionotes(running: Jackd) -> Iterator[None]:
    process = subprocess.Popen(
        [AUBIO, "-j"],
        env=running.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not set(AUBIO_PORTS) <= set(running.ports()):
            if process.poll() is not None or time.monotonic() > deadline:
                raise BacklineError(f"{AUBIO} -j does not come to the JACK server; is it built with JACK?")
            time.sleep(LOOK_SECONDS)
        yield
    finally:
        end_process(process, START_SECONDS)


def _problem(client: "subprocess.Popen[str]") -> str:
    _, errors = client.communicate(timeout=START_SECONDS)
    return errors.strip().removeprefix("backline: ") or "the JACK client ended before it was active"
