"""Who asks for a take: the command, or the parameter `keep` that rises from 0 to 1. One take is written after the other."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from server.errors import BacklineError
from server.keep import check_seconds, keep_folder
from server.kept_take import KEPT_SECONDS
from server.service import ModelService, Report

KEEP = "keep"
"""A parameter of every stream that is no model's: 1 keeps what was just played, 0 lets it be asked again."""


class Keeping:
    """The takes of one server; lives in the control process's event loop."""

    def __init__(self, owner: Callable[[int], ModelService], tell: Report, takes: Path | None) -> None:
        """Args: owner: what serves a stream; BacklineError where there is none. tell: to listeners, kind and text.

        takes: the folder they go to; left out, Backline in the home folder.
        """
        self._owner, self._tell, self._takes = owner, tell, takes
        self._one_by_one = asyncio.Lock()  # no number of them takes the machine
        self._high: set[int] = set()  # streams whose parameter is 1
        self._tasks: set[asyncio.Task[None]] = set()

    async def keep(self, stream: int, folder: str, seconds: int) -> tuple[str, str]:
        """Write what was just played; return the paths of the .mid and the .wav. Raises BacklineError."""
        service = self._owner(stream)
        check_seconds(seconds)
        place = keep_folder(self._takes, folder)
        async with self._one_by_one:
            midi, audio = await service.keep(stream, place, seconds)
        self._tell(KEEP, f"stream {stream} kept in {midi} and {audio}")
        return midi, audio

    def set(self, stream: int, value: str) -> None:
        """Take the parameter's value; on its rise keep the take and tell how it went. Raises BacklineError."""
        self._owner(stream)
        if value not in ("0", "1", "0.0", "1.0"):
            raise BacklineError(f"{KEEP} is '{value}'; allowed: 0, 1")
        rises = float(value) > 0 and stream not in self._high
        (self._high.add if float(value) else self._high.discard)(stream)
        if rises:
            task = asyncio.get_running_loop().create_task(self._keep_and_tell(stream))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def forget(self, stream: int) -> None:
        """Take note that a stream was closed."""
        self._high.discard(stream)

    async def _keep_and_tell(self, stream: int) -> None:
        try:
            await self.keep(stream, "", KEPT_SECONDS)
        except BacklineError as error:
            self._tell(KEEP, f"stream {stream} was not kept: {error}")
