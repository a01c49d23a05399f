"""What would a GPU give? Step time of every model on CUDA, beside the CPU in the same run, for 1, 2, 4, 8 and 16 streams a call.

ONNX Runtime as an engine runs it (`rows`, and `rows, graph`: the same replayed as CUDA graphs), with one binding and no rows, with
nothing bound (`unbound`), and by TensorRT where its libraries are; torch eager, by torch.compile and as a captured CUDA graph.
Every call starts with audio in the computer's memory and ends with the outputs there; state stays on the device. Calls
are paced at the model's hop: a GPU that idles between them clocks down, and a tight loop would hide it. `after a rest` is what a
pause costs, left alone and kept warm as an engine does (server/keep_warm.py). `difference` is how far the outputs are from the
CPU's after a few hops. Needs numpy, onnxruntime-gpu and torch and nothing else.

    PYTHONPATH=. python3 benchmarks/step_time_gpu.py [--only transcriber] [--batches 1 16]

All of it takes half an hour or so; parts of it may be run apart. With `--provider cpu` it is rehearsed: the same code with the CPU
for a GPU, whose figures say nothing of one.
"""

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any  # Any: torch and onnxruntime objects, where they are installed

from benchmarks.command import Options, run
from benchmarks.networks import graphs_of, load_manifest, model_files, weights_of
from benchmarks.record import Row
from models.manifest import GraphSpec
from server.errors import BacklineError

NAME, SECONDS = "step_time_gpu", 2.0
BATCHES = (1, 2, 4, 8, 16)
COMPILED_BATCHES = (1, 16)  # each takes half a minute and more
RESTED_BATCHES = (1, 16)
LONG_RESTS = {
    "transcriber": 20.0
}  # seconds after which a driver has lowered the clocks; of one graph, since it takes minutes
SERVED = ("onnxruntime cpu", "onnxruntime cuda", "onnxruntime cuda, rows", "onnxruntime cuda, rows, graph")
"""What an engine may run: the picture of where a GPU breaks even is drawn from these."""
REHEARSED = "rehearsal"
"""What `cuda` is called where the CPU stands in for it."""
Call = Callable[[], object]


def measure(options: Options, only: str = "", batches: Sequence[int] = BATCHES) -> list[Row]:
    """Return a row per model, batch and runtime. only: the model that is measured. Raises BacklineError where there is none."""
    rows: list[Row] = []
    files = model_files(options.models)
    if only and only not in files:
        raise BacklineError(f"there is no model '{only}'; there are: {', '.join(files)}")
    for name, path in files.items():
        if only not in ("", name):
            continue
        manifest = load_manifest(path)
        budget = manifest.hop / manifest.sample_rate
        for (case, graph), batch in product(graphs_of(name, manifest).items(), batches):
            if graph.clock == "hop":
                device = "cpu" if options.provider == "cpu" else "cuda"
                rows += measure_graph(path, case, graph, batch, device, options.seconds, budget)
    return rows


def measure_graph(
    path: Path, case: str, graph: GraphSpec, batch: int, device: str, seconds: float, budget: float
) -> list[Row]:
    """Return the rows of one graph and batch. device: cuda, or cpu to rehearse. budget: seconds of a hop."""
    from benchmarks.step_time import time_paced

    rows: list[Row] = []
    word = device if device == "cuda" else REHEARSED
    shared = {"graph": case, "streams": batch, "weights": weights_of(path, graph)}
    for runtime, call, more in calls_of(path, case, graph, batch, device):
        runtime = runtime.format(word)
        figures = time_paced(call, seconds, budget)
        rows.append(
            {
                "case": f"{case}, batch {batch}, {runtime}",
                **figures,
                "budget_share": round(figures["p50_us"] / (1e6 * budget), 4),
                **more,
                "provider": word if word in runtime else "cpu",
                **(shared if runtime in SERVED else {}),
            }
        )
    if batch in RESTED_BATCHES:
        for condition, figures in rested(path, case, graph, batch, device, seconds):
            label = f"{case}, batch {batch}, onnxruntime {word}, {condition}"
            rows.append({"case": label, **figures, "provider": word})
    return rows


