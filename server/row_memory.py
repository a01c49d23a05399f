"""Rows of tensors, one a stream, in the computer's memory or in a GPU's: what a batched step binds by address.

On the computer a row is a NumPy view and nothing is ever carried anywhere. On a device every tensor has a twin in the computer's
memory for what goes in and comes out, and rows are moved by address: on CUDA by the runtime library that ONNX Runtime has loaded.
"""

import ctypes
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from server.errors import BacklineError

TO_DEVICE, TO_HOST, WITHIN = 1, 2, 3
"""cudaMemcpyKind of the CUDA runtime."""

Floats = NDArray[np.float32]
Copy = Callable[[int, int, int, int], None]
"""(target address, source address, bytes, kind): it is done when the call returns. What fails there raises RuntimeError."""


class Rows(Protocol):
    """(rows, *shape) float32. device: as ONNX Runtime calls it. pointer: of row 0. row_bytes: from row to row."""

    device: str
    pointer: int
    row_bytes: int
    host: Floats

    def put(self, row: int, values: Floats) -> None:
        """Write a row, (*shape) or (1, *shape)."""
        ...

    def get(self, row: int) -> Floats:
        """Return a copy of a row, (1, *shape)."""
        ...

    def move(self, row: int, to: "Rows") -> None:
        """Copy a row into the same row of a tensor of the same kind."""
        ...

    def send(self, first: int, count: int) -> None:
        """Carry rows from `host` to the device."""
        ...

    def fetch(self, first: int, count: int) -> None:
        """Carry rows from the device to `host`."""
        ...


class HostRows:
    """Rows where NumPy is; see Rows."""

    device = "cpu"

    def __init__(self, rows: int, shape: tuple[int, ...], initial: float = 0.0) -> None:
        self.host: Floats = np.full((rows, *shape), initial, np.float32)
        self.pointer, self.row_bytes = self.host.ctypes.data, self.host.nbytes // rows

    def put(self, row: int, values: Floats) -> None:
        """See Rows."""
        self.host[row : row + 1] = values

    def get(self, row: int) -> Floats:
        """See Rows."""
        return self.host[row : row + 1].copy()

    def move(self, row: int, to: Rows) -> None:
        """See Rows."""
        to.host[row] = self.host[row]

    def send(self, first: int, count: int) -> None:
        """Nothing has to be carried."""

    def fetch(self, first: int, count: int) -> None:
        """Nothing has to be carried."""


class DeviceRows:
    """Rows in a device's memory; see Rows. device: as ONNX Runtime calls it; copy: moves bytes to it, from it and within it."""

    def __init__(
        self, rows: int, shape: tuple[int, ...], initial: float = 0.0, *, device: str, copy: Copy
    ) -> None:  # fmt: skip
        self.device, self._copy = device, copy
        self.host: Floats = np.full((rows, *shape), initial, np.float32)
        self._there = self.host.copy()  # of the CPU's memory ONNX Runtime makes no copy of its own
        self._value = onnxruntime.OrtValue.ortvalue_from_numpy(self._there, device, 0)
        self.pointer, self.row_bytes = int(self._value.data_ptr()), self.host.nbytes // rows

    def put(self, row: int, values: Floats) -> None:
        """See Rows."""
        self.host[row : row + 1] = values
        self.send(row, 1)

    def get(self, row: int) -> Floats:
        """See Rows."""
        self.fetch(row, 1)
        return self.host[row : row + 1].copy()

    def move(self, row: int, to: Rows) -> None:
        """See Rows."""
        place = row * self.row_bytes
        self._copy(to.pointer + place, self.pointer + place, self.row_bytes, WITHIN)

    def send(self, first: int, count: int) -> None:
        """See Rows."""
        place = first * self.row_bytes
        self._copy(self.pointer + place, self.host.ctypes.data + place, count * self.row_bytes, TO_DEVICE)

    def fetch(self, first: int, count: int) -> None:
        """See Rows."""
        place = first * self.row_bytes
        self._copy(self.host.ctypes.data + place, self.pointer + place, count * self.row_bytes, TO_HOST)


def cuda_copy(target: int, source: int, size: int, kind: int) -> None:
    """See Copy; in the memory of the first GPU.

    ONNX Runtime's own stream waits for no other, and only what comes back is certainly there when cudaMemcpy returns (CUDA
    Runtime API, synchronization behavior: from pageable memory it may be on its way yet), so all else is waited for.
    """
    runtime = _cuda_runtime()
    failed = runtime.cudaMemcpy(ctypes.c_void_p(target), ctypes.c_void_p(source), ctypes.c_size_t(size), kind)
    failed = failed or (runtime.cudaDeviceSynchronize() if kind != TO_HOST else 0)
    if failed:
        raise RuntimeError(f"the GPU's memory cannot be copied: error {failed} of the CUDA runtime")


ROWS: dict[str, Callable[..., Rows]] = {"cpu": HostRows, "cuda": partial(DeviceRows, device="cuda", copy=cuda_copy)}
"""Provider -> what makes its rows."""


@lru_cache(maxsize=1)
def _cuda_runtime() -> ctypes.CDLL:
    """Return the CUDA runtime library of this process: the one that is loaded already, since another would know of nothing."""
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        name = line.rpartition(" ")[2]
        if "/libcudart.so" in name:
            return ctypes.CDLL(name)
    raise BacklineError("ONNX Runtime has loaded no CUDA runtime library (libcudart.so)")
