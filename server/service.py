"""The engines of one model: one that works, one warm spare, and the swap when the first fails.

The data socket belongs to this (the control) process and is lent to the engines, so that a client never sees another
port. What sounded in an engine that failed is read from its page and ended here, before the spare takes over.
"""

import array
import asyncio
import fcntl
import logging
import socket
import termios
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any  # Any: settings and answers are JSON

from plugin_bridge.protocol import RECEIVE_BUFFER, MidiMessage, pack_midi
from server.errors import BacklineError
from server.midi.message import NOTE_OFF
from server.model_store import Model
from server.shared_page import MOST_STREAMS, SharedPage
from server.watchdog import TICK_SECONDS, Sight, Watchdog
from server.worker import Worker

log = logging.getLogger(__name__)
Report = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class OpenStream:
    """What is needed to open a stream again in another engine."""

    number: int
    rate: int
    settings: dict[str, Any]


class ModelService:
    """All that serves one model; lives in the control process's event loop."""

    def __init__(self, model: Model, provider: str, host: str, report: Report) -> None:
        self.model = model
        self._provider, self._report = provider, report
        self.streams: dict[int, OpenStream] = {}
        self._working: Worker | None = None
        self._spare: Worker | None = None
        self._starting: asyncio.Task[None] | None = None
        self._ready = asyncio.Lock()
        self._failed_at = 0.0
        self._data = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._data.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self._data.bind((host, 0))
        self._data.setblocking(False)
        self.port: int = self._data.getsockname()[1]
        self.swaps: list[dict[str, Any]] = []
        self._watch = asyncio.get_running_loop().create_task(self._watch_engine())

    @property
    def engines(self) -> list[Worker]:
        """The engines that run."""
        return [worker for worker in (self._working, self._spare) if worker is not None]

    async def load(self, with_spare: bool = True) -> None:
        """Have a working engine, and a spare if asked to wait for one. Raises BacklineError."""
        async with self._ready:
            if self._working is None:
                worker = await self._start()
                await worker.ask("activate")
                self._working = worker
        self._want_spare()
        if with_spare and self._starting is not None:
            await asyncio.shield(self._starting)

    async def open(self, stream: OpenStream) -> dict[str, int]:
        """Open a stream; return its latency and live delay. Raises BacklineError with the engine's reason."""
        await self.load(with_spare=False)
        answer: dict[str, int] = await self._engine().ask("open", stream=stream.number, rate=stream.rate, settings=stream.settings)
        self.streams[stream.number] = stream
        return answer

    async def ask(self, do: str, **arguments: object) -> Any:
        """Pass a command to the working engine. Raises BacklineError."""
        answer = await self._engine().ask(do, **arguments)
        if do == "close":
            self.streams.pop(int(str(arguments["stream"])), None)
        return answer

    async def close(self) -> None:
        """End all engines; sounding notes are ended first."""
        self._watch.cancel()
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        for worker in self.engines:
            try:
                await worker.ask("quit")
            except BacklineError:
                self._end_notes(worker.page)
            worker.end()
        self._working = self._spare = None
        self._data.close()

    def idle_streams(self, seconds: float) -> list[int]:
        """Return the streams that were heard once and then not for `seconds`."""
        if self._working is None:
            return []
        before = time.monotonic_ns() - seconds * 1e9
        slots = (self._working.page.slot(index) for index in range(MOST_STREAMS))
        return [slot.number for slot in slots if slot.number in self.streams and 0 < slot.heard_ns < before]

    def _engine(self) -> Worker:
        if self._working is None:
            raise BacklineError(f"model '{self.model.manifest.name}' has no engine at the moment; try again")
        return self._working

    async def _start(self) -> Worker:
        return await Worker.start(self.model.path, self._provider, self._data, self._engine_ended)

    def _want_spare(self) -> None:
        if self._spare is None and (self._starting is None or self._starting.done()):
            self._starting = asyncio.get_running_loop().create_task(self._start_spare())

    async def _start_spare(self) -> None:
        try:
            self._spare = await self._start()
        except BacklineError as error:
            log.warning("no spare engine for %s: %s", self.model.manifest.name, error)

    async def _watch_engine(self) -> None:
        """Look at the working engine every TICK_SECONDS."""
        judge, judged = Watchdog(), self._working
        while True:
            await asyncio.sleep(TICK_SECONDS)
            worker = self._working
            if worker is None:
                continue
            if worker is not judged:
                judge, judged = Watchdog(), worker
            verdict = judge.judge(Sight(time.monotonic(), worker.heartbeat_age(), worker.page.datagrams, self._datagram_waits()))
            if verdict is not None:
                await self._replace(worker, verdict)

    def _engine_ended(self, worker: Worker) -> None:
        if worker is self._spare:
            self._spare = None
            worker.end()
            self._want_spare()
        elif worker is self._working:
            asyncio.get_running_loop().create_task(self._replace(worker, "ended"))

    async def _replace(self, worker: Worker, why: str) -> None:
        """End an engine's notes, put the spare in its place, open its streams there, and warm a new spare."""
        if worker is not self._working:
            return
        noticed = time.monotonic()
        self._working = None
        worker.end()
        ended = self._end_notes(worker.page)
        async with self._ready:
            successor, self._spare = self._spare, None
            try:
                if successor is None:
                    successor = await self._start()
                for stream in self.streams.values():
                    await successor.ask("open", stream=stream.number, rate=stream.rate, settings=stream.settings)
                await successor.ask("activate")
            except BacklineError as error:
                self._report("engine", f"engine of '{self.model.manifest.name}' {why} and could not be replaced: {error}")
                self._retry_later()
                return
            self._working = successor
        seconds = time.monotonic() - noticed
        self.swaps.append({"why": why, "seconds": seconds, "notes_ended": ended})
        self._report("engine", f"engine of '{self.model.manifest.name}' {why}; replaced in {1000 * seconds:.0f} ms, {ended} notes ended")
        self._want_spare()

    def _retry_later(self) -> None:
        """Try again in a second: whoever has streams open shall find an engine once one can start."""
        loop = asyncio.get_running_loop()
        loop.call_later(1.0, lambda: loop.create_task(self._reopen()))

    async def _reopen(self) -> None:
        try:
            await self.load(with_spare=False)
            for stream in self.streams.values():
                await self._engine().ask("open", stream=stream.number, rate=stream.rate, settings=stream.settings)
        except BacklineError as error:
            log.warning("model %s has no engine: %s", self.model.manifest.name, error)
            self._retry_later()

    def _end_notes(self, page: SharedPage) -> int:
        """Send the note-offs that a dead engine owes; return how many."""
        ended = 0
        for slot in (page.slot(index) for index in range(MOST_STREAMS)):
            client = slot.client
            if not slot.number or client is None:
                continue
            for channel, pitch in zip(*slot.sounding.nonzero(), strict=True):
                off = MidiMessage(slot.number, slot.position, slot.position, NOTE_OFF | int(channel), int(pitch), 0)
                self._data.sendto(pack_midi(off), client)
                ended += 1
            slot.sounding[:] = 0
        return ended

    def _datagram_waits(self) -> bool:
        size = array.array("i", [0])
        fcntl.ioctl(self._data.fileno(), termios.FIONREAD, size)
        return size[0] > 0
