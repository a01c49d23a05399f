"""An ONNX graph as a Step: buffers bound once, state kept in two sets that swap roles at every hop.

Passing the state back that the last call returned costs nothing; any other state is copied in. On the CPU, ONNX
Runtime reads and writes the NumPy arrays in place (measured: OrtValue.ortvalue_from_numpy shares their memory). On
a device it would copy them once, when they are bound, and never again: see row_memory.
"""

import warnings
from functools import lru_cache
from pathlib import Path

import numpy as np
import onnxruntime

from models.manifest import GraphSpec
from models.model_file import with_constant_set
from models.model_parts import read_part
from models.step import Tensors
from server.errors import BacklineError

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


@lru_cache(maxsize=32)  # five sizes of batch, several graphs, their constants
def open_session(
    path: Path, provider: str = "cpu", batch: int = 1, constants: tuple[str, ...] = (), file: str = "",
    captured: bool = False,
) -> onnxruntime.InferenceSession:  # fmt: skip
    """Return a session of the model's graph in `file` (GraphSpec) with the batch axis pinned. Raises BacklineError where it cannot be had.

    constants: boolean constants of the graph that are set; what they switch off is not even loaded. captured: for CUDA graphs,
    which replay a call without asking the CPU; only where provider is cuda, and where the graph can be captured whole.
    """
    options = session_options(batch)
    if provider not in PROVIDERS:
        raise BacklineError(f"provider is '{provider}'; a session has one of: {', '.join(PROVIDERS)}")
    name = PROVIDERS[provider]
    try:
        data = read_part(path, file)
        for constant in constants:
            data = with_constant_set(data, constant)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what it says in its own words is said below in ours
            chosen = (name, {"enable_cuda_graph": "1"}) if captured else name
            session = onnxruntime.InferenceSession(data, options, providers=[chosen])
    except Exception as error:  # ONNX Runtime raises many classes of its own; all mean this file cannot be served
        raise BacklineError(f"ONNX Runtime cannot load {path / file}: {str(error).splitlines()[0]}") from error
    if session.get_providers()[0] != name:
        raise BacklineError(f"provider '{provider}' was asked for and ONNX Runtime gave {session.get_providers()[0]}")
    return session


def session_options(batch: int) -> onnxruntime.SessionOptions:
    """Return how every session is opened, whatever its provider."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # two threads are slower here and their tail is 10 ms (benchmarks)
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4
    options.add_free_dimension_override_by_name("batch", batch)
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


class OnnxStep:
    """One stream's calls of a step graph on the CPU."""

    def __init__(self, session: onnxruntime.InferenceSession, graph: GraphSpec, batch: int = 1) -> None:
        self._session, self._graph, self._batch = session, graph, batch
        self._inputs = {t.name: np.zeros((batch, *t.shape), np.float32) for t in graph.inputs}
        # Two of each: what one call returns stays whole during the next.
        self._outputs = tuple({t.name: np.zeros((batch, *t.shape), np.float32) for t in graph.outputs} for _ in "ab")
        self._states = tuple(self._fresh() for _ in "ab")
        self._bindings = (self._bind(0, 1), self._bind(1, 0))
        self._turn = 0

    def initial_state(self) -> Tensors:
        """Return the state of a stream that has heard nothing, in arrays of its own."""
        return self._fresh()

    def __call__(self, inputs: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        """Run one hop; see Step. `inputs` may lack the batch axis where the batch is 1."""
        turn = self._turn
        if state is not self._states[turn]:
            for name, array in self._states[turn].items():
                array[...] = state[name]
        for name, array in self._inputs.items():
            array[...] = inputs[name]
        self._session.run_with_iobinding(self._bindings[turn])  # no RunOptions: they cost 28 us a call (ORT 1.31)
        self._turn = 1 - turn
        return self._outputs[turn], self._states[1 - turn]

    def _fresh(self) -> dict[str, np.ndarray]:
        return {t.name: np.full((self._batch, *t.shape), t.initial, np.float32) for t in self._graph.state}

    def _bind(self, source: int, target: int) -> onnxruntime.IOBinding:
        binding = self._session.io_binding()
        for name, array in self._inputs.items():
            binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(array))
        for name, array in self._states[source].items():
            binding.bind_ortvalue_input(f"state/{name}", onnxruntime.OrtValue.ortvalue_from_numpy(array))
        for name, array in self._outputs[source].items():
            binding.bind_ortvalue_output(name, onnxruntime.OrtValue.ortvalue_from_numpy(array))
        for name, array in self._states[target].items():
            binding.bind_ortvalue_output(f"next_state/{name}", onnxruntime.OrtValue.ortvalue_from_numpy(array))
        return binding
