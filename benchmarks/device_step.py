"""One stream's steps on a device by themselves, as a baseline: engines run rows there (server/batched_step.py), a single stream too."""

from collections.abc import Sequence
from typing import Any, cast  # Any: ONNX Runtime's OrtValue has no types

import numpy as np
import onnxruntime

from models.manifest import GraphSpec, TensorSpec
from models.step import Step, Tensors
from server.onnx_step import PROVIDERS, OnnxStep


def open_step(session: onnxruntime.InferenceSession, graph: GraphSpec, batch: int = 1) -> Step:
    """Return a step on the provider that the session has."""
    if session.get_providers()[0] == PROVIDERS["cuda"]:
        return DeviceStep(session, graph, batch, "cuda")
    return OnnxStep(session, graph, batch)


class DeviceStep:
    """One stream's calls on a device: inputs are copied there, outputs come back, state stays where it is."""

    def __init__(self, session: onnxruntime.InferenceSession, graph: GraphSpec, batch: int, device: str) -> None:
        self._session, self._graph, self._batch, self._device = session, graph, batch, device
        self._inputs = self._values(graph.inputs)
        self._outputs = tuple({t.name: np.zeros((batch, *t.shape), np.float32) for t in graph.outputs} for _ in "ab")
        self._states = tuple(self._values(graph.state) for _ in "ab")
        self._bindings = (self._bind(0, 1), self._bind(1, 0))
        self._turn = 0

    def initial_state(self) -> Tensors:
        """Return the state of a stream that has heard nothing, in the computer's memory."""
        return {t.name: np.full((self._batch, *t.shape), t.initial, np.float32) for t in self._graph.state}

    def __call__(self, inputs: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        """Run one hop; see Step. The state that comes back holds device values: give it back, do not look inside."""
        turn = self._turn
        if state is not self._states[turn]:
            for name, value in self._states[turn].items():
                value.update_inplace(np.ascontiguousarray(state[name]).reshape(value.shape()))
        for name, value in self._inputs.items():
            value.update_inplace(np.ascontiguousarray(inputs[name]).reshape(value.shape()))
        self._session.run_with_iobinding(self._bindings[turn])
        self._turn = 1 - turn
        return self._outputs[turn], cast(Tensors, self._states[1 - turn])

    def _values(self, tensors: Sequence[TensorSpec]) -> dict[str, Any]:
        arrays = {t.name: np.full((self._batch, *t.shape), t.initial, np.float32) for t in tensors}
        return {
            name: onnxruntime.OrtValue.ortvalue_from_numpy(array, self._device, 0) for name, array in arrays.items()
        }

    def _bind(self, source: int, target: int) -> onnxruntime.IOBinding:
        binding = self._session.io_binding()
        for name, value in self._inputs.items():
            binding.bind_ortvalue_input(name, value)
        for name, array in self._outputs[source].items():
            binding.bind_ortvalue_output(name, onnxruntime.OrtValue.ortvalue_from_numpy(array))
        for name in self._states[source]:
            binding.bind_ortvalue_input(f"state/{name}", self._states[source][name])
            binding.bind_ortvalue_output(f"next_state/{name}", self._states[target][name])
        return binding
