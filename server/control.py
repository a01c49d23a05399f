"""The control process: what each OSC command does, and the services it does it with."""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from ipaddress import ip_address
from itertools import count
from pathlib import Path
from typing import Any  # Any: settings and status are JSON

from models.manifest import Manifest
from plugin_bridge.protocol_table import TABLE
from server.audio.file import check_rate
from server.directions import by_direction, ports_of
from server.errors import BacklineError
from server.gate import Gate
from server.keep import keep_folder
from server.keeping import KEEP, Keeping
from server.kept_take import KEPT_SECONDS
from server.limits import LONGEST_SETTINGS, MOST_LISTENERS, MOST_STREAMS_A_CLIENT, MOST_STREAMS_IN_ALL
from server.model_store import list_models
from server.osc.packets import Command
from server.osc.parameters import as_osc, current_values, find_parameter, from_osc, parameter_address
from server.osc.server import Address, Answer, OscServer
from server.osc.tcp import Connection
from server.service import ModelService, OpenStream
from server.services import Services

log = logging.getLogger(__name__)
IDLE_CLOSE_SECONDS = 300.0  # a host may be stopped for minutes; a crashed one must not hold its place for ever
MOST_SWAPS = 3  # told with each stream: 64 streams and their swaps fit a datagram
TAGS = {entry.address: entry.tags for entry in TABLE if entry.direction == "command"}
OPTIONAL = {entry.address: entry.optional for entry in TABLE if entry.direction == "command"}


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """How a server is started. port 0 takes any free one. token: what clients must say; "" for nothing.

    batch: streams of a model that may share a call. engines: how many share a model's streams.

    takes: where takes are kept; left out, Backline in the home folder.
    """

    host: str = "127.0.0.1"
    port: int = 9010
    models: Path | None = None
    provider: str = "auto"
    takes: Path | None = None
    token: str = ""
    batch: int = 1
    engines: int = 1


