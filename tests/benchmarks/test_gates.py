"""What must stay true of steps, whatever the machine: ratios of two ways to do the same, taken in turns in the same run.

`pytest tests/benchmarks/test_gates.py` runs them; each round is one call of either. A limit leaves room for a machine that does other
things: what is measured on a quiet one stands beside it.
"""

import time
from collections.abc import Callable
from statistics import median

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.batches import APART, group_call
from benchmarks.networks import graphs_of
from benchmarks.step_time import copied_call, onnx_call, torch_call, unbound_call
from models.model_file import read_manifest
from models.registry import bundled_files
from server.batched_step import SIZES, StepGroup
from server.fallback_step import FallbackStep
from server.onnx_step import OnnxStep, open_session

ROUNDS, WARM_UP = 80, 20
TOGETHER = (1.0, 1.1, 1.2)  # costs by which four rows are called at once
GRAPHS = {
    case: (path, graph)
    for name, path in bundled_files().items()
    for case, graph in graphs_of(name, read_manifest(path)).items()
}
Call = Callable[[], object]


@pytest.fixture
def ratio(benchmark: BenchmarkFixture) -> Callable[[Call, Call], float]:
    """A function (one, other) -> the median time of one over that of the other."""

    def measure(one: Call, other: Call) -> float:
        times: tuple[list[int], list[int]] = ([], [])

        def pair() -> None:
            for call, taken in zip((one, other), times, strict=True):
                began = time.perf_counter_ns()
                call()
                taken.append(time.perf_counter_ns() - began)

        for _ in range(WARM_UP):
            pair()
        for taken in times:
            taken.clear()
        benchmark.pedantic(pair, rounds=ROUNDS)
        while len(times[0]) < ROUNDS:  # where pytest-benchmark is switched off it calls once
            pair()
        found = median(times[0]) / median(times[1])
        benchmark.extra_info["ratio"] = round(found, 3)
        return found

    return measure


def new_step(name: str) -> OnnxStep:
    path, graph = GRAPHS[name]
    return OnnxStep(open_session(path, file=graph.file), graph)


@pytest.mark.benchmark(group="bound / unbound")
@pytest.mark.parametrize("name", GRAPHS)
def test_bound_buffers_are_no_slower_than_arrays_made_anew(name: str, ratio: Callable[[Call, Call], float]):
    path, graph = GRAPHS[name]
    unbound = unbound_call(open_session(path, file=graph.file), graph)
    assert ratio(onnx_call(new_step(name), graph), unbound) < 1.3  # 0.5 to 0.95


@pytest.mark.benchmark(group="state carried / copied in")
@pytest.mark.parametrize("name", ["transcriber", "performer"])
def test_a_state_that_is_handed_back_is_no_dearer_than_one_that_is_copied(
    name: str, ratio: Callable[[Call, Call], float]
):
    graph = GRAPHS[name][1]
    assert ratio(onnx_call(new_step(name), graph), copied_call(new_step(name), graph)) < 1.2  # 0.95 to 1


@pytest.mark.benchmark(group="ONNX Runtime / torch")
@pytest.mark.parametrize("name", ["transcriber", "performer"])
def test_a_step_is_faster_than_the_same_in_torch(name: str, ratio: Callable[[Call, Call], float]):
    graph = GRAPHS[name][1]
    eager = torch_call(name, graph)
    assert eager is not None
    assert ratio(onnx_call(new_step(name), graph), eager) < 0.9  # 0.35 to 0.5


@pytest.mark.benchmark(group="four streams in a call / four calls")
@pytest.mark.parametrize("name", ["probe", "translator play"])
def test_four_streams_in_one_call_are_cheaper_than_four_calls(name: str, ratio: Callable[[Call, Call], float]):
    path, graph = GRAPHS[name]
    sessions = [open_session(path, "cpu", size, file=graph.file) for size in SIZES[:3]]
    together, apart = (group_call(StepGroup(sessions, graph, costs[:3]), graph) for costs in (TOGETHER, APART))
    assert ratio(together, apart) < 1.0  # 0.5 to 0.7


@pytest.mark.benchmark(group="with a fall-back / without")
def test_to_be_ready_for_a_lost_device_costs_little(ratio: Callable[[Call, Call], float]):
    graph = GRAPHS["transcriber"][1]
    ready = FallbackStep(new_step("transcriber"), new_step("transcriber"), graph)
    assert ratio(onnx_call(ready, graph), onnx_call(new_step("transcriber"), graph)) < 1.3  # 1.02
