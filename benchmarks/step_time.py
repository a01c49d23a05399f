"""How long does one step of each model take, and what share of its budget is that?

Steps are paced at the model's own hop rate and at 1 kHz, through the object that the engine uses (buffers bound once). Beside
it what it spares: the same call with nothing bound (`unbound`: arrays made for every call), and with a state that is not the
last one (`state copied in`); and the same network in torch, as code without a server would call it.
"""

import time
from collections.abc import Callable

import numpy as np
import onnxruntime

from benchmarks.command import Options, run
from benchmarks.device_step import open_step
from benchmarks.networks import graphs_of, load_manifest, model_files, noise_inputs, torch_network
from benchmarks.pacing import WARM_UP_CALLS, Pacer, calls, real_time
from benchmarks.record import Row, percentiles
from models.manifest import GraphSpec
from models.step import Step
from server.onnx_step import open_session
from server.providers import check_provider

NAME, SECONDS = "step_time", 3.0
OWN_PACE = "own pace"
EVERY_PACE = ("onnxruntime", "torch cpu")  # what is called at 1 kHz too


def measure(options: Options) -> list[Row]:
    """Return a row per model, runtime and pace."""
    rows: list[Row] = []
    provider = "cpu" if check_provider(options.provider) == "auto" else options.provider
    models = {name: (path, load_manifest(path)) for name, path in model_files(options.models).items()}
    graphs = [
        (path, manifest, *each)
        for name, (path, manifest) in models.items()
        for each in graphs_of(name, manifest).items()
    ]
    for path, manifest, name, graph in graphs:
        budget = manifest.hop / manifest.sample_rate
        state_kb = round(sum(value.nbytes for value in silent_state(graph).values()) / 1000, 1)
        for pace, period in ((OWN_PACE, budget), ("1 kHz", 0.001)):
            session = open_session(path, provider, file=graph.file)
            runtimes = {
                # New steps each time, so that the first call is one.
                f"onnxruntime {provider}": onnx_call(open_step(session, graph), graph),
                f"onnxruntime {provider}, unbound": unbound_call(session, graph),
                f"onnxruntime {provider}, state copied in": copied_call(open_step(session, graph), graph),
                "torch cpu": torch_call(name, graph),
            }
            for runtime, call in runtimes.items():
                if call is None or (pace != OWN_PACE and runtime not in (f"{EVERY_PACE[0]} {provider}", EVERY_PACE[1])):
                    continue
                figures = time_paced(call, options.seconds, period)
                rows.append(
                    {
                        "case": f"{name}, {runtime}, {pace}",
                        **figures,
                        "budget_us": round(1e6 * budget, 1),
                        "budget_share": round(figures["p50_us"] / (1e6 * budget), 4),
                        "state_kb": state_kb,
                    }
                )
    return rows


def onnx_call(step: Step, graph: GraphSpec, batch: int = 1) -> Callable[[], object]:
    """Return a call that does one step of `step` on noise and carries its state."""
    inputs, state = noise_inputs(graph, batch), step.initial_state()

    def call() -> None:
        nonlocal state
        _, state = step(inputs, state)

    return call


def unbound_call(session: onnxruntime.InferenceSession, graph: GraphSpec, batch: int = 1) -> Callable[[], object]:
    """Return a call that does one step on noise as ONNX Runtime's own examples do, and carries its state."""
    given = dict(noise_inputs(graph, batch)) | silent_state(graph, batch)
    names = [value.name for value in session.get_outputs()]

    def call() -> None:
        found = dict(zip(names, session.run(names, given), strict=True))
        for tensor in graph.state:
            given[f"state/{tensor.name}"] = found[f"next_state/{tensor.name}"]

    return call


def copied_call(step: Step, graph: GraphSpec) -> Callable[[], object]:
    """Return a call that does one step on noise from a state that is not the last one, so that all of it is copied in."""
    inputs, state = noise_inputs(graph), step.initial_state()
    return lambda: step(inputs, state)


def silent_state(graph: GraphSpec, batch: int = 1) -> dict[str, np.ndarray]:
    """Return the state of silence by what the graph calls it."""
    return {f"state/{t.name}": np.full((batch, *t.shape), t.initial, np.float32) for t in graph.state}


def torch_call(
    name: str, graph: GraphSpec, batch: int = 1, device: str = "cpu", compiled: bool = False
) -> Callable[[], object] | None:
    """Return a call that does one step in torch and carries its state; None without torch or a network.

    compiled: by torch.compile, which takes its time at the first call and raises what it lacks there.
    """
    network = torch_network(name)
    if network is None:
        return None
    import torch

    torch.set_num_threads(1)  # as the engine: two threads have a long tail at these sizes
    network = network.to(device)
    inputs = [torch.from_numpy(array).to(device) for array in noise_inputs(graph, batch).values()]
    state = {key: tensor.to(device) for key, tensor in network.initial_state(batch).items()}
    step = torch.compile(network.step, dynamic=False) if compiled else network.step

    def call() -> None:
        nonlocal state
        with torch.inference_mode():
            _, state = step(*inputs, state)

    return call


def time_paced(call: Callable[[], object], seconds: float, period: float) -> Row:
    """Return the percentiles of `call` at one call every `period` seconds; the very first call stands apart."""
    began = time.perf_counter_ns()
    call()
    times = [(time.perf_counter_ns() - began) / 1000]
    for _ in range(WARM_UP_CALLS):
        call()
    with real_time() as scheduling:
        pacer = Pacer(period)
        for _ in range(calls(seconds, period)):
            pacer.wait()
            began = time.perf_counter_ns()
            call()
            times.append((time.perf_counter_ns() - began) / 1000)
    return percentiles(times) | {"wake_p99_us": percentiles(pacer.late_us).get("p99_us", 0.0), "scheduling": scheduling}


if __name__ == "__main__":
    raise SystemExit(run(NAME, measure, SECONDS))