def calls_of(path: Path, name: str, graph: GraphSpec, batch: int, device: str) -> Iterator[tuple[str, Call, Row]]:
    """Yield each runtime's name ({}: the device), a call of one step, and what else there is to say of it."""
    from benchmarks.batches import group_call
    from benchmarks.device_step import DeviceStep
    from benchmarks.gpu_parity import group_difference, step_difference
    from benchmarks.step_time import onnx_call, unbound_call
    from server.onnx_step import OnnxStep, open_session

    def new_cpu() -> OnnxStep:
        return OnnxStep(open_session(path, "cpu", batch, file=graph.file), graph, batch)

    session = open_session(path, device, batch, file=graph.file)
    yield "onnxruntime cpu", onnx_call(new_cpu(), graph, batch), {}
    bound = DeviceStep(session, graph, batch, device)
    apart = f"{step_difference(bound, new_cpu(), graph, batch):.1e}"
    yield "onnxruntime {}", onnx_call(bound, graph, batch), {"difference": apart}
    yield "onnxruntime {}, unbound", unbound_call(session, graph, batch), {}
    for captured in (False, True):
        with said(f"{name}, batch {batch}, captured {captured}: no rows"):
            apart = f"{group_difference(rows_of(path, graph, batch, device, captured), new_cpu()):.1e}"
            call = group_call(rows_of(path, graph, batch, device, captured), graph)
            yield f"onnxruntime {{}}, rows{', graph' if captured else ''}", call, {"difference": apart}
    with said(f"{name}, batch {batch}: no TensorRT"):
        began = time.monotonic()
        step = DeviceStep(tensorrt_session(path, graph, batch), graph, batch, "cuda")
        call = onnx_call(step, graph, batch)
        call()
        built = round(time.monotonic() - began, 1)
        apart = f"{step_difference(step, new_cpu(), graph, batch):.1e}"
        yield "onnxruntime tensorrt on {}", call, {"difference": apart, "build_seconds": built}
    yield from torch_calls(name, graph, batch, device)


def torch_calls(name: str, graph: GraphSpec, batch: int, device: str) -> Iterator[tuple[str, Call, Row]]:
    """Yield the same of torch; nothing where it has no such network."""
    from benchmarks.step_time import torch_call

    eager = torch_call(name, graph, batch)
    if eager is None:
        return
    yield "torch cpu", eager, {}
    yield "torch {}", torch_device_call(name, graph, batch, device), {}
    if batch in COMPILED_BATCHES:
        with said(f"{name}, batch {batch}: torch cannot compile this network"):
            compiled = torch_call(name, graph, batch, device, compiled=True)
            assert compiled is not None
            began = time.monotonic()
            compiled()
            took = {"build_seconds": round(time.monotonic() - began, 1)}
            yield "torch {} compiled, inputs on the device", compiled, took
    with said(f"{name}, batch {batch}: torch cannot capture this network"):
        yield "torch {} graph", torch_device_call(name, graph, batch, device, graphed=True), {}


