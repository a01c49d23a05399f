"""What does a stream cost when several share a call? 1, 2, 4, 8 and 16 of each player, on every provider that works.

A call is what an engine makes of a tick in which every stream has a hop (server/batched_step.py, all rows active): inputs
are written, outputs are read, state stays. `apart` is the same tick as so many calls of one stream each, and what a call
saves is the ratio of the two: the first call of a tick meets cold caches, and those after it do not, so that a call's time per
stream against that of one stream alone (`against alone`) promises more than a call gives. `shared` is whether the engine would
make that call, or smaller ones because they take less: it measures that when it loads a model. `moved` is what a stream costs
that missed the tick: its state changes sides.
"""

import time
from collections.abc import Callable
from itertools import product

import numpy as np

from benchmarks.command import Options, run
from benchmarks.networks import graphs_of, load_manifest, model_files, noise_inputs, weights_of
from benchmarks.pacing import real_time
from benchmarks.record import Row
from benchmarks.step_time import time_paced
from models.manifest import GraphSpec
from server.batched_step import SIZES, StepGroup, cover
from server.onnx_step import open_session
from server.providers import check_provider, cuda_problem
from server.row_plan import measure_costs

NAME, SECONDS = "batches", 1.0
MOVES = 50  # of a state, timed
APART = (1.0, 10.0, 100.0, 1000.0, 10000.0)  # costs by which every row has a call of its own


def measure(options: Options) -> list[Row]:
    """Return a row per graph that runs once a hop, provider and streams a call."""
    rows: list[Row] = []
    for name, path in model_files(options.models).items():
        manifest = load_manifest(path)
        budget_us = 1e6 * manifest.hop / manifest.sample_rate
        graphs = {case: graph for case, graph in graphs_of(name, manifest).items() if graph.clock == "hop"}
        for (case, graph), provider in product(graphs.items(), providers(options.provider)):
            sessions = [open_session(path, provider, size, file=graph.file) for size in SIZES]
            costs = measure_costs(sessions, graph, provider)
            alone = 0.0
            for place, streams in enumerate(SIZES):
                group = StepGroup(sessions[: place + 1], graph, _whole(place), provider)
                figures = time_paced(group_call(group, graph), options.seconds, budget_us / 1e6)
                each = figures["p50_us"] / streams
                alone = alone or each
                single = StepGroup(sessions[: place + 1], graph, APART[: place + 1], provider)
                apart = time_paced(group_call(single, graph), options.seconds, budget_us / 1e6) if place else figures
                ranges = cover((1 << streams) - 1, streams, costs[: place + 1])[1]
                rows.append(
                    {
                        "case": f"{case}, {provider}, {streams} a call",
                        **figures,
                        "per_stream_us": round(each, 1),
                        "against_alone": round(each / alone, 3),
                        "apart_p50_us": apart["p50_us"],
                        "against_apart": round(figures["p50_us"] / apart["p50_us"], 3),
                        "budget_share": round(figures["p50_us"] / budget_us, 4),
                        "budget_us": round(budget_us, 1),
                        "shared": ranges == ((0, streams),),
                        "moved_us": move_us(group),
                        "graph": case,
                        "provider": provider,
                        "streams": streams,
                        "weights": weights_of(path, graph),
                    }
                )
    return rows


def providers(wanted: str) -> list[str]:
    """Return what is measured: one that was asked for, or all that work here. Raises BacklineError."""
    if check_provider(wanted) != "auto":
        return [wanted]
    return ["cpu"] if cuda_problem() else ["cpu", "cuda"]


def group_call(group: StepGroup, graph: GraphSpec) -> Callable[[], object]:
    """Return a call of all rows of a group on noise; the rows are taken."""
    rows = [group.take() for _ in range(group.size)]
    inputs = [noise_inputs(graph) for _ in rows]

    def call() -> None:
        for row, given in zip(rows, inputs, strict=True):
            group.hear(row, given)
        group.run(rows)
        for row in rows:
            group.outputs(row)

    return call


def move_us(group: StepGroup) -> float:
    """Return the median microseconds in which a row's state changes sides."""
    times = []
    with real_time():
        for _ in range(MOVES):
            began = time.perf_counter_ns()
            group.change_side(0)
            times.append((time.perf_counter_ns() - began) / 1000)
    return round(float(np.median(times)), 2)


def _whole(place: int) -> tuple[float, ...]:
    """Return costs by which all rows are called at once."""
    return tuple(1.0 + 0.01 * size for size in range(place + 1))


if __name__ == "__main__":
    raise SystemExit(run(NAME, measure, SECONDS))
