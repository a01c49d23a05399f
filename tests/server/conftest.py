"""A device that is the CPU: its memory is apart and has to be carried to, its sessions are those of ONNX Runtime, and it can be lost."""

import ctypes
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any  # Any: onnxruntime's own values

import pytest

from server import row_plan
from server.onnx_step import PROVIDERS, open_session
from server.providers import choose_provider, cuda_problem
from server.row_memory import ROWS, DeviceRows, Rows

LOST = "CUDA failure 719: unspecified launch failure"


class Device:
    """Works until it is told to be lost; then nothing can be called, and nothing be read."""

    def __init__(self) -> None:
        self.is_lost, self.calls = False, 0
        self.graphs: list[str] = []  # the numbers that calls were replayed by
        self.rows: Callable[..., Rows] = partial(DeviceRows, device="cpu", copy=self._copy)
        self._left = -1

    def lose_after(self, calls: int) -> None:
        """Be lost at the call after so many more."""
        self._left = calls

    def session(self, session: Any) -> "DeviceSession":
        """Return a session that is this device's."""
        return DeviceSession(session, self)

    def spend(self) -> None:
        """Take one call, or raise what ONNX Runtime raises."""
        self.is_lost = self.is_lost or self._left == 0
        if self.is_lost:
            raise RuntimeError(f"{LOST}\nand more")
        self._left, self.calls = self._left - 1, self.calls + 1

    def _copy(self, target: int, source: int, size: int, kind: int) -> None:
        if self.is_lost:
            raise RuntimeError("the device is lost")
        ctypes.memmove(target, source, size)


class DeviceSession:
    """ONNX Runtime's own session, which asks its device first."""

    def __init__(self, session: Any, device: Device) -> None:
        self._session, self._device, self.io_binding = session, device, session.io_binding

    def run_with_iobinding(self, binding: Any, options: Any = None) -> None:
        """See onnxruntime.InferenceSession."""
        self._device.spend()
        if options is None:
            self._session.run_with_iobinding(binding)
        else:
            self._device.graphs.append(options.get_run_config_entry("gpu_graph_id"))
            self._session.run_with_iobinding(binding, options)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[Device]:
    """What `cuda` is in this test. What is known of CUDA here is forgotten before and after."""
    found = Device()
    monkeypatch.setitem(PROVIDERS, "cuda", PROVIDERS["cpu"])
    monkeypatch.setitem(ROWS, "cuda", found.rows)
    plain = open_session

    def opened(path: Any, provider: str, *more: Any) -> Any:
        session = plain(path, provider, *more)
        return found.session(session) if provider == "cuda" else session

    monkeypatch.setattr(row_plan, "open_session", opened)
    caches = (open_session, cuda_problem, choose_provider, row_plan.plan_rows)
    for cache in caches:
        cache.cache_clear()
    yield found
    for cache in caches:
        cache.cache_clear()
