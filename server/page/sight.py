"""A stream as it is seen from the control process: what it was opened with, and what its engine's page says now.

Nobody asks an engine for this: the page is memory that the engine writes anyway. Only `status`, the compute times and
counts, is asked for, one stream at a time.
"""

import time
from dataclasses import asdict
from typing import Any  # Any: status is JSON

from models.latency import resampler_reach
from models.manifest import Manifest
from server.osc.parameters import current_values
from server.service import ModelService, OpenStream
from server.shared_page import MOST_STREAMS, SharedPage, Slot

QUIET_SECONDS = 0.5  # after which a stream that gets no block has no level


class Sight:
    """One open stream."""

    def __init__(self, stream: OpenStream, service: ModelService) -> None:
        self.stream, self._service = stream, service
        self._manifest = service.model.manifest.facing(stream.settings)
        self.status: dict[str, Any] = {}
        self.asked = 0  # how many times `status` was answered
        self._found: tuple[SharedPage, Slot] | None = None
        self._values: tuple[tuple[tuple[str, Any], ...], dict[str, float | str]] | None = None

    @property
    def number(self) -> int:
        """The stream's number."""
        return self.stream.number

    @property
    def manifest(self) -> Manifest:
        """What the model is in the stream's direction."""
        return self._manifest

    @property
    def engine(self) -> SharedPage | None:
        """The page of the engine that works now: another one after a swap."""
        return self._service.page

    def slot(self) -> Slot | None:
        """Return the stream's place in its engine's page; None while it has none."""
        page = self._service.page
        if page is None:
            return None
        if self._found is None or self._found[0] is not page or self._found[1].number != self.number:
            slots = (page.slot(index) for index in range(MOST_STREAMS))
            found = next((slot for slot in slots if slot.number == self.number), None)
            self._found = None if found is None else (page, found)
        return None if self._found is None else self._found[1]

    def values(self) -> dict[str, float | str]:
        """Return the parameters as they are now: the same object as long as none has changed."""
        key = tuple(self.stream.settings.items())
        if self._values is None or self._values[0] != key:
            self._values = key, current_values(self.manifest, self.stream.settings)
        return self._values[1]

    def level(self) -> float:
        """Return how loud the input is; 1 is full scale."""
        slot = self.slot()
        if slot is None or time.monotonic_ns() - slot.heard_ns > QUIET_SECONDS * 1e9:
            return 0.0
        return slot.peak

    async def ask(self) -> None:
        """Have the engine say how the stream is. Raises BacklineError."""
        rows = await self._service.ask("status", stream=self.number)
        row = rows.get(str(self.number), {})
        self.status = row | {"swaps": len(self._service.swaps), "budget": self._budget(row)}
        self.asked += 1

    def describe(self) -> dict[str, Any]:
        """Return what does not change while the stream is open."""
        return {
            "stream": self.number, "model": self.manifest.name, "rate": self.stream.rate, "port": self._service.port,
            "kind": self.values().get("stream", "commit"), "hop": self.manifest.hop, "model_rate": self.manifest.sample_rate,
            "parameters": [asdict(parameter) for parameter in self.manifest.stream_parameters], "map": self._map(),
        }  # fmt: skip

    def _map(self) -> dict[str, Any] | None:
        """Return what a page draws of a space that the stream is steered through: the model's `settings.map`; None where there is none."""
        steered = {"map", "map_x", "map_y"} <= {parameter.name for parameter in self.manifest.parameters}
        return self.manifest.settings.get("map") if steered else None

    def _budget(self, row: dict[str, Any]) -> list[tuple[str, int]]:
        """Return the latency by part, in host samples. A live stream waits a constant that is decision and resampler."""
        if self.values().get("stream") == "live":
            filters = resampler_reach(self.stream.rate, self.manifest.sample_rate)
            delay = int(row.get("live_delay", 0))
            return [("decision", delay - filters), ("resampler", filters)]
        parts = row.get("parts", {})
        named = {
            "hop": "adaptation",
            "look-ahead": "look_ahead",
            "resampler": "resampler",
            "bridge": "bridge",
            "quantise": "quantise",
        }
        return [
            (name, int(parts.get(part, 0))) for name, part in named.items() if part != "quantise" or parts.get(part)
        ]


class Sights:
    """All open streams."""

    def __init__(self) -> None:
        self._sights: dict[int, Sight] = {}

    def update(self, streams: "list[tuple[OpenStream, ModelService]]") -> dict[int, Sight]:
        """Take the streams that are open now; return them by number."""
        open_now = {stream.number for stream, _ in streams}
        self._sights = {number: sight for number, sight in self._sights.items() if number in open_now}
        for stream, service in streams:
            if stream.number not in self._sights:
                self._sights[stream.number] = Sight(stream, service)
        return self._sights
