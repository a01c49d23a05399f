"""A step on a device that may be lost, and one on the CPU that goes on within the same call with the state kept.

A device that has failed may not give its memory back, so the state is read from it every `kept_hops` hops, and what went in
since then is kept: the CPU runs those hops again. That costs one call up to so many steps more, once. Streams that share a device
lose it in the same tick, so that many of them keep fewer hops each.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast  # Any: onnxruntime's own values

import numpy as np

from models.manifest import GraphSpec
from models.step import Step, Tensors

KEPT_HOPS = 8
"""Eight of the transcriber's steps take 4 ms on a CPU, half of a hop (benchmarks/results/step_time.jsonl)."""
KEPT_TOGETHER = 32
"""Of all streams of an engine: 16 ms of the transcriber's, well within what a real-time stream may be behind (STALE_SECONDS)."""


class OnDevice(Protocol):
    """A tensor in a device's memory."""

    def numpy(self) -> Any:
        """Return it in the computer's memory."""
        ...


class FallbackStep:
    """See the module's docstring. One stream's (or one batch's); one owner, one thread."""

    def __init__(
        self, first: Step, spare: Step, graph: GraphSpec, batch: int = 1, on_problem: Callable[[str], None] | None = None
    ) -> None:  # fmt: skip
        """Args: first: on the device. spare: the same graph on the CPU; it is run once, so that its first call is behind it.

        on_problem: hears, once, why the device is not used any more.
        """
        self.first, self._spare, self._on_problem = first, spare, on_problem
        self.problem = ""  # why the device is not used any more
        self.kept_hops = KEPT_HOPS
        self._kept = [{t.name: np.zeros((batch, *t.shape), np.float32) for t in graph.inputs} for _ in range(KEPT_HOPS)]
        self._count = 0  # hops since the state was read
        self._read: Tensors = {}
        self._last: Tensors | None = None
        spare(self._kept[0], spare.initial_state())

    def initial_state(self) -> Tensors:
        """Return the state of a stream that has heard nothing, in the computer's memory."""
        return self._spare.initial_state()

    def __call__(self, inputs: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        """Run one hop; see Step. What the device raises ends its use and is no error."""
        if self.problem:
            return self._spare(inputs, state)
        try:
            if state is not self._last or self._count >= self.kept_hops:
                self._read, self._count, self._last = in_memory(state), 0, state
            outputs, new = self.first(inputs, state)
        except (
            Exception
        ) as error:  # ONNX Runtime raises many classes of its own; what is the caller's fault, the CPU raises too
            self.problem = first_line(error)
            if self._on_problem is not None:
                self._on_problem(self.problem)
            return self._go_on(inputs)
        for name, array in self._kept[self._count].items():
            array[...] = inputs[name]
        self._count, self._last = self._count + 1, new
        return outputs, new

    def _go_on(self, inputs: Tensors) -> tuple[Tensors, Tensors]:
        state = self._read
        for kept in self._kept[: self._count]:
            _, state = self._spare(kept, state)
        return self._spare(inputs, state)


def share_kept_hops(steps: Sequence[FallbackStep]) -> None:
    """Have steps that are lost together keep as many hops each as can be run again in one tick."""
    for step in steps:
        step.kept_hops = max(1, min(KEPT_HOPS, KEPT_TOGETHER // len(steps)))


def first_line(error: Exception) -> str:
    """Return what an error says first, or what it is called."""
    return (str(error).splitlines() or [""])[0] or type(error).__name__


def in_memory(state: Tensors) -> Tensors:
    """Return a copy of a state in the computer's memory, wherever it is."""
    return {
        # np.array in either case: of a value on the CPU, numpy() gives the memory itself (measured, ORT 1.31).
        name: np.array(value if isinstance(value, np.ndarray) else cast(OnDevice, value).numpy())
        for name, value in state.items()
    }
