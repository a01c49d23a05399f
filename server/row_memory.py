"""Rows of tensors, one a stream, in the computer's memory or in a GPU's: what a batched step binds by address.

On the computer a row is a NumPy view and nothing is ever carried anywhere. On CUDA every tensor has a twin in the computer's
memory for what goes in and comes out, and single rows are moved by the CUDA runtime library that ONNX Runtime has loaded.
"""

import ctypes
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from server.errors import BacklineError

TO_DEVICE, TO_HOST, WITHIN = 1, 2, 3
"""cudaMemcpyKind of the CUDA runtime."""

Floats = NDArray[np.float32]


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


class CudaRows:
    """Rows in the memory of the first GPU; see Rows. What fails there raises RuntimeError."""

    device = "cuda"

    def __init__(self, rows: int, shape: tuple[int, ...], initial: float = 0.0) -> None:
        self.host: Floats = np.full((rows, *shape), initial, np.float32)
        self._value = onnxruntime.OrtValue.ortvalue_from_numpy(self.host, "cuda", 0)
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
        _copy(to.pointer + place, self.pointer + place, self.row_bytes, WITHIN)

    def send(self, first: int, count: int) -> None:
        """See Rows."""
        place = first * self.row_bytes
        _copy(self.pointer + place, self.host.ctypes.data + place, count * self.row_bytes, TO_DEVICE)

    def fetch(self, first: int, count: int) -> None:
        """See Rows."""
        place = first * self.row_bytes
        _copy(self.host.ctypes.data + place, self.pointer + place, count * self.row_bytes, TO_HOST)


ROWS: dict[str, type[HostRows] | type[CudaRows]] = {"cpu": HostRows, "cuda": CudaRows}


def _copy(target: int, source: int, size: int, kind: int) -> None:
    """Copy bytes and wait for it: ONNX Runtime's own stream waits for no other."""
    runtime = _cuda_runtime()
    failed = runtime.cudaMemcpy(ctypes.c_void_p(target), ctypes.c_void_p(source), ctypes.c_size_t(size), kind)
    failed = failed or (runtime.cudaDeviceSynchronize() if kind == WITHIN else 0)
    if failed:
        raise RuntimeError(f"the GPU's memory cannot be copied: error {failed} of the CUDA runtime")


@lru_cache(maxsize=1)
def _cuda_runtime() -> ctypes.CDLL:
    """Return the CUDA runtime library of this process: the one that is loaded already, since another would know of nothing."""
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        name = line.rpartition(" ")[2]
        if "/libcudart.so" in name:
            return ctypes.CDLL(name)
    raise BacklineError("ONNX Runtime has loaded no CUDA runtime library (libcudart.so)")