class Control:
    """One server."""

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        self._services = Services(config.models, config.provider, config.host, self._tell, config.batch, config.engines)
        self._owners: dict[int, ModelService] = {}
        self._numbers = count(1)
        self._listeners: set[Address] = set()
        self.watchers: set[Callable[[str, str], None]] = set()  # in this process; told what listeners are told
        self._openers: dict[int, Hashable] = {}  # who has opened each stream
        data_port = lambda stream: self._owner(stream).port  # noqa: E731
        self._osc = OscServer(self.handle, data_port, self._listeners.discard, Gate(config.token))
        self._keeping = Keeping(self._owner, self._tell, config.takes)
        self._ended = asyncio.Event()
        self._housekeeping: asyncio.Task[None] | None = None

    async def start(self) -> int:
        """Listen; return the port. Raises BacklineError."""
        if self._config.models is not None:
            list_models(self._config.models)
        if self._config.takes is not None:
            keep_folder(self._config.takes)
        port = await self._osc.open(self._config.host, self._config.port)
        self._housekeeping = asyncio.get_running_loop().create_task(self._close_idle_streams())
        return port

    async def wait(self) -> None:
        """Return when the server was told to end."""
        await self._ended.wait()

    def end(self) -> None:
        """Tell the server to end."""
        self._ended.set()

    async def close(self) -> None:
        """End everything: notes, engines, sockets."""
        if self._housekeeping is not None:
            self._housekeeping.cancel()
        await self._services.close()
        self._osc.close()

    @property
    def config(self) -> ServerConfig:
        """How the server was started."""
        return self._config

    def streams(self) -> Iterator[tuple[OpenStream, ModelService]]:
        """Yield the open streams, each with what serves it."""
        for number, service in self._owners.items():
            if number in service.streams:
                yield service.streams[number], service

    async def handle(self, command: Command, sender: Address, answer: Answer) -> None:
        """Carry out one command and answer it. Raises BacklineError where it is refused."""
        tags = TAGS.get(command.address)
        if tags is None and (found := parameter_address(command.address)):
            await self._at_parameter(command, *found, answer)
            return
        if tags is None:
            raise BacklineError(f"unknown address {command.address[:80]}; docs/protocol.md lists the known ones")
        arguments = _checked(command, tags)
        method = getattr(self, "_do" + command.address.removeprefix("/backline").replace("/", "_"))
        await method(sender, answer, *arguments)

    # Questions

    async def _do_status(self, sender: Address, answer: Answer) -> None:
        streams: dict[str, Any] = {}
        for service in self._services:
            try:
                status = await service.ask("status") if service.streams else {}
            except BacklineError as error:
                status = {str(number): {"problem": str(error)} for number in service.streams}
            for number, row in status.items():
                streams[number] = row | {
                    "port": service.port,
                    "process": service.process,
                    "swaps": service.swaps[-MOST_SWAPS:],
                }
        engines = [worker for service in self._services for worker in service.engines]
        answer("/backline/status.reply", server_version(), len(streams), len(engines), json.dumps(streams))

    async def _do_models(self, sender: Address, answer: Answer) -> None:
        rows: dict[str, Any] = {}
        for name, found in list_models(self._config.models).items():
            if isinstance(found, BacklineError):
                rows[name] = {"problem": str(found)}
            else:
                m = found.manifest
                rows[name] = {"title": m.title, "sample_rate": m.sample_rate, "hop": m.hop, **by_direction(m, _facing)}
        answer("/backline/models.reply", json.dumps(rows))

    async def _do_token(self, sender: Address, answer: Answer, token: str) -> None:
        # Whoever comes here is inside already: the gates of the ports, and of the page, have heard it.
        answer("/backline/done", "/backline/token")

    async def _do_sync(self, sender: Address, answer: Answer, number: int) -> None:
        answer("/backline/synced", number)

    async def _do_ping(self, sender: Address, answer: Answer, client_ns: int) -> None:
        received = time.monotonic_ns()
        answer("/backline/pong", client_ns, received, time.monotonic_ns(), tags="hhh")

    async def _do_notify(self, sender: Address, answer: Answer, wanted: int) -> None:
        if wanted and len(self._listeners | {sender}) > MOST_LISTENERS:
            raise BacklineError(f"{MOST_LISTENERS} listeners are told already, which is the most")
        (self._listeners.add if wanted else self._listeners.discard)(sender)
        answer("/backline/done", "/backline/notify", wanted)

    # Commands

    async def _do_model_load(self, sender: Address, answer: Answer, model: str) -> None:
        await self._services.load(model)
        answer("/backline/done", "/backline/model/load", model)

    async def _do_stream_open(self, sender: Address, answer: Answer, model: str, rate: int, settings: str) -> None:
        if len(self._owners) >= MOST_STREAMS_IN_ALL:
            raise BacklineError(f"{MOST_STREAMS_IN_ALL} streams are open, which is the most")
        opener = _machine_or_socket(sender)
        if list(self._openers.values()).count(opener) >= MOST_STREAMS_A_CLIENT:
            raise BacklineError(
                f"{MOST_STREAMS_A_CLIENT} streams of this client are open, which is the most; close one"
            )
        stream = OpenStream(next(self._numbers), check_rate(rate), _settings(settings))
        service = self._services.freest(model)
        self._openers[stream.number] = opener  # counted while it opens: others of this client may come meanwhile
        try:
            opened = await service.open(stream)
        except BaseException:
            del self._openers[stream.number]
            raise
        self._owners[stream.number] = service
        self._tell("stream", f"stream {stream.number} of '{model}' opened at {rate} Hz")
        answer(
            "/backline/done",
            "/backline/stream/open",
            stream.number,
            service.port,
            opened["latency"],
            opened["live_delay"],
        )

    async def _do_stream_close(self, sender: Address, answer: Answer, stream: int) -> None:
        await self._close_stream(stream)
        answer("/backline/done", "/backline/stream/close", stream)

    async def _do_stream_reset(self, sender: Address, answer: Answer, stream: int) -> None:
        await self._owner(stream).ask("reset", stream=stream)
        answer("/backline/done", "/backline/stream/reset", stream)

    async def _do_stream_set(self, sender: Address, answer: Answer, stream: int, name: str, value: str) -> None:
        if name == KEEP:
            self._keeping.set(stream, value)
        else:
            await self._owner(stream).ask("set", stream=stream, name=name, value=value)
        answer("/backline/done", "/backline/stream/set", stream, name, value)

    async def _do_stream_clip(
        self, sender: Address, answer: Answer, stream: int, unit: str, ahead: int, rows: str
    ) -> None:
        events = await self._owner(stream).ask("clip", stream=stream, unit=unit, ahead=ahead, rows=rows)
        answer("/backline/done", "/backline/stream/clip", stream, events)

    async def _do_stream_keep(
        self, sender: Address, answer: Answer, stream: int, folder: str, seconds: int = KEPT_SECONDS
    ) -> None:
        answer("/backline/done", "/backline/stream/keep", *await self._keeping.keep(stream, folder, seconds))

    async def _at_parameter(self, command: Command, stream: int, name: str, answer: Answer) -> None:
        """A parameter as an address of its own: with a value it is set, without one it is told."""
        service = self._owner(stream)
        if name == KEEP and command.arguments:
            self._keeping.set(stream, str(int(bool(command.arguments[0]))))
            answer("/backline/done", command.address, command.arguments[0])
            return
        settings = service.streams[stream].settings
        manifest = service.model.manifest.facing(settings)
        parameter = find_parameter(manifest, name)
        if command.arguments:
            await service.ask("set", stream=stream, name=name, value=from_osc(parameter, command.arguments))
        value = as_osc(parameter, current_values(manifest, settings)[name])
        answer(*(("/backline/done",) if command.arguments else ()), command.address, value)

    async def _do_quit(self, sender: Address, answer: Answer) -> None:
        answer("/backline/done", "/backline/quit")
        self.end()

    def _owner(self, stream: int) -> ModelService:
        if stream not in self._owners:
            raise BacklineError(
                f"there is no stream {stream}; open ones: {', '.join(map(str, self._owners)) or 'none'}"
            )
        return self._owners[stream]

    async def _close_stream(self, stream: int) -> None:
        await self._owner(stream).ask("close", stream=stream)
        del self._owners[stream]
        self._openers.pop(stream, None)
        self._keeping.forget(stream)
        self._tell("stream", f"stream {stream} closed")

    def _tell(self, kind: str, text: str) -> None:
        log.info("%s", text)
        for listener in self._listeners:
            self._osc.send(listener, "/backline/event", kind, text)
        for watcher in self.watchers:
            watcher(kind, text)

    async def _close_idle_streams(self) -> None:
        """Close streams whose client has sent nothing for IDLE_CLOSE_SECONDS: it is gone."""
        while True:
            await asyncio.sleep(1.0)
            for service in self._services:
                for number in service.idle_streams(IDLE_CLOSE_SECONDS):
                    try:
                        await self._close_stream(number)
                    except BacklineError as error:
                        log.warning("cannot close stream %d: %s", number, error)


