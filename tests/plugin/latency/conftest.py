"""What the latency tests share: a server that knows a probe which passes audio on, and how a take is judged."""

import runpy
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.command import Options
from benchmarks.native.build import BuildError, build
from benchmarks.native.plugin import Measured
from benchmarks.serving import Server

HERE = Path(__file__).parent
ATTEMPTS = 3


@pytest.fixture(scope="session")
def instrument() -> Callable[[str], Path]:
    """A function (name) -> the compiled instrument; skips where it cannot be compiled."""

    def compiled(name: str) -> Path:
        try:
            return build(name)
        except BuildError as error:
            pytest.skip(str(error))

    return compiled


@pytest.fixture(scope="session")
def backline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the probe and with `through`, both loaded."""
    folder = tmp_path_factory.mktemp("through")
    runpy.run_path(str(HERE / "through.py"))["write"](folder)
    with Server(Options(1.0, models=folder)) as server:
        server.load("probe")
        server.load("through")
        yield server


@pytest.fixture(scope="session")
def declared(backline: Server) -> Callable[[int], int]:
    """A function rate -> the latency that a probe's commit stream declares, without any bridge."""

    def ask(rate: int) -> int:
        stream = backline.client.open_stream("probe", rate)
        stream.close()
        return stream.latency

    return ask


@pytest.fixture(scope="session")
def exact() -> Callable[[Callable[[], Measured], str, int], Measured]:
    """A function (measure, kind, latency): measure, a few times where the machine is busy, and assert what must hold.

    Always: nothing hangs, a live stream reports nothing, and nothing is early where nothing is late or lost (a late answer looks
    like an early one of the next). In the best of ATTEMPTS takes: of a commit stream
    every single event leaves at the reported latency, `latency`; of a live stream every note is there by then. Where a busy machine
    spoils all of them, two thirds of the events are enough: a late result is late, and counted by the plug-in.
    """

    def run(measure: Callable[[], Measured], kind: str, latency: int) -> Measured:
        best = -1.0
        for _ in range(ATTEMPTS):
            found = measure()
            assert list(found.reported) == [0 if kind == "live" else latency] * 2
            notes = [0 < delay <= latency if kind == "live" else delay == latency for delay in found.notes]
            right = notes + [delay == latency for delay in found.impulses]
            early = [
                delay for delay in found.impulses + (found.notes if kind == "commit" else []) if 0 <= delay < latency
            ]
            assert not early or -1 in found.notes + found.impulses or max(found.notes + found.impulses) > latency, found
            assert not found.take.sounding() or found.take.jumps, found.take.midi
            best = max(best, sum(right) / max(1, len(right)) if len(right) >= 8 else 0.0)
            if best == 1.0:
                return found
        assert best > 2 / 3, found
        return found

    return run
