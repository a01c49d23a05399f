"""Where a model's steps run: on the CPU or on CUDA. Asked for, or found by measuring when the model is loaded.

What ONNX Runtime was built with says nothing about what works: a session that cannot have CUDA is given the CPU without a
word. So the truth is a session's own list of providers, after it was opened.
"""

import contextlib
import io
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.manifest import GraphSpec
from models.registry import bundled_files
from server.batched_step import StepGroup
from server.errors import BacklineError
from server.fallback_step import first_line
from server.onnx_step import PROVIDERS, open_session
from server.row_plan import Place, plan_rows

ALLOWED = ("auto", *PROVIDERS)
WARM_UP_TICKS, MEASURED_TICKS = 10, 24
LONGEST_PAUSE_SECONDS = (
    0.01  # between two measured ticks: a GPU that idles between hops clocks down, a tight loop hides it
)
SPREAD = 90.0  # percentile that must lie within the budget
GAIN = 0.9  # of the CPU's median: what a device that can be lost has to be under before it is taken

Times = NDArray[np.float64]
"""Microseconds of paced ticks."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A provider, and why it was taken, in words."""

    provider: str
    why: str

    def __str__(self) -> str:
        return f"{self.provider}: {self.why}"


def check_provider(wanted: str) -> str:
    """Return `wanted`. Raises BacklineError where there is no such provider, or where it is CUDA and that does not work here."""
    if wanted not in ALLOWED:
        raise BacklineError(f"provider is '{wanted}'; allowed: {', '.join(ALLOWED)}")
    if wanted == "cuda" and (problem := cuda_problem()):
        raise BacklineError(f"provider is 'cuda', and {problem}; `--provider auto` runs on the CPU here")
    return wanted


def is_built_with_cuda() -> bool:
    """Whether this ONNX Runtime has CUDA in it, which does not say that it works."""
    return PROVIDERS["cuda"] in onnxruntime.get_available_providers()


@lru_cache(maxsize=1)
def cuda_problem() -> str:
    """Return why no model can run on CUDA here; empty where one can. Tried once, with the smallest model."""
    if not is_built_with_cuda():
        return "this ONNX Runtime is built without CUDA (install backline[gpu] in place of backline[cpu])"
    if hasattr(onnxruntime, "preload_dlls"):
        with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does not find
            onnxruntime.preload_dlls()  # the CUDA libraries that came as Python packages
    try:
        open_session(bundled_files()["probe"], "cuda")
    except BacklineError:
        return "ONNX Runtime cannot start CUDA on this machine (it needs an NVIDIA driver, CUDA 13 and cuDNN 9)"
    return ""


@lru_cache(maxsize=32)
def choose_provider(wanted: str, place: Place, graph: GraphSpec, budget_us: float, batch: int = 1) -> Choice:
    """Return where a graph runs. budget_us: what a tick may take. batch: streams of one. Raises BacklineError as check_provider.

    auto measures a few ticks on every provider that works, and only where there is more than one, in the way in which an
    engine would run them. A graph that does not run once a hop stays on the CPU: it runs twice a second, and its player looks
    into its state.
    """
    check_provider(wanted)
    if wanted == "cpu":
        return Choice("cpu", "asked for")
    if graph.clock != "hop":
        return Choice("cpu", f"one step a {graph.clock} needs no other")
    if wanted == "cuda":
        return Choice("cuda", "asked for")
    if problem := cuda_problem():
        return Choice("cpu", problem)
    period = min(budget_us / 1e6, LONGEST_PAUSE_SECONDS)
    try:
        groups = {name: plan_rows(place, graph, name, batch).group() for name in PROVIDERS}
        return faster({name: time_ticks(group, period) for name, group in groups.items()}, budget_us)
    except Exception as error:  # of ONNX Runtime's many: a device that cannot even be measured is none to play on
        return Choice("cpu", f"a device failed when it was measured: {first_line(error)}")


def faster(times: Mapping[str, Times], budget_us: float) -> Choice:
    """Return the provider whose median is least among those that keep within the budget, or among all where none does.

    Another one than the CPU has to be faster by a tenth.
    """
    medians = {name: float(np.median(values)) for name, values in times.items()}
    within = [name for name, values in times.items() if np.percentile(values, SPREAD) <= budget_us] or list(times)
    best = min(within, key=lambda name: medians[name])
    if best != "cpu" and "cpu" in within and medians[best] > GAIN * medians["cpu"]:
        best = "cpu"
    measured = ", ".join(f"{name} {median:.0f} us" for name, median in medians.items())
    return Choice(best, f"measured {measured} a tick, budget {budget_us:.0f} us")


def time_ticks(group: StepGroup, period: float, count: int = MEASURED_TICKS) -> Times:
    """Return (count,) microseconds of ticks of all rows on noise, one every `period` seconds or more, after a few that are not counted."""
    generator = np.random.default_rng(0)
    inputs = {t.name: generator.uniform(0, 0.1, (1, *t.shape)).astype(np.float32) for t in group.graph.inputs}
    rows, times = [group.take() for _ in range(group.size)], np.zeros(count)
    for turn in range(-WARM_UP_TICKS, count):
        if turn >= 0:
            time.sleep(period)
        began = time.perf_counter_ns()
        for row in rows:
            group.hear(row, inputs)
        group.run(rows)
        for row in rows:
            group.outputs(row)
        if turn >= 0:
            times[turn] = (time.perf_counter_ns() - began) / 1000
    return times
