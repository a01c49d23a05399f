"""Latency ranges of JACK ports: what a host needs to record a note where it was played.

JACK asks every client, port by port, to pass latencies on: capture latency downstream (how old is what leaves here),
playback latency upstream (how long until what enters here is heard). JACK-Client 0.5 has no function for it, so the
three C calls are made with ctypes on the same library and the client's own pointers. JACK calls back in its
notification thread, never in the process thread.
"""

import ctypes
from collections.abc import Callable, Iterable, Sequence
from ctypes.util import find_library
from typing import Any  # Any: objects of JACK-Client, which has no types

CAPTURE = 0  # JackCaptureLatency; the other mode is playback
Range = tuple[int, int]
"""(least, most) frames."""


class _CRange(ctypes.Structure):
    _fields_ = (("least", ctypes.c_uint32), ("most", ctypes.c_uint32))


_CCallback = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p)


class PortLatencies:
    """Declares a client's latency: set before the client is activated, valid until it is closed."""

    def __init__(self, client: Any, inputs: Sequence[Any], outputs: Sequence[tuple[Any, Callable[[], int]]]) -> None:
        """Args: inputs: own ports. outputs: own ports, each with a function that gives what the client adds, in frames."""
        self._library = _library()
        self._client = _pointer(client)
        self._inputs = [_pointer(port) for port in inputs]
        self._outputs = [(_pointer(port), added) for port, added in outputs]
        self._callback = _CCallback(self._pass_on)  # C holds no reference: this object must outlive the client
        self._library.jack_set_latency_callback(self._client, self._callback, None)

    def changed(self) -> None:
        """Let JACK ask everybody again. Not from a callback of JACK."""
        self._library.jack_recompute_total_latencies(self._client)

    def _pass_on(self, mode: int, _: object) -> None:
        """Give every port on the far side what the near side has, and what happens in between."""
        if mode == CAPTURE:
            heard = _joined(self._get(port, mode) for port in self._inputs)
            for port, added in self._outputs:
                self._set(port, mode, heard, added())
            return
        ahead = _joined(_later(self._get(port, mode), added()) for port, added in self._outputs)
        for port in self._inputs:
            self._set(port, mode, ahead, 0)

    def _get(self, port: int, mode: int) -> Range:
        found = _CRange()
        self._library.jack_port_get_latency_range(port, mode, ctypes.byref(found))
        return found.least, found.most

    def _set(self, port: int, mode: int, base: Range, added: int) -> None:
        least, most = _later(base, added)
        self._library.jack_port_set_latency_range(port, mode, ctypes.byref(_CRange(least, most)))


def _later(base: Range, added: int) -> Range:
    return base[0] + added, base[1] + added


def _joined(ranges: Iterable[Range]) -> Range:
    """Return the range that holds all of `ranges`."""
    every = list(ranges)
    return (min(r[0] for r in every), max(r[1] for r in every)) if every else (0, 0)


def _pointer(wrapped: Any) -> int:
    """Return the C pointer inside an object of JACK-Client."""
    import jack

    return int(jack._ffi.cast("uintptr_t", wrapped._ptr))


def _library() -> Any:
    library = ctypes.CDLL(find_library("jack"))
    pointer, mode, span = ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_CRange)
    library.jack_set_latency_callback.argtypes = (pointer, _CCallback, pointer)
    library.jack_port_get_latency_range.argtypes = (pointer, mode, span)
    library.jack_port_set_latency_range.argtypes = (pointer, mode, span)
    library.jack_recompute_total_latencies.argtypes = (pointer,)
    return library
