"""How streams share calls of a graph on a provider: sessions of 1, 2, 4... rows, what each costs, and CUDA graphs where they are faster.

Found once for a graph, a provider and a size, since it takes a third of a second; groups of streams (server/batched_step.py) are then
made of it whenever one is wanted. On a device one stream alone is a row too: what replays a CUDA graph for many does for one.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from onnxruntime import InferenceSession

from models.manifest import GraphSpec
from server.batched_step import SIZES, Costs, StepGroup, cover
from server.onnx_step import open_session

COST_ROUNDS = 7  # in which every size of call is timed; the median is kept
COST_PAUSE_SECONDS = 0.005  # before each: a third of a second for an engine that starts, where rows are wanted

Place = tuple[Path, str, tuple[str, ...]]
"""A graph: the model's path, the graph's file in it, the constants that are set."""


@dataclass(frozen=True, slots=True)
class RowPlan:
    """See the module's docstring. captured: its groups replay CUDA graphs."""

    graph: GraphSpec
    provider: str
    sessions: tuple[InferenceSession, ...]
    costs: Costs
    captured: bool

    def group(self) -> StepGroup:
        """Return a new group of rows, all free. Raises what ONNX Runtime raises where a device has no room for it."""
        return StepGroup(self.sessions, self.graph, self.costs, self.provider, self.captured)

    @property
    def tick_cost(self) -> float:
        """Microseconds of a tick in which all rows have a hop."""
        size = SIZES[len(self.sessions) - 1]
        return cover((1 << size) - 1, size, self.costs)[0]


@lru_cache(maxsize=32)
def plan_rows(place: Place, graph: GraphSpec, provider: str, most: int) -> RowPlan:
    """Return how up to `most` streams (one of SIZES) share calls. Raises BacklineError where the sessions cannot be had."""
    plain = _plan(place, graph, provider, most, False)
    if provider == "cpu":
        return plain
    try:
        captured = _plan(place, graph, provider, most, True)
    except Exception:  # whatever ONNX Runtime raises, and where: a graph that it cannot capture whole is run plainly
        return plain
    return min(captured, plain, key=lambda plan: plan.tick_cost)


def measure_costs(
    sessions: Sequence[InferenceSession], graph: GraphSpec, provider: str = "cpu", captured: bool = False
) -> Costs:
    """Return the median microseconds of a call of each session, which have 1, 2, 4... rows, as one of a tick of all rows.

    Ticks are a pause apart, as an engine's are, and the sizes take turns: in a tight loop small calls look cheaper than they are.
    """
    group = StepGroup(sessions, graph, (), provider, captured)
    sizes = SIZES[: len(sessions)]
    times: list[list[float]] = []
    for _ in range(1 + COST_ROUNDS):
        times.append([])
        for size in sizes:
            time.sleep(COST_PAUSE_SECONDS)
            times[-1].append(group.tick_us(size) * size / group.size)
    return tuple(np.median(times[1:], axis=0).tolist())


def _plan(place: Place, graph: GraphSpec, provider: str, most: int, captured: bool) -> RowPlan:
    path, file, constants = place
    sizes = SIZES[: SIZES.index(most) + 1]
    sessions = tuple(open_session(path, provider, size, constants, file, captured) for size in sizes)
    return RowPlan(graph, provider, sessions, measure_costs(sessions, graph, provider, captured), captured)
