"""A JACK server without a sound card, with a period and a rate of one's choice.

JACK's registry has eight places and frees one that a killed server left only for the same name. So the names are few, one place
is left to whoever works at the machine, and a lock says which are in use: the server holds it with whoever started it, so that one
which outlives a killed test is seen. Who finds none free waits.
"""

import fcntl
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from server.child_process import end_process
from server.errors import BacklineError

PLACES = 7
WAIT_SECONDS = 600.0  # for a place; others' servers run for seconds, a benchmark's for minutes
LOOK_SECONDS = 0.1
STARTS = 4  # a start in four fails where another server has just ended
START_SECONDS = 5.0
PRIORITY = 70
QUIET_ENVIRONMENT = {"JACK_NO_START_SERVER": "1"}


@dataclass(frozen=True, slots=True)
class Jackd:
    """A running server. scheduling: `fifo` where it runs in real time, else `normal`."""

    name: str
    rate: int
    period: int
    scheduling: str
    pid: int

    @property
    def environment(self) -> dict[str, str]:
        """What a client of it is started with."""
        return os.environ | QUIET_ENVIRONMENT | {"JACK_DEFAULT_SERVER": self.name}

    def ask(self, *words: str) -> str:
        """Return what one of JACK's own tools prints; nothing where it does not answer."""
        try:
            done = subprocess.run(
                words, env=self.environment, capture_output=True, text=True, timeout=START_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return ""
        return done.stdout

    def ports(self) -> list[str]:
        """Return the names of all ports."""
        return self.ask("jack_lsp").splitlines()


@contextmanager
def jackd(period: int, rate: int = 48_000) -> Iterator[Jackd]:
    """Run a server with the dummy driver, in real time where allowed. Raises BacklineError where none starts."""
    name, lock = free_name()
    try:
        for attempt in range(STARTS):
            realtime = attempt % 2 == 0  # where that is not allowed, the next attempt is not
            how = ["-R", "-P", str(PRIORITY)] if realtime else ["-r"]
            words = ["jackd", "-n", name, *how, "-d", "dummy", "-r", str(rate), "-p", str(period)]
            process = subprocess.Popen(
                words,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=[lock.fileno()],
            )
            server = Jackd(name, rate, period, "fifo" if realtime else "normal", process.pid)
            try:
                if _answers(server, process):
                    yield server
                    return
            finally:
                end_process(process, START_SECONDS)
        raise BacklineError(f"jackd did not start in {STARTS} attempts")
    finally:
        lock.close()


def _answers(server: Jackd, process: "subprocess.Popen[bytes]") -> bool:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if any(port.startswith("system:") for port in server.ports()):
            return True
    return False


def free_name(wait_seconds: float = WAIT_SECONDS) -> tuple[str, IO[str]]:
    """Return a server name that nobody uses, and the lock that keeps it. Raises BacklineError where none gets free in time."""
    deadline = time.monotonic() + wait_seconds
    while True:
        for number in range(PLACES):
            name = f"backline-test-{number}"
            lock = (Path(tempfile.gettempdir()) / f"{name}.lock").open("w")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.close()
                continue
            return name, lock
        if time.monotonic() >= deadline:
            raise BacklineError(f"{PLACES} JACK servers of others are running, which is the most")
        time.sleep(LOOK_SECONDS)
