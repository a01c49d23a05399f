"""The steps of an engine's streams: on which provider, alone or in rows that share a call, with the CPU to fall back to.

StepPool (an engine) -> StreamSteps (a stream) -> OnnxStep | FallbackStep(DeviceStep | SlotStep, OnnxStep) | SlotStep
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from onnxruntime import InferenceSession

from models.manifest import GraphSpec
from models.step import Step
from server.batched_step import SIZES, Costs, SlotStep, StepGroup
from server.errors import BacklineError
from server.fallback_step import FallbackStep
from server.onnx_step import OnnxStep, open_session, open_step
from server.providers import Choice, choose_provider
from server.together import Together

COST_ROUNDS = 7  # in which every size of call is timed; the median is kept
COST_PAUSE_SECONDS = 0.005  # before each: a third of a second for an engine that starts, where batches were asked for

Place = tuple[Path, str, tuple[str, ...]]
"""A graph: the model's path, the graph's file in it, the constants that are set."""


class StepPool:
    """One engine's. One owner, one thread."""

    def __init__(self, provider: str = "auto", batch: int = 1) -> None:
        """Args: batch: streams that may share a call. Raises BacklineError where it is none of SIZES, or greenlet is missing."""
        check_batch(batch)
        self._wanted, self._batch = provider, batch
        self.together = Together() if batch > 1 else None
        self.choices: dict[str, Choice] = {}
        self._groups: dict[Place, list[StepGroup]] = {}
        self._costs: dict[Place, Costs] = {}
        self._fallbacks: list[FallbackStep] = []
        self._problems: dict[str, None] = {}  # why devices failed, in the order in which they did

    def stream(self) -> "StreamSteps":
        """Return what makes one stream's steps."""
        return StreamSteps(self)

    def make(self, place: Place, graph: GraphSpec, budget_us: float) -> Step:
        """Return a new step of a graph. budget_us: what one may take. Raises BacklineError."""
        path, file, constants = place
        choice = choose_provider(self._wanted, path, graph, budget_us, constants)
        if choice.provider != "cpu" and (problems := self.problems()):
            choice = Choice("cpu", f"{choice.provider} failed: {problems[-1]}")
        self.choices[graph.name] = choice
        if graph.clock != "hop":  # its player looks into its state, and a hop's end does not wait for it
            return OnnxStep(open_session(path, "cpu", constants=constants, file=file), graph)
        if self.together is not None:
            first: Step = self._slot(place, graph, choice.provider, self.together)
        else:
            first = open_step(open_session(path, choice.provider, constants=constants, file=file), graph)
        if choice.provider == "cpu":
            return first
        fallback = FallbackStep(
            first, OnnxStep(open_session(path, "cpu", constants=constants, file=file), graph), graph
        )
        self._fallbacks.append(fallback)
        return fallback

    def prepare(self, place: Place, graph: GraphSpec, budget_us: float) -> None:
        """Load now what a step of a graph will need: later it would hold up the streams that run. Raises BacklineError."""
        path, file, constants = place
        provider = choose_provider(self._wanted, path, graph, budget_us, constants).provider
        for one in dict.fromkeys(("cpu", provider)):
            open_session(path, one, constants=constants, file=file)
        if self.together is not None and graph.clock == "hop" and place not in self._groups:
            self._groups[place] = []
            self._groups[place].append(self._group(place, graph, provider))

    def forget(self, steps: list[Step]) -> None:
        """Give back the rows of steps that are not used any more."""
        for step in steps:
            if isinstance(step, FallbackStep) and step in self._fallbacks:
                self._fallbacks.remove(step)
            slot = step.first if isinstance(step, FallbackStep) else step
            if isinstance(slot, SlotStep):
                slot.group.give_back(slot.row)

    def problems(self) -> list[str]:
        """Return why devices are not used any more, once each."""
        self._problems |= {step.problem: None for step in self._fallbacks if step.problem}
        return list(self._problems)

    def provider(self) -> str:
        """Say where the steps run: cpu, cuda, or cpu and why no longer on a device."""
        problems = self.problems()
        if problems:
            return f"cpu, since a device failed: {problems[-1]}"
        return "+".join(sorted({choice.provider for choice in self.choices.values()})) or "cpu"

    def _slot(self, place: Place, graph: GraphSpec, provider: str, together: Together) -> SlotStep:
        groups = self._groups.setdefault(place, [])
        group = next((each for each in groups if not each.is_full), None)
        if group is None:
            group = self._group(place, graph, provider)
            groups.append(group)
        return SlotStep(group, group.take(), together.wait)

    def _group(self, place: Place, graph: GraphSpec, provider: str) -> StepGroup:
        path, file, constants = place
        sizes = SIZES[: SIZES.index(self._batch) + 1]

        def opened(captured: bool) -> list[InferenceSession]:
            return [open_session(path, provider, size, constants, file, captured) for size in sizes]

        if provider == "cpu":
            sessions, captured = opened(False), False
        else:
            sessions, captured = _captured_or_not(opened)
        if place not in self._costs:
            # Timed without capture: a replay takes less, but for every size alike.
            self._costs[place] = measure_costs(opened(False) if captured else sessions, graph, provider)
        return StepGroup(sessions, graph, self._costs[place], provider, captured, len(self._groups[place]))


class StreamSteps:
    """Makes one stream's steps and gives their rows back."""

    def __init__(self, pool: StepPool) -> None:
        self._pool = pool
        self._steps: list[Step] = []

    def make(self, place: Place, graph: GraphSpec, budget_us: float) -> Step:
        """See StepPool.make."""
        step = self._pool.make(place, graph, budget_us)
        self._steps.append(step)
        return step

    def prepare(self, place: Place, graph: GraphSpec, budget_us: float) -> None:
        """See StepPool.prepare."""
        self._pool.prepare(place, graph, budget_us)

    def close(self) -> None:
        """Give everything back; the stream makes no call any more."""
        self._pool.forget(self._steps)
        self._steps.clear()


def check_batch(batch: int) -> int:
    """Return `batch`. Raises BacklineError where no call has that many streams."""
    if batch not in SIZES:
        raise BacklineError(f"batch is {batch}; allowed: {', '.join(map(str, SIZES))} streams a call")
    return batch


def measure_costs(sessions: Sequence[InferenceSession], graph: GraphSpec, provider: str = "cpu") -> Costs:
    """Return the median microseconds of a call of each session, which have 1, 2, 4... rows, as one of a tick of all rows.

    Ticks are a pause apart, as an engine's are, and the sizes take turns: in a tight loop small calls look cheaper than they are.
    """
    group = StepGroup(sessions, graph, (), provider)
    sizes = SIZES[: len(sessions)]
    times: list[list[float]] = []
    for _ in range(1 + COST_ROUNDS):
        times.append([])
        for size in sizes:
            time.sleep(COST_PAUSE_SECONDS)
            times[-1].append(group.tick_us(size) * size / group.size)
    return tuple(np.median(times[1:], axis=0).tolist())


def _captured_or_not(opened: Callable[[bool], list[InferenceSession]]) -> tuple[list[InferenceSession], bool]:
    """Return sessions for CUDA graphs, or plain ones where ONNX Runtime cannot capture this graph."""
    try:
        return opened(True), True
    except BacklineError:
        return opened(False), False
