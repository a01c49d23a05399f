"""Many streams of one model in one call a tick: a row each, state in two sets of rows that swap roles.

    SlotStep (a stream's Step) -> inputs into its row -> waits (server/together.py) -> StepGroup.run -> its outputs

Streams come and go: a row is taken and given back. Those that are not in a tick are masked: their state stays where it is,
and a row that is on the other side when its neighbours are called is copied over first. Rows are called in ranges of 1, 2, 4,
8 or 16, each with a session of that fixed size; which ranges is what was measured to be cheapest (`cover`), so that
streams are called alone where sharing a call does not pay.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import count as count_from

import numpy as np
import onnxruntime

from models.manifest import GraphSpec, TensorSpec
from models.step import Tensors
from server.errors import BacklineError
from server.row_memory import ROWS, Floats, Rows

SIZES = (1, 2, 4, 8, 16)
"""Streams a call may have."""
CAPTURE_RUNS = 3  # of a binding before its CUDA graph is there
# For the whole process: a session is shared by groups, and keeps the graphs of those that are gone.
_GRAPH_NUMBERS = count_from(1)

Range = tuple[int, int]
"""(first row, rows)."""
Costs = tuple[float, ...]
"""What a call of SIZES[i] rows costs, in any one unit."""


class StepGroup:
    """The rows of one graph. One owner, one thread."""

    def __init__(
        self, sessions: Sequence[onnxruntime.InferenceSession], graph: GraphSpec, costs: Costs, device: str = "cpu",
        captured: bool = False,
    ) -> None:  # fmt: skip
        """Args: sessions: of 1, 2, 4... rows, the last as large as the group. captured: they were opened for CUDA graphs."""
        self.graph, self.size, self._costs, self._sessions = graph, SIZES[len(sessions) - 1], costs, sessions
        make = ROWS[device]
        self._inputs: dict[str, Rows] = {t.name: make(self.size, t.shape) for t in graph.inputs}
        self._outputs = tuple(_made(make, self.size, graph.outputs) for _ in "ab")
        self._states = tuple(_made(make, self.size, graph.state) for _ in "ab")
        self._side = [0] * self.size  # which set holds a row's state
        self._free = list(range(self.size))
        self._bindings: dict[tuple[int, int, int], tuple[onnxruntime.IOBinding, onnxruntime.RunOptions | None]] = {}
        self._captured = captured
        if captured:
            self._capture()

    @property
    def is_full(self) -> bool:
        """Whether no row is free."""
        return not self._free

    @property
    def is_empty(self) -> bool:
        """Whether no row is taken."""
        return len(self._free) == self.size

    def take(self) -> int:
        """Return a row that is now taken, the first free one: neighbours share calls. Its state is that of silence."""
        if not self._free:
            raise BacklineError(f"{self.size} streams share this step, which is the most")
        self._free.sort()
        row = self._free.pop(0)
        for name, rows in self._inputs.items():
            rows.put(row, np.zeros((1, *self._shape(name)), np.float32))
        self.write(row, self.initial_state())
        return row

    def give_back(self, row: int) -> None:
        """Free a row."""
        self._free.append(row)

    def initial_state(self) -> Tensors:
        """Return the state of one stream that has heard nothing, in the computer's memory."""
        return {t.name: np.full((1, *t.shape), t.initial, np.float32) for t in self.graph.state}

    def write(self, row: int, state: Tensors) -> None:
        """Take a state, each (1, *shape) in the computer's memory, as a row's."""
        for name, rows in self._states[self._side[row]].items():
            rows.put(row, state[name])

    def hear(self, row: int, inputs: Tensors) -> None:
        """Take what goes into a row next, each (1, *shape) or (*shape)."""
        for name, rows in self._inputs.items():
            rows.host[row : row + 1] = inputs[name]

    def outputs(self, row: int) -> dict[str, Floats]:
        """Return views of what came out of a row last, each (1, *shape); another row's call may write over them."""
        return {name: rows.host[row : row + 1] for name, rows in self._outputs[1 - self._side[row]].items()}

    def state_rows(self, row: int) -> dict[str, "StateRow"]:
        """Return a row's state, wherever it goes."""
        return {name: StateRow(self, row, name) for name in self._states[0]}

    def read(self, row: int, name: str) -> Floats:
        """Return a copy of one tensor of a row's state, (1, *shape)."""
        return self._states[self._side[row]][name].get(row)

    def run(self, rows: Sequence[int]) -> None:
        """Run one hop of `rows`, whose inputs are there; no other row's state changes."""
        active = sum(1 << row for row in rows)
        for first, count in cover(active, self.size, self._costs)[1]:
            self._call(first, count, [row for row in rows if first <= row < first + count])

    def tick_us(self, count: int) -> float:
        """Return the microseconds in which all rows are called, `count` at a time. Only for a group that has no streams yet."""
        began = time.perf_counter_ns()
        for first in range(0, self.size, count):
            self._exchange(first, count, 0)
        return (time.perf_counter_ns() - began) / 1000

    def keep_warm(self) -> None:
        """Call what a tick of all taken rows would call, with nobody active: no row's state changes by a bit."""
        taken = (1 << self.size) - 1
        for row in self._free:
            taken &= ~(1 << row)
        for first, size in cover(taken, self.size, self._costs)[1]:
            self._call(first, size, [])

    def change_side(self, row: int) -> None:
        """Move a row's state to the other set, where its neighbours are."""
        side = self._side[row]
        for name, rows in self._states[side].items():
            rows.move(row, self._states[1 - side][name])
        self._side[row] = 1 - side

    def _call(self, first: int, count: int, active: Sequence[int]) -> None:
        free = set(self._free)
        voters = active or [row for row in range(first, first + count) if row not in free]
        side = int(2 * sum(self._side[row] for row in voters) > len(voters))
        for row in range(first, first + count):
            if self._side[row] != side:
                if row in free:  # what is in it does not matter
                    self._side[row] = side
                else:
                    self.change_side(row)
        self._exchange(first, count, side)
        for row in active:
            self._side[row] = 1 - side

    def _exchange(self, first: int, count: int, side: int) -> None:
        for rows in self._inputs.values():
            rows.send(first, count)
        self._run_binding(first, count, side)
        for rows in self._outputs[side].values():
            rows.fetch(first, count)

    def _run_binding(self, first: int, count: int, side: int) -> None:
        session, key = self._sessions[SIZES.index(count)], (first, count, side)
        bound = self._bindings.get(key)
        if bound is None:
            bound = self._bindings[key] = (self._bind(session, *key), self._options())
        binding, options = bound
        if options is None:  # options cost 28 us a call (ORT 1.31)
            session.run_with_iobinding(binding)
        else:
            session.run_with_iobinding(binding, options)

    def _options(self) -> onnxruntime.RunOptions | None:
        """Return what gives a binding a CUDA graph of its own: one replays the addresses that it was captured with."""
        if not self._captured:
            return None
        options = onnxruntime.RunOptions()
        options.add_run_config_entry("gpu_graph_id", str(next(_GRAPH_NUMBERS)))
        return options

    def _bind(self, session: onnxruntime.InferenceSession, first: int, count: int, side: int) -> onnxruntime.IOBinding:
        binding = session.io_binding()
        named = [("", binding.bind_input, self._inputs), ("", binding.bind_output, self._outputs[side])]
        named += [("state/", binding.bind_input, self._states[side])]
        named += [("next_state/", binding.bind_output, self._states[1 - side])]
        for prefix, bind, tensors in named:
            for name, rows in tensors.items():
                shape = (count, *rows.host.shape[1:])
                bind(prefix + name, rows.device, 0, np.float32, shape, rows.pointer + first * rows.row_bytes)
        return binding

    def _capture(self) -> None:
        """Have every graph captured now, while no row is taken: it would hold up the streams that run."""
        for count in SIZES[: len(self._sessions)]:
            for first in range(0, self.size, count):
                for side in (0, 1):
                    for _ in range(CAPTURE_RUNS):
                        self._run_binding(first, count, side)

    def _shape(self, name: str) -> tuple[int, ...]:
        return next(t.shape for t in self.graph.inputs if t.name == name)


