"""What pages and OSCQuery clients have in common: the open streams as they are seen, the server's description, its commands."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any  # Any: descriptions are JSON

from models.manifest import Manifest
from server.control import TAGS, Control, server_version
from server.directions import by_direction, ports_of
from server.errors import BacklineError
from server.model_store import list_models
from server.osc.packets import Command
from server.osc.server import Address, Answer
from server.page.sight import Sight, Sights
from server.page.sources import Sources

log = logging.getLogger(__name__)
STATUS_SECONDS = 1.0  # in which every stream's compute times are asked for once


class Desk:
    """One for the server."""

    def __init__(self, control: Control, port: int) -> None:
        self._control, self._port = control, port
        self._sights = Sights()
        self._sources = Sources(control.config.host, port)
        self.watchers = control.watchers
        self.own: dict[str, Callable[..., Awaitable[object]]] = {"start": self._sources.start, "stop": self._stop}
        self.looking = 0  # pages and clients that want the status

    @property
    def osc_address(self) -> tuple[str, int]:
        """Where commands go over OSC."""
        return self._control.config.host, self._port

    def sights(self) -> dict[int, Sight]:
        """Return the streams that are open now."""
        return self._sights.update(list(self._control.streams()))

    async def handle(self, command: Command, sender: Address, answer: Answer) -> None:
        """Carry out a command as if it had come over OSC. Raises BacklineError."""
        await self._control.handle(command, sender, answer)

    async def hello(self) -> dict[str, Any]:
        """Return what a page must know first."""
        models = await asyncio.to_thread(list_models, self._control.config.models)
        return {
            "version": server_version(), "osc": list(self.osc_address), "commands": sorted(TAGS),
            "sources": self._sources.kinds,
            "models": [
                {"name": name, "problem": str(found)} if isinstance(found, BacklineError) else _described(found.manifest)
                for name, found in models.items()
            ],
        }  # fmt: skip

    async def ask_on(self) -> None:
        """Keep asking for the streams' status while somebody looks, one stream at a time, so that no engine is held up."""
        while True:
            sights = list(self.sights().values()) if self.looking else []
            for sight in sights:
                try:
                    await sight.ask()
                except BacklineError as error:
                    log.info("no status of stream %d: %s", sight.number, error)
                await asyncio.sleep(STATUS_SECONDS / len(sights))
            if not sights:
                await asyncio.sleep(STATUS_SECONDS / 4)

    async def close(self) -> None:
        """End what pages have started."""
        await self._sources.close()

    async def _stop(self, stream: int) -> str:
        await self._sources.stop(stream)
        if stream in self.sights():
            await self.handle(Command("/backline/stream/close", (stream,)), ("127.0.0.1", 0), lambda *_, **__: None)
        return ""


def _described(manifest: Manifest) -> dict[str, Any]:
    return {
        "name": manifest.name, "title": manifest.title, "licence": manifest.licence, "rate": manifest.sample_rate,
        "hop": manifest.hop, "trained_on": manifest.trained_on, **by_direction(manifest, _facing),
    }  # fmt: skip


def _facing(faced: Manifest) -> dict[str, Any]:
    """Return what a model is in one direction."""
    parameters = [asdict(parameter) for parameter in faced.stream_parameters]
    return {**ports_of(faced), "heads_ms": [head.look_ahead_ms for head in faced.heads], "parameters": parameters}
