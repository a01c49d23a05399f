"""Does a compiler in torch's place make up for ONNX Runtime? The same network eager, by torch.compile, and as the engine runs it.

torch.compile writes C++ and has the machine's compiler build it: from half a minute to some minutes a network, which is why this
is on request. Where it cannot, the row says why in place of figures. The weights are fresh: time does not depend on them.
"""

import os
import time
from collections.abc import Callable
from importlib.util import find_spec
from tempfile import TemporaryDirectory
from unittest.mock import patch

from benchmarks.command import Options, run
from benchmarks.networks import graphs_of, load_manifest, model_files
from benchmarks.record import Row
from benchmarks.step_time import onnx_call, time_paced, torch_call
from models.manifest import GraphSpec
from server.errors import BacklineError
from server.onnx_step import OnnxStep, open_session

NAME, SECONDS = "step_compiled", 3.0
NO_COMPILER = "no compiler: "


def measure(options: Options) -> list[Row]:
    """Return a row per graph and runtime, at the graph's own pace. Raises BacklineError where torch is missing."""
    if find_spec("torch") is None:
        raise BacklineError("this benchmark needs torch")
    # What an earlier run has built is no figure of this one, and may be cut off.
    with TemporaryDirectory() as folder, patch.dict(os.environ, TORCHINDUCTOR_CACHE_DIR=folder):
        return _rows(options)


def _rows(options: Options) -> list[Row]:
    rows: list[Row] = []
    for name, path in model_files(options.models).items():
        manifest = load_manifest(path)
        budget = manifest.hop / manifest.sample_rate
        for case, graph in graphs_of(name, manifest).items():
            step = OnnxStep(open_session(path, file=graph.file), graph)
            eager = torch_call(case, graph)
            if eager is None:  # a graph of somebody else's
                continue
            runtimes = {"onnxruntime cpu": onnx_call(step, graph), "torch cpu": eager}
            for runtime, call in runtimes.items():
                rows.append(_row(f"{case}, {runtime}", time_paced(call, options.seconds, budget), budget))
            call, problem, seconds = compiled(case, graph)
            if call is None:
                rows.append({"case": f"{case}, torch compiled", "problem": problem})
            else:
                figures = time_paced(call, options.seconds, budget)
                rows.append(_row(f"{case}, torch compiled", figures, budget) | {"compile_seconds": round(seconds, 1)})
    return rows


def compiled(case: str, graph: GraphSpec) -> tuple[Callable[[], object] | None, str, float]:
    """Return a compiled call that has run once, or why there is none, and the seconds that it took."""
    began = time.monotonic()
    call = torch_call(case, graph, compiled=True)
    if call is None:
        return None, "no network", 0.0
    try:
        call()
    except Exception as error:  # the compilers have a dozen classes, and all of them mean that there is none
        said = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        return None, NO_COMPILER + said[:120], time.monotonic() - began
    return call, "", time.monotonic() - began


def _row(case: str, figures: Row, budget: float) -> Row:
    return {"case": case, **figures, "budget_share": round(figures["p50_us"] / (1e6 * budget), 4)}


if __name__ == "__main__":
    raise SystemExit(run(NAME, measure, SECONDS))
