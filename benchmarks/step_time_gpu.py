"""What would a GPU give? Step time of every model on CUDA, beside the CPU in the same run, for 1, 2, 4, 8 and 16 streams a call.

ONNX Runtime as the engine runs it for one stream (`onnxruntime`), for several (`rows`, with and without CUDA graphs), with nothing
bound (`unbound`) and after a rest, in which a GPU clocks down; torch eager, by torch.compile and as a captured CUDA graph.
Every call starts with audio in the computer's memory and ends with the outputs there; state stays on the device. Calls
are paced at the model's hop: a GPU that idles between them clocks down, and a tight loop would hide it. `difference` is
how far the outputs are from the CPU's after a few hops. Needs numpy, onnxruntime-gpu and torch and nothing else.

    PYTHONPATH=. python3 benchmarks/step_time_gpu.py
"""

import sys
import warnings
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any  # Any: torch and onnxruntime objects, where they are installed

import numpy as np

from benchmarks.command import Options, run
from benchmarks.networks import graphs_of, load_manifest, model_files, noise_inputs, torch_network, weights_of
from benchmarks.record import Row
from models.manifest import GraphSpec
from models.step import Step
from server.errors import BacklineError

NAME, SECONDS = "step_time_gpu", 2.0
BATCHES = (1, 2, 4, 8, 16)
COMPARED_HOPS = 20
COMPILED_BATCHES = (1, 16)  # each takes half a minute and more
SERVED = ("onnxruntime cpu", "onnxruntime cuda", "onnxruntime cuda, rows", "onnxruntime cuda, rows, graph")
"""What an engine may run: the picture of where a GPU breaks even is drawn from these."""
Call = Callable[[], object]


def measure(options: Options) -> list[Row]:
    """Return a row per model, batch and runtime."""
    from benchmarks.step_conditions import time_rested
    from benchmarks.step_time import onnx_call, time_paced
    from server.onnx_step import DeviceStep, OnnxStep, open_session

    rows: list[Row] = []
    for name, path in model_files(options.models).items():
        manifest = load_manifest(path)
        budget = manifest.hop / manifest.sample_rate
        for (case, graph), batch in product(graphs_of(name, manifest).items(), BATCHES):
            if graph.clock != "hop":
                continue
            cuda = DeviceStep(open_session(path, "cuda", batch, file=graph.file), graph, batch, "cuda")
            cpu = OnnxStep(open_session(path, "cpu", batch, file=graph.file), graph, batch)
            apart = difference(cuda, cpu, graph, batch)
            shared = {"graph": case, "streams": batch, "weights": weights_of(path, graph)}
            for runtime, call in calls_of(path, case, graph, batch, cuda, cpu):
                figures = time_paced(call, options.seconds, budget)
                rows.append(
                    {
                        "case": f"{case}, batch {batch}, {runtime}",
                        **figures,
                        "budget_share": round(figures["p50_us"] / (1e6 * budget), 4),
                        "difference": f"{apart:.1e}" if runtime == "onnxruntime cuda" else "",
                        "provider": "cuda" if "cuda" in runtime else "cpu",
                        **(shared if runtime in SERVED else {}),
                    }
                )
            if batch == 1:
                rested = time_rested(onnx_call(cuda, graph), options.seconds)
                rows.append({"case": f"{case}, batch 1, onnxruntime cuda, after a rest", **rested, "provider": "cuda"})
    return rows


def calls_of(path: Path, name: str, graph: GraphSpec, batch: int, cuda: Step, cpu: Step) -> Iterator[tuple[str, Call]]:
    """Yield each runtime's name and a call of one step."""
    from benchmarks.step_time import onnx_call, torch_call, unbound_call
    from server.onnx_step import open_session

    yield "onnxruntime cpu", onnx_call(cpu, graph, batch)
    yield "onnxruntime cuda", onnx_call(cuda, graph, batch)
    yield "onnxruntime cuda, unbound", unbound_call(open_session(path, "cuda", batch, file=graph.file), graph, batch)
    for captured in (False, True):
        try:
            yield f"onnxruntime cuda, rows{', graph' if captured else ''}", rows_call(path, graph, batch, captured)
        except (BacklineError, RuntimeError) as error:
            reason = (str(error).splitlines() or [""])[0]
            print(f"{name}, batch {batch}, captured {captured}: no rows on CUDA: {reason}", file=sys.stderr)
    eager = torch_call(name, graph, batch)
    if eager is None:
        return
    yield "torch cpu", eager
    yield "torch cuda", torch_cuda_call(name, graph, batch)
    if batch in COMPILED_BATCHES:
        compiled = torch_call(name, graph, batch, "cuda", compiled=True)
        assert compiled is not None
        try:
            compiled()
        except Exception as error:  # a dozen classes of compilers that are missing or fail
            print(f"{name}, batch {batch}: torch cannot compile this network: {type(error).__name__}", file=sys.stderr)
        else:
            yield "torch cuda compiled, inputs on the device", compiled
    try:
        graphed = torch_cuda_call(name, graph, batch, graphed=True)
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        print(f"{name}, batch {batch}: torch cannot capture this network: {reason}", file=sys.stderr)
        return
    yield "torch cuda graph", graphed


