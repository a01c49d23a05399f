"""A JACK server, a Backline server, a JACK client of it and a take, each a process of its own, for the tests here.

Every wait has an end: a process that does not speak in time fails its test and is killed.
"""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from ctypes.util import find_library
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from benchmarks.native.jackd import free_name
from server.audio.jack import JackSettings, spawn

HERE = Path(__file__).parent
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
START_SECONDS = 15.0
READY = "backline serves OSC at "


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip by name what needs a JACK server where there is none."""
    missing = "jackd is not installed" if shutil.which("jackd") is None else ""
    missing = missing or ("libjack is not installed" if find_library("jack") is None else "")
    for item in items:
        if missing and item.get_closest_marker("jack"):
            item.add_marker(pytest.mark.skip(reason=missing))


class Lines:
    """A process that prints lines, read with a deadline."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        assert process.stdout is not None
        self._descriptor, self._rest = process.stdout.fileno(), b""

    def waits(self, seconds: float) -> bool:
        """Whether there is something to read, or is within `seconds`."""
        return bool(self._rest or select.select([self._descriptor], [], [], seconds)[0])

    def line(self, seconds: float = START_SECONDS) -> str:
        """Return the next line; fail where none comes in time."""
        deadline = time.monotonic() + seconds
        while b"\n" not in self._rest:
            if not select.select([self._descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
                pytest.fail(f"no line within {seconds:g} s from {str(self.process.args)[:120]}")
            data = os.read(self._descriptor, 1 << 16)
            if not data:
                pytest.fail(f"ended without the line that was due: {str(self.process.args)[:120]} {self.errors()}")
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()

    def json(self, seconds: float = START_SECONDS) -> Any:
        """Return the next line as JSON."""
        return json.loads(self.line(seconds))

    def until(self, wanted: Callable[[Any], bool], seconds: float = START_SECONDS) -> Any:
        """Return the first JSON line that is wanted."""
        deadline = time.monotonic() + seconds
        while True:
            found = self.json(max(0.01, deadline - time.monotonic()))
            if wanted(found):
                return found

    def say(self, word: str) -> None:
        """Write a line to its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def errors(self) -> str:
        """Return what is on standard error once it has ended."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        return self.process.stderr.read() if self.process.stderr is not None and self.process.poll() is not None else ""

    def end(self, number: int = signal.SIGTERM, seconds: float = 10.0) -> int:
        """End it, kill it where it does not; return its exit code."""
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
        finally:
            for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
                if pipe is not None:
                    with suppress(BrokenPipeError):
                        pipe.close()


class JackServer:
    """A `jackd -d dummy`. A start that fails is tried again: the shared registry of another server may be busy."""

    def __init__(self, period: int) -> None:
        self.period, self.realtime = period, False
        self.name, self._lock = free_name()
        for attempt in range(4):
            self.realtime = attempt % 2 == 0 and os.geteuid() == 0
            if self._start():
                return
        self._lock.close()
        pytest.fail("jackd did not start four times")

    def _start(self) -> bool:
        how = ["-R", "-P", "70"] if self.realtime else ["-r"]
        words = ["jackd", "-n", self.name, *how, "-d", "dummy", "-r", "48000", "-p", str(self.period)]
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
                                        pass_fds=[self._lock.fileno()])  # fmt: skip
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline and self.process.poll() is None:
            if "system:" in self.ask("jack_lsp"):
                return True
        self.end()
        return False

    def ask(self, *words: str) -> str:
        """Return what a JACK tool prints."""
        try:
            done = subprocess.run(words, env=os.environ | {"JACK_DEFAULT_SERVER": self.name, "JACK_NO_START_SERVER": "1"},
                                  capture_output=True, text=True, timeout=5, check=False)  # fmt: skip
        except subprocess.TimeoutExpired:
            return ""
        return done.stdout

    def latency(self, port: str, kind: str) -> tuple[int, int]:
        """Return what `jack_lsp -l` says about a port: kind is capture or playback."""
        lines = iter(self.ask("jack_lsp", "-l", port).splitlines())
        found = next(line for line in lines if f"port {kind} latency" in line)
        least, most = found[found.index("[") + 1 : found.index("]")].split()
        return int(least), int(most)

    def end(self, number: int = signal.SIGTERM) -> None:
        """End it."""
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def close(self) -> None:
        """End it and give its name back."""
        self.end()
        self._lock.close()


@pytest.fixture(scope="module")
def jack_servers() -> Iterator[Callable[[int], JackServer]]:
    """A function period -> JackServer. One at a time: who held a place while it waits for another could wait for ever."""
    started: list[JackServer] = []

    def get(period: int) -> JackServer:
        if not started or started[0].period != period or started[0].process.poll() is not None:
            while started:
                started.pop().close()
            started.append(JackServer(period))
        return started[0]

    yield get
    while started:
        started.pop().close()


@pytest.fixture
def backline_server() -> Iterator[int]:
    """A Backline server's port."""
    words = [sys.executable, "-P", "-m", "server.cli", "serve", "--port", "0"]
    server = Lines(subprocess.Popen(words, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    try:
        yield int(server.line().removeprefix(READY).rpartition(":")[2])
    finally:
        server.end()


@pytest.fixture
def holding() -> Iterator[Any]:
    """A server that holds notes; see fake_server."""
    spec = spec_from_file_location("fake_server", HERE / "fake_server.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    server = module.HoldingServer()
    yield server
    server.close()


@pytest.fixture
def jack_default(monkeypatch: pytest.MonkeyPatch) -> Callable[[JackServer], None]:
    """A function that makes a server the one that programs find by themselves."""

    def choose(server: JackServer) -> None:
        monkeypatch.setenv("JACK_DEFAULT_SERVER", server.name)
        monkeypatch.setenv("JACK_NO_START_SERVER", "1")

    return choose


class Ear:
    """A virtual MIDI input that somebody else would be: what it hears, in order, with the time in ns."""

    def __init__(self, name: str) -> None:
        import rtmidi

        self.port = rtmidi.MidiIn(rtmidi.API_UNIX_JACK, name="ear")
        self.port.open_virtual_port(name)
        self.heard: list[tuple[int, ...]] = []
        self.at: list[int] = []
        self.port.set_callback(self._hear)

    def _hear(self, message: tuple[list[int], float], _: object) -> None:
        self.at.append(time.monotonic_ns())
        self.heard.append(tuple(message[0]))

    def wait(self, count: int, seconds: float = START_SECONDS) -> list[tuple[int, ...]]:
        """Return what was heard once it is `count` messages or more."""
        deadline = time.monotonic() + seconds
        while len(self.heard) < count:
            assert time.monotonic() < deadline, f"{len(self.heard)} of {count} messages came"
            time.sleep(0.01)
        return self.heard

    def close(self) -> None:
        """Be gone."""
        if self.port is not None:
            self.port.cancel_callback()
            self.port.close_port()
            self.port.delete()
            self.port = None


@pytest.fixture
def ears(jack_default: Callable[[JackServer], None]) -> Iterator[Callable[..., Ear]]:
    """A function (server, name) -> Ear; the server is then the default one."""
    there: list[Ear] = []

    def listen(server: JackServer, name: str) -> Ear:
        jack_default(server)
        there.append(Ear(name))
        return there[-1]

    yield listen
    for ear in there:
        ear.close()


@pytest.fixture
def jack_client() -> Iterator[Callable[..., Lines]]:
    """A function (server, port, **JackSettings) -> the client's Lines, not yet active."""
    started: list[Lines] = []

    def start(server: JackServer, port: int, model: str = "probe", **options: Any) -> Lines:
        settings = JackSettings(model=model, port=port, server_name=server.name, **options)
        started.append(Lines(spawn(settings)))
        return started[-1]

    yield start
    for client in started:
        client.end()


@pytest.fixture
def take() -> Iterator[Callable[..., Lines]]:
    """A function (server, backline's name, impulses, frames) -> the take's Lines, connected and ready."""
    started: list[Lines] = []

    def start(
        server: JackServer,
        name: str,
        impulses: Sequence[int],
        frames: int,
        notes: Sequence[int] = (),
        audio: bool = True,
        sound: Path | None = None,
    ) -> Lines:
        connect = [("play:out", f"{name}:audio_in"), (f"{name}:midi_out", "record:midi")]
        if audio:
            connect += [(f"{name}:audio_out", "record:audio"), ("play:notes", f"{name}:midi_in")]
        arguments = {
            "server_name": server.name,
            "connect": connect,
            "impulses": list(impulses),
            "notes": list(notes),
            "frames": frames,
            "sound": str(sound) if sound else None,
        }
        process = subprocess.Popen([sys.executable, str(HERE / "take_client.py"), json.dumps(arguments)], text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
        started.append(Lines(process))
        assert started[-1].json()["ready"]
        return started[-1]

    yield start
    for process in started:
        # A JACK client that is killed can take its server with it into a hanging end.
        with suppress(BrokenPipeError):
            process.say("end")
        with suppress(subprocess.TimeoutExpired):
            process.process.wait(3)
        process.end()
