"""Write step networks and their manifest into a model, or refuse with a reason and write nothing.

A step network has `initial_state(batch)` and `step(*inputs, state) -> (outputs, state)`; its state's paths become
tensors `state/<path>` going in and `next_state/<path>` coming out (ONNX names each value once).
"""

import logging
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
import onnx
import torch
from onnx import helper
from torch import Tensor, nn

from exporters.errors import ExportError
from exporters.half import store_half
from exporters.parity import check_parity
from exporters.placing import check_place, place
from exporters.self_check import check_graph
from models.manifest import GraphSpec, Manifest, TensorSpec
from models.model_file import METADATA_KEY, graph_checksum, read_manifest
from models.model_parts import MANIFEST

OPSET = 20
IR_VERSION = 10  # what onnxruntime since 1.18 reads; onnx 1.23 would write a newer one


class StepNetwork(Protocol):
    """A torch module whose state is data."""

    def initial_state(self, batch: int) -> dict[str, Tensor]:
        """Return the state of `batch` streams that heard nothing."""
        ...

    def step(self, *arguments: object) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return (outputs, new state) for one hop."""
        ...


class _Flat(nn.Module):
    """The network with its dictionaries laid out in a row, as a graph wants them."""

    def __init__(self, network: nn.Module, inputs: int, state: list[str], outputs: list[str]) -> None:
        super().__init__()
        self.network, self.inputs, self.state, self.outputs = network, inputs, state, outputs

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Take inputs then state; give outputs then new state."""
        state = dict(zip(self.state, tensors[self.inputs :], strict=True))
        outputs, new = self.network.step(*tensors[: self.inputs], state)
        return (*(outputs[name] for name in self.outputs), *(new[name] for name in self.state))


def describe_graph(name: str, network: StepNetwork, inputs: dict[str, tuple[int, ...]]) -> GraphSpec:
    """Return the graph's tensors as they are: `inputs` maps names to shapes after the batch axis."""
    state = network.initial_state(2)
    with torch.no_grad():
        outputs, new = network.step(*(torch.zeros(2, *shape) for shape in inputs.values()), state)
    if set(new) != set(state) or any(new[k].shape != state[k].shape for k in state):
        raise ExportError(f"state goes in as {_shapes(state)} and comes out as {_shapes(new)}; they must be the same")
    return GraphSpec(
        name, "hop",
        tuple(TensorSpec(key, shape) for key, shape in inputs.items()),
        tuple(TensorSpec(key, tuple(t.shape[1:])) for key, t in outputs.items()),
        tuple(TensorSpec(key, tuple(t.shape[1:]), float(t.flatten()[0])) for key, t in state.items()),
    )  # fmt: skip


def export(
    network: nn.Module,
    manifest: Manifest,
    path: Path,
    model: onnx.ModelProto | None = None,
    others: Mapping[str, nn.Module] | None = None,
) -> float:
    """Write `network` with `manifest` to `path` and return the largest torch-to-ONNX difference over 50 hops.

    model: the graph, where it holds more than `network`; else it is traced. others: boolean constant of that graph ->
    what it is where that constant is set.
    Raises ExportError where graph and manifest disagree or parity is worse than 1e-3; then nothing is written.
    """
    if path.suffix != ".onnx":
        raise ExportError(f"cannot write {path}: a model of one graph is an .onnx file")
    graph = manifest.graphs[0]
    model = model or trace(network, graph)
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "draft.onnx"
        onnx.save(model, draft)
        stamped = replace(manifest, checksum=graph_checksum(draft.read_bytes()))
        helper.set_model_props(model, {METADATA_KEY: stamped.to_json()})
        onnx.save(model, draft)
        read_manifest(draft)
        difference = _checked(manifest, graph, draft, {"": network, **(others or {})})
        partial = path.with_name(path.name + ".part")
        partial.write_bytes(draft.read_bytes())
        partial.replace(path)
    return difference


def export_parts(networks: Mapping[str, nn.Module], manifest: Manifest, path: Path, half: bool = False) -> float:
    """Write a model of several graphs, a folder or a .zip by its name, and return the largest torch-to-ONNX difference over 50 hops.

    networks: graph name -> network. Each graph gets the file NAME.onnx. half: weights that half precision holds are stored in it.
    Raises ExportError as `export`, with nothing written, and where `path` is a folder of something else.
    """
    check_place(path)
    with tempfile.TemporaryDirectory() as name:
        draft, differences, graphs = Path(name) / "draft", [], []
        draft.mkdir()
        for graph in manifest.graphs:
            file = draft / f"{graph.name}.onnx"
            model = trace(networks[graph.name], graph)
            if half:
                store_half(model)
            onnx.save(model, file)
            graphs.append(replace(graph, file=file.name, checksum=graph_checksum(file.read_bytes())))
            differences.append(_checked(manifest, graph, file, {"": networks[graph.name]}))
        text = replace(manifest, graphs=tuple(graphs), checksum="").to_json()
        (draft / MANIFEST).write_text(text, encoding="utf-8")
        read_manifest(draft)
        place(draft, path)
    return float(np.max(differences))


def _checked(manifest: Manifest, graph: GraphSpec, draft: Path, networks: Mapping[str, nn.Module]) -> float:
    """Return how far a written graph is from torch. networks: boolean constant that is set -> what the graph is then."""
    problems = check_graph(draft, graph)
    if problems:
        raise ExportError(f"model '{manifest.name}' breaks its manifest: {'; '.join(problems)}")
    difference = float(np.max([check_parity(one, draft, graph, constant=name) for name, one in networks.items()]))
    if not difference <= 1e-3:
        raise ExportError(f"torch and ONNX differ by {difference:.2g} over 50 hops; allowed: 0.001")
    return difference


def trace(network: nn.Module, graph: GraphSpec) -> onnx.ModelProto:
    """Return the network's step as a graph with the tensors of `graph`."""
    network.eval()
    state, outputs = [t.name for t in graph.state], [t.name for t in graph.outputs]
    flat = _Flat(network, len(graph.inputs), state, outputs)
    # Batch 2 while tracing: with 1 the tracer would freeze the batch axis.
    example = tuple(torch.full((2, *t.shape), t.initial) for t in (*graph.inputs, *graph.state))
    batch = torch.export.Dim("batch", min=1, max=64)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it counts optional packages that are missing
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter warns about its own internals
        program = torch.onnx.export(
            flat, example, dynamo=True, opset_version=OPSET, verbose=False,
            input_names=[t.name for t in graph.inputs] + [f"state/{name}" for name in state],
            output_names=outputs + [f"next_state/{name}" for name in state],
            dynamic_shapes=(tuple({0: batch} for _ in example),),
        )  # fmt: skip
    assert program is not None
    model = program.model_proto
    model.ir_version = min(model.ir_version, IR_VERSION)
    for node in model.graph.node:  # exporter notes: paths of the build machine, a third of the file
        node.doc_string = ""
        del node.metadata_props[:]
    del model.graph.value_info[:]
    del model.metadata_props[:]
    onnx.checker.check_model(model)
    return model


def _shapes(tensors: dict[str, Tensor]) -> str:
    return ", ".join(f"{name} {tuple(t.shape)}" for name, t in tensors.items())
