"""Which engines serve a model: as many as were asked for, each with a spare, and a new stream goes where the fewest are.

model's name -> ModelService, one for each engine -> the freest

An engine is one thread, so that more of them use more cores. Each of several keeps to a core, one after the other.
"""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

from server.errors import BacklineError
from server.model_store import check_name, find_model
from server.service import ModelService, Report

MOST_ENGINES = 16  # that work for a model at once; as many spares stand beside them


def check_engines(engines: int) -> int:
    """Return how many engines a model gets. Raises BacklineError with what is allowed."""
    if not 1 <= engines <= MOST_ENGINES:
        raise BacklineError(f"engines are {engines}; allowed: 1 to {MOST_ENGINES}")
    return engines


class Services:
    """All engines of a server. Belongs to its event loop."""

    def __init__(
        self, models: Path | None, provider: str, host: str, report: Report, batch: int = 1, engines: int = 1
    ) -> None:
        """Args: as of ServerConfig."""
        self._models, self._provider, self._host, self._report = models, provider, host, report
        self._batch = batch
        cores = sorted(os.sched_getaffinity(0))
        self._cores = [cores[i % len(cores)] for i in range(engines)] if engines > 1 else [None]
        self._services: dict[str, list[ModelService]] = {}

    def __iter__(self) -> Iterator[ModelService]:
        return iter([service for services in self._services.values() for service in services])

    async def load(self, name: str) -> None:
        """Have every engine of a model, and its spare, warm. Raises BacklineError."""
        await asyncio.gather(*(service.load() for service in self._of(name)))

    def freest(self, name: str) -> ModelService:
        """Return what serves the fewest streams of a model; of several the first. Raises BacklineError."""
        return min(self._of(name), key=lambda service: service.busy)

    async def close(self) -> None:
        """End all engines; sounding notes are ended first."""
        for service in self:
            await service.close()

    def _of(self, name: str) -> list[ModelService]:
        check_name(name)
        if name not in self._services:
            model = find_model(name, self._models)
            self._services[name] = [
                ModelService(model, self._provider, self._host, self._report, self._batch, core) for core in self._cores
            ]
        return self._services[name]