def rows_call(path: Path, graph: GraphSpec, batch: int, captured: bool) -> Call:
    """Return a call of a group of streams with all rows active. Raises BacklineError where the graph cannot be captured."""
    from benchmarks.batches import group_call
    from server.batched_step import StepGroup
    from server.onnx_step import open_session

    sizes = BATCHES[: BATCHES.index(batch) + 1]
    sessions = [open_session(path, "cuda", size, file=graph.file, captured=captured) for size in sizes]
    return group_call(StepGroup(sessions, graph, tuple(map(float, range(len(sizes)))), "cuda", captured), graph)


def difference(cuda: Step, cpu: Step, graph: GraphSpec, batch: int) -> float:
    """Return how far the outputs of two steps are apart at most, after hops that all differ."""
    state, device_state, largest = cpu.initial_state(), cuda.initial_state(), 0.0
    for hop in range(COMPARED_HOPS):
        inputs = {name: array * np.float32(1 + hop % 3) for name, array in noise_inputs(graph, batch).items()}
        expected, state = cpu(inputs, state)
        found, device_state = cuda(inputs, device_state)
        largest = max(largest, *(float(np.abs(found[name] - expected[name]).max()) for name in found))
    return largest


def torch_cuda_call(name: str, graph: GraphSpec, batch: int, graphed: bool = False) -> Call:
    """Return a call of one step in torch on CUDA, eager or as a captured graph. Raises RuntimeError where it cannot be."""
    import torch

    network: Any = torch_network(name)
    network = network.to("cuda")
    host = [torch.from_numpy(array).pin_memory() for array in noise_inputs(graph, batch).values()]
    inputs = [tensor.to("cuda") for tensor in host]
    state = {key: tensor.to("cuda") for key, tensor in network.initial_state(batch).items()}

    def step() -> dict[str, Any]:
        with torch.no_grad():
            outputs, new = network.step(*inputs, state)
            for key, tensor in new.items():
                state[key].copy_(tensor)
        return dict(outputs)

    replay, outputs = (_capture(step)) if graphed else (None, step())
    back = {key: torch.empty(tensor.shape, pin_memory=True) for key, tensor in outputs.items()}

    def call() -> None:
        for source, target in zip(host, inputs, strict=True):
            target.copy_(source, non_blocking=True)
        if replay is not None:
            replay()
        for key, tensor in (outputs if replay is not None else step()).items():
            back[key].copy_(tensor, non_blocking=True)
        torch.cuda.synchronize()

    return call


def _capture(step: Callable[[], dict[str, Any]]) -> tuple[Call, dict[str, Any]]:
    """Return the replay of a captured step and the outputs it writes (recipe: torch documentation, CUDA graphs)."""
    import torch

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    captured = torch.cuda.CUDAGraph()
    with torch.cuda.graph(captured):
        outputs = step()
    return captured.replay, outputs


def missing() -> str:
    """Return why nothing can be measured here, as one sentence; empty where it can."""
    try:
        import onnxruntime
        import torch
    except ImportError as error:
        return f"this benchmark needs the Python package '{error.name}'"
    if not torch.cuda.is_available():
        return "torch finds no CUDA device here; backline bench step_time measures the CPU"
    if hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()  # onnxruntime finds the CUDA libraries that came with torch
    try:
        from server.onnx_step import open_session

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # onnxruntime's own words for what is said below
            open_session(next(iter(model_files().values())), "cuda")
    except BacklineError as error:
        return f"{error}; install onnxruntime-gpu, and not onnxruntime beside it"
    return ""


def main() -> int:
    """Run the command line; exit code 2 with one sentence where there is nothing to measure."""
    reason = missing()
    if reason:
        print(f"step_time_gpu: {reason}", file=sys.stderr)
        return 2
    return run(NAME, measure, SECONDS)


if __name__ == "__main__":
    raise SystemExit(main())