class StateRow:
    """One tensor of a stream's state, wherever it is: it changes sides with its neighbours."""

    def __init__(self, group: StepGroup, row: int, name: str) -> None:
        self._group, self._row, self._name = group, row, name

    def numpy(self) -> Floats:
        """Return a copy, (1, *shape)."""
        return self._group.read(self._row, self._name)


class SlotStep:
    """One stream's step in a group; see Step. The state that comes back is the group's: give it back, do not look inside."""

    def __init__(self, group: StepGroup, row: int, wait: Callable[["StepGroup", int], None]) -> None:
        """Args: wait: has the row run, alone or with others."""
        self.group, self.row, self._wait = group, row, wait
        # Two of each: what one call returns stays whole during the next.
        self._outputs = [{t.name: np.zeros((1, *t.shape), np.float32) for t in group.graph.outputs} for _ in "ab"]
        self._turn = 0
        self._handed: Mapping[str, object] | None = None

    def initial_state(self) -> Tensors:
        """Return the state of a stream that has heard nothing, in the computer's memory."""
        return self.group.initial_state()

    def __call__(self, inputs: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        """Run one hop; see Step."""
        if state is not self._handed:
            self.group.write(self.row, state)
        self.group.hear(self.row, inputs)
        self._wait(self.group, self.row)
        outputs, self._turn = self._outputs[self._turn], 1 - self._turn
        for name, array in self.group.outputs(self.row).items():
            outputs[name][...] = array
        self._handed = handed = self.group.state_rows(self.row)
        return outputs, handed  # type: ignore[return-value]  # rows, which are not arrays: nobody looks inside


@lru_cache(maxsize=4096)
def cover(active: int, size: int, costs: Costs) -> tuple[float, tuple[Range, ...]]:
    """Return the cheapest ranges that hold all active rows of `size`, and what they cost.

    active: a bit a row. A range of n rows begins at a multiple of n. costs: of SIZES.
    """
    if not active:
        return 0.0, ()
    whole = costs[SIZES.index(size)], ((0, size),)
    if size == 1:
        return whole
    half = size // 2
    low, first = cover(active & ((1 << half) - 1), half, costs)
    high, second = cover(active >> half, half, costs)
    apart = low + high, (*first, *((place + half, count) for place, count in second))
    return min(whole, apart, key=lambda each: each[0])


def _made(make: Callable[..., Rows], size: int, tensors: Sequence[TensorSpec]) -> dict[str, Rows]:
    return {t.name: make(size, t.shape, t.initial) for t in tensors}
