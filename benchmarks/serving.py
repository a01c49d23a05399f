"""A real server in a process of its own, as a DAW finds it, and what the system says about its engines."""

import json
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any  # Any: the status is JSON

from benchmarks.command import Options
from plugin_bridge.client import BridgeClient
from server.server_process import server_process


class Server:
    """A server on a free port; a context manager. Commands go through `client`."""

    def __init__(self, options: Options, more: Sequence[str] = ()) -> None:
        """Args: more: options of `backline serve` beside those of every benchmark."""
        words = ["--provider", options.provider, *(("--models", str(options.models)) if options.models else ()), *more]
        self._ends = ExitStack()
        began = time.perf_counter()
        self._process, _, self.port = self._ends.enter_context(server_process(words))
        self.ready_seconds = time.perf_counter() - began
        self.client = BridgeClient(port=self.port)
        self._ends.callback(self.client.close)

    def __enter__(self) -> "Server":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.close()

    @property
    def pid(self) -> int:
        """The control process's number."""
        return self._process.pid

    def engines(self) -> list[int]:
        """Return the process numbers of the engines, in the order they were started: the first one works."""
        text = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="ascii")
        return [int(word) for word in text.split()]

    def status(self) -> dict[str, Any]:
        """Return the server's word about every stream, by its number as a string."""
        answer = self.client.request("/backline/status")
        streams: dict[str, Any] = json.loads(str(answer[3]))
        return streams

    def load(self, model: str) -> None:
        """Have the model's engine and its spare warm, so that neither starts while something is measured."""
        self.client.load(model)


def processor_seconds(pid: int) -> float:
    """Return the processor time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime and stime, proc(5)


def memory_mb(pid: int) -> dict[str, float]:
    """Return a process's resident memory, and the part of it that it shares with no other."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    kib = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    own = kib["Private_Clean"] + kib["Private_Dirty"]
    return {"resident_mb": round(kib["Rss"] / 1024, 2), "own_mb": round(own / 1024, 2)}
