"""The engines of one share of a model's streams: one that works, one warm spare, and the swap when the first fails.

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
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any  # Any: settings and answers are JSON

from plugin_bridge.protocol import RECEIVE_BUFFER, MidiMessage, pack_midi
from server.errors import BacklineError
from server.keep import keep_take
from server.kept_take import KeptTake
from server.midi.message import to_bytes
from server.model_store import Model
from server.note_ledger import NoteLedger
from server.scheduler import Emission
from server.shared_page import MOST_STREAMS, SharedPage
from server.waiting import wait_within
from server.watchdog import FROZEN_SECONDS, TICK_SECONDS, Sight, Watchdog
from server.worker import ANSWER_SECONDS, TAKE_OVER_SECONDS, EngineLostError, Worker

log = logging.getLogger(__name__)
Report = Callable[[str, str], None]
LOAD_SECONDS, OPEN_SECONDS, CHANGE_SECONDS = 55.0, 28.0, 8.0
"""In which a command is answered, if need be by a refusal: less than clients wait for it (60, 30 and 10 s)."""


@dataclass(frozen=True, slots=True)
class OpenStream:
    """What is needed to open a stream again in another engine."""

    number: int
    rate: int
    settings: dict[str, Any]


class ModelService:
    """All that serves one model; lives in the control process's event loop."""

    def __init__(
        self, model: Model, provider: str, host: str, report: Report, batch: int = 1, core: int | None = None
    ) -> None:
        """Args: batch: streams that may share a call. core: the only one that its engines run on, where that is given."""
        self.model, self._batch, self._core = model, batch, core
        self._provider, self._report = provider, report
        self.streams: dict[int, OpenStream] = {}
        self._opening = 0
        self.takes: dict[int, KeptTake] = {}
        self._clips: dict[int, list[dict[str, Any]]] = {}  # the commands that told each stream its clip
        self._heard: list[tuple[str, int]] = []  # clients that the last engine let in
        self._working: Worker | None = None
        self._spare: Worker | None = None
        self._starting: asyncio.Task[None] | None = None
        self._ready = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._choices: dict[str, str] = {}
        self._data = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._data.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self._data.bind((host, 0))
        self._data.setblocking(False)
        self.port: int = self._data.getsockname()[1]
        self.swaps: list[dict[str, Any]] = []
        self._in_background(self._watch_engine())

    @property
    def engines(self) -> list[Worker]:
        """The engines that run."""
        return [worker for worker in (self._working, self._spare) if worker is not None]

    @property
    def busy(self) -> int:
        """The streams that are open or about to be."""
        return len(self.streams) + self._opening

    @property
    def process(self) -> int:
        """The number of the working engine's process; 0 while there is none."""
        return 0 if self._working is None else self._working.pid

    @property
    def page(self) -> SharedPage | None:
        """What the working engine says about its streams; None while there is none."""
        return None if self._working is None else self._working.page

    async def load(self) -> None:
        """Have a working engine and a spare. Raises BacklineError, where they are not ready in time too."""
        await wait_within(LOAD_SECONDS, self._load(with_spare=True), self._not_ready(LOAD_SECONDS))

    async def _load(self, with_spare: bool = False) -> None:
        await self._put_to_work()
        self._want_spare()
        if with_spare and self._starting is not None:
            await asyncio.shield(self._starting)

    async def open(self, stream: OpenStream) -> dict[str, int]:
        """Open a stream; return its latency and live delay. Raises BacklineError with the engine's reason."""
        take = KeptTake.make(stream.rate)
        self._opening += 1
        try:
            answer: dict[str, int] = await self._ask_on(
                OPEN_SECONDS, "open", descriptor=take.descriptor, stream=stream.number, rate=stream.rate,
                settings=stream.settings,
            )  # fmt: skip
        except BaseException as error:
            take.close()
            if isinstance(error, EngineLostError):
                self._in_background(self._take_back(stream.number))
            raise
        finally:
            self._opening -= 1
        self.streams[stream.number], self.takes[stream.number] = stream, take
        return answer

    async def ask(self, do: str, **arguments: Any) -> Any:
        """Pass a command to the working engine. Raises BacklineError."""
        if do == "status":
            return await self._engine().ask(do, **arguments)
        answer = await self._ask_on(CHANGE_SECONDS, do, **arguments)
        if do == "close":
            self.streams.pop(int(str(arguments["stream"])), None)
            self._clips.pop(int(str(arguments["stream"])), None)
            take = self.takes.pop(int(str(arguments["stream"])), None)
            if take is not None:
                take.close()
        elif do == "set":  # so that an engine that takes over plays on with it
            self.streams[int(str(arguments["stream"]))].settings[str(arguments["name"])] = arguments["value"]
        elif do == "clip":
            told = self._clips.setdefault(int(str(arguments["stream"])), [])
            if answer:
                told.append(arguments)
            else:  # it was forgotten
                told.clear()
        return answer

    async def close(self) -> None:
        """End all engines; sounding notes are ended first."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # Nobody's engines any more: that they end now is no failure to be mended.
        workers, self._working, self._spare = self.engines, None, None
        for worker in workers:
            try:
                await worker.ask("quit", within=TAKE_OVER_SECONDS)
            except BacklineError:
                self._end_notes(worker.page)
            worker.end()
        self._data.close()
        for take in self.takes.values():
            take.close()
        self.takes.clear()

    def idle_streams(self, seconds: float) -> list[int]:
        """Return the streams that were heard once and then not for `seconds`."""
        if self._working is None:
            return []
        before = time.monotonic_ns() - seconds * 1e9
        slots = (self._working.page.slot(index) for index in range(MOST_STREAMS))
        return [slot.number for slot in slots if slot.number in self.streams and 0 < slot.heard_ns < before]

    async def keep(self, stream: int, folder: Path, seconds: int) -> tuple[str, str]:
        """Write what was just played on a stream; return the paths of the .mid and the .wav. Raises BacklineError."""
        if stream not in self.takes:
            raise BacklineError(f"stream {stream} was closed")
        return await keep_take(self.takes[stream], folder, f"{self.model.manifest.name}-{stream}", seconds)

    async def _ask_on(self, seconds: float, do: str, **arguments: Any) -> Any:
        """Ask the working engine, and where another takes its place before the answer counts, that one. Raises BacklineError.

        Each of these commands may be carried out twice: an engine that opens a stream that it has begins it anew.
        """
        until = time.monotonic() + seconds
        while True:
            await wait_within(until - time.monotonic(), self._load(), self._not_ready(seconds))
            worker = self._engine()
            try:
                answer = await worker.ask(do, within=min(ANSWER_SECONDS, until - time.monotonic()), **arguments)
                if worker is self._working:
                    return answer
            except EngineLostError:
                if time.monotonic() >= until:
                    raise
                if worker.ended:
                    await self._replace(worker, "ended")

    async def _take_back(self, stream: int) -> None:
        """Close a stream that an engine may have opened all the same, after its answer was waited for in vain."""
        try:
            await self._engine().ask("close", stream=stream)
        except BacklineError as error:
            log.info("stream %d was not opened: %s", stream, error)

    def _not_ready(self, seconds: float) -> str:
        return f"the engine of '{self.model.manifest.name}' is not ready within {seconds:g} s; it goes on starting: try again"

    def _engine(self) -> Worker:
        if self._working is None:
            raise BacklineError(f"model '{self.model.manifest.name}' has no engine at the moment; try again")
        return self._working

    async def _start(self) -> Worker:
        if self._data.fileno() < 0:  # work that nobody waits for any more
            raise BacklineError("the server ends")
        name = self.model.manifest.name
        worker = await Worker.start(
            self.model.path, self._provider, self._data, self._engine_ended, self._batch, self._core,
            lambda text: self._report("engine", f"engine of '{name}' {text}"),
        )  # fmt: skip
        if worker.choices != self._choices:
            self._choices = worker.choices
            log.info("%s runs on %s", name, "; ".join(f"{graph}: {why}" for graph, why in worker.choices.items()))
        return worker

    def _in_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` as a task that `close` ends; the event loop itself holds tasks only weakly."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _want_spare(self) -> None:
        if self._spare is None and (self._starting is None or self._starting.done()):
            self._starting = self._in_background(self._start_spare())

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
            work = worker.page.datagrams + worker.page.blocks
            verdict = judge.judge(Sight(time.monotonic(), worker.heartbeat_age(), work, self._datagram_waits()))
            if verdict is not None:
                await self._replace(worker, verdict)

    def _engine_ended(self, worker: Worker) -> None:
        if worker is self._spare:
            self._spare = None
            worker.end()
            self._want_spare()
        elif worker is self._working:
            self._in_background(self._replace(worker, "ended"))

    async def _replace(self, worker: Worker, why: str) -> None:
        """End an engine's notes, put the spare in its place, open its streams there, and warm a new spare."""
        if worker is not self._working:
            return
        noticed = time.monotonic()
        self._working = None
        worker.end()
        clients = [worker.page.slot(index).client for index in range(MOST_STREAMS)]
        self._heard = [client for client in clients if client is not None]
        ended = self._end_notes(worker.page)
        try:
            await self._put_to_work()
        except BacklineError as error:
            self._report("engine", f"engine of '{self.model.manifest.name}' {why} and could not be replaced: {error}")
            self._retry_later()
            return
        seconds = time.monotonic() - noticed
        self.swaps.append({"why": why, "seconds": seconds, "notes_ended": ended})
        self._report(
            "engine",
            f"engine of '{self.model.manifest.name}' {why}; replaced in {1000 * seconds:.0f} ms, {ended} notes ended",
        )
        self._want_spare()

    async def _put_to_work(self) -> None:
        """Have an engine that works on the open streams: the spare, or else a new one. Raises BacklineError."""
        async with self._ready:
            if self._working is not None:
                return
            spare = await self._take_spare()
            if spare is not None:
                try:
                    self._working = await self._enlist(spare)
                    return
                except BacklineError as error:
                    log.warning("the spare engine of %s does not take over: %s", self.model.manifest.name, error)
            self._working = await self._enlist(await self._start())

    async def _enlist(self, worker: Worker) -> Worker:
        """Open all streams in an engine and let it read the data socket. Raises BacklineError; then it is ended."""
        try:
            for stream in list(self.streams.values()):
                if stream.number not in self.takes:  # closed meanwhile
                    continue
                await worker.ask(
                    "open", within=TAKE_OVER_SECONDS, descriptor=self.takes[stream.number].descriptor,
                    stream=stream.number, rate=stream.rate, settings=stream.settings,
                )  # fmt: skip
                for told in self._clips.get(stream.number, ()):
                    await worker.ask("clip", within=TAKE_OVER_SECONDS, **told)
            await worker.ask("admit", within=TAKE_OVER_SECONDS, senders=self._heard)
            await worker.ask("activate", within=TAKE_OVER_SECONDS)
        except BaseException:  # a task that is cancelled leaves no process behind either
            worker.end()
            raise
        return worker

    async def _take_spare(self) -> Worker | None:
        """Return the spare, waited for if it is starting; None where there is none, or one that does not beat."""
        if self._spare is None and self._starting is not None:
            await asyncio.shield(self._starting)
        spare, self._spare = self._spare, None
        if spare is not None and spare.heartbeat_age() > FROZEN_SECONDS:
            spare.end()
            return None
        return spare

    def _retry_later(self) -> None:
        """Try again in a second: whoever has streams open shall find an engine once one can start."""
        asyncio.get_running_loop().call_later(1.0, lambda: self._in_background(self._reopen()))

    async def _reopen(self) -> None:
        try:
            await self._load()
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
            for event in NoteLedger(slot.sounding).end_all(slot.position):
                if slot.number in self.takes:
                    self.takes[slot.number].resumed().leave(Emission(slot.position, slot.position, event))
                try:
                    message = MidiMessage(slot.number, slot.position, slot.position, *to_bytes(event))
                    self._data.sendto(pack_midi(message, slot.plain), client)
                    ended += 1
                except OSError as error:
                    log.warning("cannot tell %s of a note's end: %s", client, error)
        return ended

    def _datagram_waits(self) -> bool:
        size = array.array("i", [0])
        fcntl.ioctl(self._data.fileno(), termios.FIONREAD, size)
        return size[0] > 0
