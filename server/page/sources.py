"""What a page may start: a client of this server in a process of its own, for the bundled take or for JACK."""

import asyncio
import json
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any  # Any: settings are JSON

from server.audio.jack import JackSettings, spawn
from server.child_process import end_process
from server.errors import BacklineError
from server.limits import MOST_SOURCES
from server.model_store import check_name
from server.page.take_source import spawn_take

START_SECONDS = 40.0  # the model's engines may have to start first
END_SECONDS = 3.0

Child = "subprocess.Popen[str]"


class Sources:
    """The clients that pages have started, by their stream."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._children: dict[int, subprocess.Popen[str]] = {}
        self._starting: set[subprocess.Popen[str]] = set()
        self._spawn: dict[str, Callable[[str, dict[str, Any]], subprocess.Popen[str]]] = {
            "take": lambda model, settings: spawn_take(self._host, self._port, model, settings),
            "jack": lambda model, settings: spawn(JackSettings(model, self._host, self._port, settings)),
        }

    @property
    def kinds(self) -> list[str]:
        """The sources that can be tried here."""
        return [kind for kind in self._spawn if kind != "jack" or find_spec("jack") is not None]

    async def start(self, kind: str, model: str, settings: dict[str, Any]) -> int:
        """Start a client; return its stream's number. Raises BacklineError with the client's own reason."""
        if kind not in self._spawn:
            raise BacklineError(f"source is '{kind!s:.40}'; allowed: {', '.join(self._spawn)}")
        check_name(model)
        self._forget_ended()
        if len(self._children) + len(self._starting) >= MOST_SOURCES:
            raise BacklineError(f"{MOST_SOURCES} sources were started here, which is the most")
        child = self._spawn[kind](model, settings)
        self._starting.add(child)
        try:
            line = await asyncio.to_thread(_first_line, child)
        finally:
            self._starting.discard(child)
        if not line:
            await asyncio.to_thread(_end, child)
            reason = child.stderr.read().strip() if child.stderr is not None else ""
            raise BacklineError(reason.rpartition("\n")[2].removeprefix("backline: ") or "the source did not start")
        number = int(json.loads(line)["stream"])
        self._children[number] = child
        return number

    async def stop(self, stream: int) -> None:
        """End the client of a stream, if a page has started it."""
        child = self._children.pop(stream, None)
        if child is not None:
            await asyncio.to_thread(_end, child)
            _close_pipes(child)

    async def close(self) -> None:
        """End all of them."""
        for child in self._starting:
            child.kill()  # whoever waits for its first line reads the end of it
        for stream in list(self._children):
            await self.stop(stream)

    def _forget_ended(self) -> None:
        for stream, child in list(self._children.items()):
            if child.poll() is not None:
                _close_pipes(self._children.pop(stream))


def _first_line(child: "subprocess.Popen[str]") -> str:
    assert child.stdout is not None
    return child.stdout.readline()


def _end(child: "subprocess.Popen[str]") -> None:
    end_process(child, END_SECONDS)


def _close_pipes(child: "subprocess.Popen[str]") -> None:
    for pipe in (child.stdin, child.stdout, child.stderr):
        if pipe is not None:
            pipe.close()
