"""Waiting for work that goes on whether anybody waits for it or not, so that whoever asked is answered in time either way."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar  # Any: a coroutine's own

from server.errors import BacklineError

Result = TypeVar("Result")
_UNDER_WAY: set["asyncio.Task[Any]"] = set()  # the event loop itself holds tasks only weakly


async def wait_within(seconds: float, work: Coroutine[Any, Any, Result], problem: str) -> Result:
    """Return what `work` returns. Raises BacklineError with `problem` after `seconds`; the work goes on by itself then."""
    task = asyncio.get_running_loop().create_task(work)
    _UNDER_WAY.add(task)
    task.add_done_callback(_forget)
    done, _ = await asyncio.wait({task}, timeout=max(0.0, seconds))
    if not done:
        raise BacklineError(problem)
    return task.result()


def _forget(task: "asyncio.Task[Any]") -> None:
    _UNDER_WAY.discard(task)
    if not task.cancelled():
        task.exception()  # seen: where nobody waits any more, whoever asks again meets it again