def _checked(command: Command, tags: str) -> tuple[Any, ...]:
    """Return the arguments as the table says. Raises BacklineError that names the first wrong one."""
    fewest = len(tags) - OPTIONAL[command.address]
    if not fewest <= len(command.arguments) <= len(tags):
        number = f"{fewest} to {len(tags)}" if fewest < len(tags) else str(fewest)
        raise BacklineError(
            f"{command.address} takes {number} arguments ({tags or 'none'}), got {len(command.arguments)}"
        )
    values: list[Any] = []
    for place, (tag, value) in enumerate(zip(tags, command.arguments, strict=False), 1):
        if tag in "ih" and isinstance(value, int) and not isinstance(value, bool):
            values.append(value)
        elif tag == "s" and isinstance(value, str | int | float) and not isinstance(value, bool):
            values.append(str(value))
        else:
            raise BacklineError(
                f"argument {place} of {command.address} is {value!r:.60}; it takes {'a string' if tag == 's' else 'an integer'}"
            )
    return tuple(values)


def _facing(faced: Manifest) -> dict[str, Any]:
    """Return what a model is in one direction."""
    heads, parameters = [head.look_ahead_ms for head in faced.heads], [p.name for p in faced.stream_parameters]
    return {**ports_of(faced), "heads_ms": heads, "parameters": parameters}


def _machine_or_socket(sender: Address) -> Hashable:
    """Return what counts as one client: a program of this machine, or another machine, which may open ports as it likes."""
    host = sender.host if isinstance(sender, Connection) else sender[0]
    return sender if not host or ip_address(host).is_loopback else host


def _settings(text: str) -> dict[str, Any]:
    if len(text) > LONGEST_SETTINGS:
        raise BacklineError(f"settings are not JSON of up to {LONGEST_SETTINGS} signs: they have {len(text)}")
    try:
        settings = json.loads(text or "{}")
    except (ValueError, RecursionError) as error:  # ValueError: no JSON, or a number of more digits than Python reads
        raise BacklineError(f"settings are not JSON: {error}") from error
    if not isinstance(settings, dict) or not all(isinstance(v, str | int | float) for v in settings.values()):
        raise BacklineError("settings are a JSON object of names with words or numbers")
    return settings


def server_version() -> str:
    """Return the version that is installed; 0 where it runs from its source."""
    try:
        return version("backline")
    except PackageNotFoundError:
        return "0"
