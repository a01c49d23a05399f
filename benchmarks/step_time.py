"""How long does one step of each model take, and what share of its budget is that?

Steps are paced at the model's own hop rate and at 1 kHz, through the object that the engine uses (buffers bound once).
Beside it the same network in torch, as code without a server would call it.
"""

import time
from collections.abc import Callable

from benchmarks.command import Options, run
from benchmarks.networks import graphs_of, load_manifest, model_files, noise_inputs, torch_network
from benchmarks.pacing import WARM_UP_CALLS, Pacer, calls, real_time
from benchmarks.record import Row, percentiles
from models.manifest import GraphSpec
from models.step import Step
from server.onnx_step import OnnxStep, choose_provider, open_session

NAME, SECONDS = "step_time", 4.0


def measure(options: Options) -> list[Row]:
    """Return a row per model, runtime and pace."""
    rows: list[Row] = []
    provider = choose_provider(options.provider)
    models = {name: (path, load_manifest(path)) for name, path in model_files(options.models).items()}
    graphs = [
        (path, manifest, *each)
        for name, (path, manifest) in models.items()
        for each in graphs_of(name, manifest).items()
    ]
    for path, manifest, name, graph in graphs:
        budget = manifest.hop / manifest.sample_rate
        for pace, period in (("own pace", budget), ("1 kHz", 0.001)):
            # A new step each time, so that the first call is one.
            step = OnnxStep(open_session(path, provider, file=graph.file), graph)
            runtimes = {
                f"onnxruntime {provider}": onnx_call(step, graph),
                "torch cpu": torch_call(name, graph),
            }
            for runtime, call in runtimes.items():
                if call is None:
                    continue
                figures = time_paced(call, options.seconds, period)
                rows.append(
                    {
                        "case": f"{name}, {runtime}, {pace}",
                        **figures,
                        "budget_us": round(1e6 * budget, 1),
                        "budget_share": round(figures["p50_us"] / (1e6 * budget), 4),
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


def torch_call(name: str, graph: GraphSpec, batch: int = 1, device: str = "cpu") -> Callable[[], object] | None:
    """Return a call that does one eager step in torch and carries its state; None without torch or a network."""
    network = torch_network(name)
    if network is None:
        return None
    import torch

    torch.set_num_threads(1)  # as the engine: two threads have a long tail at these sizes
    network = network.to(device)
    inputs = [torch.from_numpy(array).to(device) for array in noise_inputs(graph, batch).values()]
    state = {key: tensor.to(device) for key, tensor in network.initial_state(batch).items()}

    def call() -> None:
        nonlocal state
        with torch.inference_mode():
            _, state = network.step(*inputs, state)

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
