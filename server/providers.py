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
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.manifest import GraphSpec
from models.registry import bundled_files
from models.step import Step
from server.errors import BacklineError
from server.onnx_step import PROVIDERS, open_session, open_step

ALLOWED = ("auto", *PROVIDERS)
WARM_UP_STEPS, MEASURED_STEPS = 10, 24
LONGEST_PAUSE_SECONDS = (
    0.01  # between two measured steps: a GPU that idles between hops clocks down, a tight loop hides it
)
SPREAD = 90.0  # percentile that must lie within the budget
GAIN = 0.9  # of the CPU's median: what a device that can be lost has to be under before it is taken

Times = NDArray[np.float64]
"""Microseconds of paced steps."""


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


@lru_cache(maxsize=1)
def cuda_problem() -> str:
    """Return why no model can run on CUDA here; empty where one can. Tried once, with the smallest model."""
    if PROVIDERS["cuda"] not in onnxruntime.get_available_providers():
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
def choose_provider(
    wanted: str, path: Path, graph: GraphSpec, budget_us: float, constants: tuple[str, ...] = ()
) -> Choice:
    """Return where a graph of the model at `path` runs. budget_us: what a step may take. Raises BacklineError as check_provider.

    auto measures a few steps on every provider that works, and only where there is more than one. A graph that does not run
    once a hop stays on the CPU: it runs twice a second, and its player looks into its state.
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
    sessions = {name: open_session(path, name, constants=constants, file=graph.file) for name in PROVIDERS}
    return faster({name: time_steps(open_step(one, graph), graph, period) for name, one in sessions.items()}, budget_us)


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
    return Choice(best, f"measured {measured} a step, budget {budget_us:.0f} us")


def time_steps(step: Step, graph: GraphSpec, period: float, count: int = MEASURED_STEPS) -> Times:
    """Return (count,) microseconds of steps on noise, one every `period` seconds or more, after a few that are not counted."""
    generator = np.random.default_rng(0)
    inputs = {t.name: generator.uniform(0, 0.1, (1, *t.shape)).astype(np.float32) for t in graph.inputs}
    state, times = step.initial_state(), np.zeros(count)
    for turn in range(-WARM_UP_STEPS, count):
        if turn >= 0:
            time.sleep(period)
        began = time.perf_counter_ns()
        _, state = step(inputs, state)
        if turn >= 0:
            times[turn] = (time.perf_counter_ns() - began) / 1000
    return times