class said:  # noqa: N801  # reads as a word: with said("...")
    """Whatever compilers, libraries and captures raise that are not there or fail is said, and the run goes on."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, Exception):
            return False
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        print(f"{self._what}: {reason[:160]}", file=sys.stderr)
        return True


def rows_of(path: Path, graph: GraphSpec, batch: int, device: str, captured: bool) -> Any:
    """Return a group of streams that are all called at once. Raises what ONNX Runtime raises where the graph cannot be captured."""
    from server.batched_step import StepGroup
    from server.onnx_step import open_session

    sizes = BATCHES[: BATCHES.index(batch) + 1]
    sessions = [open_session(path, device, size, file=graph.file, captured=captured) for size in sizes]
    return StepGroup(sessions, graph, tuple(1.0 + 0.01 * size for size in sizes), device, captured)


def rested(
    path: Path, case: str, graph: GraphSpec, batch: int, device: str, seconds: float
) -> Iterator[tuple[str, Row]]:
    """Yield figures of calls after a rest: left alone, and kept warm as often as an engine may."""
    from benchmarks.batches import group_call
    from benchmarks.step_conditions import REST_SECONDS, time_rested
    from server.keep_warm import RESTS_MS

    rests = [(REST_SECONDS, seconds, RESTS_MS)]
    if case in LONG_RESTS:
        rests.append((LONG_RESTS[case], 30 * seconds, RESTS_MS[-1:]))
    for rest, most, kept_ms in rests:
        group = rows_of(path, graph, batch, device, False)
        call = group_call(group, graph)
        yield f"after a rest of {rest:g} s", time_rested(call, most, rest)
        for every_ms in kept_ms:

            def pause(length: float, group: Any = group, every: float = every_ms / 1000) -> None:
                ends = time.monotonic() + length
                while (left := ends - time.monotonic()) > 0:
                    time.sleep(min(every, left))
                    group.keep_warm()

            yield f"after a rest of {rest:g} s, kept warm every {every_ms} ms", time_rested(call, most, rest, pause)


def tensorrt_session(path: Path, graph: GraphSpec, batch: int) -> Any:
    """Return a session that TensorRT runs in float32. Raises BacklineError where it is not there."""
    import onnxruntime

    from models.model_parts import read_part
    from server.onnx_step import session_options

    wanted = "TensorrtExecutionProvider"
    if wanted not in onnxruntime.get_available_providers():
        raise BacklineError("this ONNX Runtime is built without it")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own words for what is said below
        session = onnxruntime.InferenceSession(
            read_part(path, graph.file), session_options(batch), providers=[wanted, "CUDAExecutionProvider"]
        )
    if session.get_providers()[0] != wanted:
        raise BacklineError("ONNX Runtime cannot start it (it needs NVIDIA's libraries of TensorRT 10)")
    return session


def torch_device_call(name: str, graph: GraphSpec, batch: int, device: str, graphed: bool = False) -> Call:
    """Return a call of one step in torch on a device, eager or as a captured graph. Raises RuntimeError where it cannot be."""
    import torch

    from benchmarks.networks import noise_inputs, torch_network

    network: Any = torch_network(name)
    network, pinned = network.to(device), device == "cuda"
    host = [torch.from_numpy(array) for array in noise_inputs(graph, batch).values()]
    host = [tensor.pin_memory() for tensor in host] if pinned else host
    inputs = [tensor.clone().to(device) for tensor in host]
    state = {key: tensor.to(device) for key, tensor in network.initial_state(batch).items()}

    def step() -> dict[str, Any]:
        with torch.no_grad():
            outputs, new = network.step(*inputs, state)
            for key, tensor in new.items():
                state[key].copy_(tensor)
        return dict(outputs)

    replay, outputs = (_capture(step)) if graphed else (None, step())
    back = {key: torch.empty(tensor.shape, pin_memory=pinned) for key, tensor in outputs.items()}

    def call() -> None:
        for source, target in zip(host, inputs, strict=True):
            target.copy_(source, non_blocking=True)
        if replay is not None:
            replay()
        for key, tensor in (outputs if replay is not None else step()).items():
            back[key].copy_(tensor, non_blocking=True)
        if pinned:
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
    more = argparse.ArgumentParser(add_help=False)
    more.add_argument("--only", default="", metavar="MODEL", help="the model that is measured (default all)")
    more.add_argument(
        "--batches", type=int, nargs="+", choices=BATCHES, default=BATCHES, help="streams a call (default all)"
    )
    chosen, others = more.parse_known_args()
    rehearsed = "cpu" in others or "--provider=cpu" in others
    reason = "" if rehearsed else missing()
    if reason:
        print(f"step_time_gpu: {reason}", file=sys.stderr)
        return 2
    return run(NAME, partial(measure, only=chosen.only, batches=chosen.batches), SECONDS, more=more)


if __name__ == "__main__":
    raise SystemExit(main())
