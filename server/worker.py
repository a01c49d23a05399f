"""The control process's hold on one engine process: start it, talk to it, see that it lives, end it."""

import asyncio
import json
import logging
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any  # Any: answers are JSON

from server.child_process import start_python
from server.errors import BacklineError
from server.providers import is_built_with_cuda
from server.shared_page import SharedPage

log = logging.getLogger(__name__)
START_SECONDS = 30.0
DEVICE_START_SECONDS = (
    180.0  # CUDA's libraries are loaded, and every size of call is tried with CUDA graphs and without
)
ANSWER_SECONDS = 5.0
TAKE_OVER_SECONDS = 1.0  # a spare that needs longer is not the one to play on; answers take milliseconds


class EngineLostError(BacklineError):
    """An engine did not answer: it ended, or stands still and will be ended."""


class Worker:
    """One engine process. Belongs to the event loop it was started in."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        commands: socket.socket,
        page: SharedPage,
        on_end: Callable[["Worker"], None],
    ) -> None:
        self.page = page
        self._process, self._commands, self._on_end = process, commands, on_end
        self.ended = False
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._serial = 0
        self.scheduling, self.start_seconds = "", 0.0
        self.choices: dict[str, str] = {}  # graph -> where it runs, and why
        self._on_note: Callable[[str], None] = log.warning
        self._ready: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(commands.fileno(), self._read)

    @classmethod
    async def start(
        cls, model: Path, provider: str, data: socket.socket, on_end: Callable[["Worker"], None], batch: int = 1,
        core: int | None = None, on_note: Callable[[str], None] = log.warning,
    ) -> "Worker":  # fmt: skip
        """Start an engine and wait until it is warm. Raises BacklineError with its reason.

        on_end: hears of its end. batch: streams that may share a call. core: the only one it runs on, where that is given.
        on_note: hears what the engine has to say meanwhile.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        page = SharedPage()
        settings = {
            "model": str(model),
            "provider": provider,
            "batch": batch,
            "core": core,
            "data": data.fileno(),
            "commands": theirs.fileno(),
            "page": page.descriptor,
        }
        try:
            process = start_python(
                "from server.engine import main; main()", json.dumps(settings),
                pass_fds=(data.fileno(), theirs.fileno(), page.descriptor), stdin=subprocess.DEVNULL)  # fmt: skip
        except OSError as error:
            ours.close()
            raise BacklineError(f"cannot start an engine of {model.stem}: {error.strerror}") from error
        finally:
            theirs.close()
            page.close()  # the mapping stays
        worker = cls(process, ours, page, on_end)
        worker._on_note = on_note
        longest = DEVICE_START_SECONDS if provider != "cpu" and is_built_with_cuda() else START_SECONDS
        try:
            answer = await asyncio.wait_for(asyncio.shield(worker._ready), longest)
        except TimeoutError:
            answer = {"problem": f"the engine of {model.stem} was not ready within {longest:g} s"}
        except asyncio.CancelledError:
            worker.end()
            raise
        if "problem" in answer:
            worker.end()
            raise BacklineError(str(answer["problem"]))
        worker.scheduling, worker.start_seconds = str(answer["scheduling"]), float(answer["seconds"])
        worker.choices = answer["choices"]
        return worker

    @property
    def pid(self) -> int:
        """The engine's process number."""
        return self._process.pid

    async def ask(
        self, do: str, *, within: float = ANSWER_SECONDS, descriptor: int | None = None, **arguments: object
    ) -> Any:
        """Send a command, with a file descriptor to lend, and return its answer.

        Raises BacklineError where the engine refuses, EngineLostError where it does not answer.
        """
        self._serial += 1
        future = asyncio.get_running_loop().create_future()
        self._waiting[self._serial] = future
        try:
            command = json.dumps({"request": self._serial, "do": do, "with": arguments}).encode()
            socket.send_fds(self._commands, [command], [] if descriptor is None else [descriptor])
            answer = await asyncio.wait_for(future, within)
        except (OSError, TimeoutError) as error:
            raise EngineLostError(f"the engine did not answer '{do}'") from error
        finally:
            self._waiting.pop(self._serial, None)
        if isinstance(answer, dict) and "problem" in answer:
            raise BacklineError(str(answer["problem"]))
        return answer

    def heartbeat_age(self) -> float:
        """Return the seconds since the engine's loop was last alive."""
        return (time.monotonic_ns() - self.page.heartbeat_ns) / 1e9 if self.page.heartbeat_ns else 0.0

    def end(self) -> None:
        """Kill the process, whatever state it is in (stopped ones too), and let go of everything but the page."""
        self.ended = True
        if self._commands.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._commands.fileno())
            self._commands.close()
        self._process.kill()
        self._process.wait()
        self._fail_waiting()

    def _fail_waiting(self) -> None:
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(OSError("the engine ended"))

    def _read(self) -> None:
        try:
            packet = self._commands.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if not packet:
            self.ended = True
            asyncio.get_running_loop().remove_reader(self._commands.fileno())
            self._fail_waiting()
            if not self._ready.done():
                self._ready.set_result(
                    {"problem": f"the engine ended while it started (exit code {self._process.wait()})"}
                )
            self._on_end(self)
            return
        message = json.loads(packet)
        if "request" in message:
            future = self._waiting.get(message["request"])
            if future is not None and not future.done():
                future.set_result(message["answer"])
        elif "note" in message:
            self._on_note(str(message["note"]))
        elif not self._ready.done():
            self._ready.set_result(message)
