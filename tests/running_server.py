"""`backline` as a process of its own: a server that tests talk to, commands, and ports that nobody else takes."""

import fcntl
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from plugin_bridge.client import BridgeClient

COMMAND_LINE = (sys.executable, "-P", "-c", "import sys; from server.cli import main; sys.exit(main())")
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}


class RunningServer:
    """`backline serve` as a process of its own, and what a test asks of it."""

    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        self.process, self.port = process, port
        self.client = BridgeClient(port=port)

    def rows(self) -> dict[str, Any]:
        """Return the status of every stream."""
        return json.loads(str(self.client.request("/backline/status")[3]))

    def row(self, stream: int) -> dict[str, Any]:
        """Return the status of a stream that an engine works for; one that just lost its own may wait for the next.

        A process number of 0, no engine, must never reach os.kill: it would kill the tests' own process group.
        """
        deadline = time.monotonic() + 30
        while not (row := self.rows()[str(stream)])["process"]:
            assert time.monotonic() < deadline, f"stream {stream} has no engine"
        return row

    def engines(self) -> list[int]:
        """Return the process numbers of the engines, the oldest first."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(number) for number in children.split()]


@contextmanager
def start_server(*options: str) -> Iterator[RunningServer]:
    """Run `backline serve` on a free port; end it however it stands."""
    process = subprocess.Popen([*COMMAND_LINE, "serve", "--port", "0", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env=ENVIRONMENT, text=True)  # fmt: skip
    try:
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], 20)[0], "the server did not say that it is ready"
        line = process.stdout.readline()
        assert line.startswith("backline serves OSC at 127.0.0.1:"), line or f"it ended: {process.communicate()[1]}"
        server = RunningServer(process, int(line.rsplit(":", 1)[1]))
        yield server
        server.client.close()
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=20)
    assert "Traceback" not in errors, errors


@pytest.fixture
def own_port() -> Iterator[int]:
    """A port of this test's own, and the next one with it, for who names a port before anybody listens at it.

    A port that is asked of the system, read and given back belongs to whoever asks next. These lie below all that the system
    gives out, and a lock, which ends with its process, says which of them are in use.
    """
    given_out = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for port in range(given_out - 2, 1024, -2):
        with (Path(tempfile.gettempdir()) / f"backline-test-port-{port}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            if _are_free(port, port + 1):
                yield port
                return
    pytest.skip("the system gives out every port: none is left that nobody else may take")


def _are_free(*ports: int) -> bool:
    """Return whether no program, told so by a person, listens at a port."""
    for port in ports:
        with socket.socket() as stream, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what an earlier server left does not count
            try:
                stream.bind(("127.0.0.1", port))
                datagrams.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


@pytest.fixture(scope="session", name="start_server")
def start_server_fixture() -> Callable[..., AbstractContextManager[RunningServer]]:
    """The function `start_server`."""
    return start_server


@pytest.fixture(scope="module")
def server(held_folder: Path) -> Iterator[RunningServer]:
    """A server that knows the bundled models and `held`."""
    with start_server("--models", str(held_folder)) as running:
        yield running


@pytest.fixture(scope="session")
def command_line() -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """A function that runs `backline WORDS...` as a process of its own; other arguments are subprocess.run's."""

    def run(*words: object, **options: Any) -> "subprocess.CompletedProcess[str]":  # Any: subprocess.run's own
        return subprocess.run(
            [*COMMAND_LINE, *map(str, words)],
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            **options,
        )

    return run
