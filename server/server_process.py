"""A server of one's own: started as a child, known by the line it prints, ended with the block that needed it."""

import select
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from server.child_process import end_process, start_python
from server.commands.serve import READY
from server.errors import BacklineError

START_SECONDS = 15.0


@contextmanager
def own_server(options: Sequence[str] = ()) -> Iterator[tuple[str, int]]:
    """Start `backline serve` on a free port and yield (host, port); end it afterwards. Raises BacklineError."""
    with server_process(options) as (_, host, port):
        yield host, port


@contextmanager
def server_process(options: Sequence[str] = ()) -> Iterator[tuple["subprocess.Popen[str]", str, int]]:
    """As own_server, with the process in front, for those who look at what it costs."""
    process: subprocess.Popen[str] = start_python(
        "import sys; from server.cli import main; sys.exit(main())", "serve", "--port", "0", "--held", *options,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # fmt: skip
    try:
        yield process, *_address(process)
    finally:
        end_process(process, START_SECONDS)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def _address(process: "subprocess.Popen[str]") -> tuple[str, int]:
    assert process.stdout is not None
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if select.select([process.stdout], [], [], 0.1)[0]:
            line = process.stdout.readline()
            if line.startswith(READY):
                host, _, port = line[len(READY) :].strip().rpartition(":")
                return host, int(port)
            if not line:
                raise BacklineError(f"the server ended while it started (exit code {process.wait()})")
    raise BacklineError(f"the server was not ready within {START_SECONDS:g} s")
