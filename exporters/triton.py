"""A model as entries of an NVIDIA Triton model repository, one a graph: NAME/config.pbtxt, NAME/1/model.onnx, NAME/README.md.

Triton keeps the state of every stream itself (sequence batching with implicit state): it feeds `state/<path>` from the last
`next_state/<path>`, begins with what the manifest says, and puts the hops of several streams into one batch. The player that writes into
its own state gets entries without it (EXPLICIT). Field names and rules: triton-inference-server/common, protobuf/model_config.proto,
and core, sequence_batch_scheduler.cc (GenerateInitialStateData). What a client must do is `exporters.triton_client`.
"""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx

from exporters.errors import ExportError
from exporters.placing import place
from exporters.self_check import check_graph
from exporters.triton_client import describe_client
from models.manifest import GraphSpec, Manifest, TensorSpec
from models.model_file import read_manifest, with_constant_set
from models.model_parts import ModelFileError, read_part

MOST_STREAMS = 16  # in one call: what the server's own batches go up to
MOST_WAITING = 64  # sequences of one instance that take part in batches; more of them wait until one ends
IDLE_SECONDS = 600  # until a stream that is silent without having ended is forgotten: a pause between takes
EXPLICIT = ("drummer",)
"""Decoders whose player reads and writes the state between steps: there it is an input and an output like any other."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One model of the repository. data: its ONNX file. batch: None where the file leaves the number of streams open, else that number."""

    name: str
    graph: GraphSpec
    data: bytes
    batch: int | None
    implicit: bool

    @property
    def state(self) -> tuple[TensorSpec, ...]:
        """The tensors that Triton carries from call to call."""
        return self.graph.state if self.implicit else ()

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The tensors that a client sends."""
        return self.graph.inputs if self.implicit else (*self.graph.inputs, *_prefixed("state", self.graph))

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """The tensors that a client can ask for."""
        return self.graph.outputs if self.implicit else (*self.graph.outputs, *_prefixed("next_state", self.graph))

    def sizes(self, tensor: TensorSpec) -> tuple[int, ...]:
        """Return a tensor's sizes as the configuration names them: with the batch in front only where it is fixed."""
        return tensor.shape if self.batch is None else (self.batch, *tensor.shape)


def write_repository(path: Path, folder: Path) -> list[str]:
    """Write the model at `path` into the model repository `folder`, made where it is missing; return the entries' names.

    An entry that is there is replaced, whole. Raises ExportError: a model that cannot be read, or a folder that holds something else.
    """
    try:
        manifest = read_manifest(path)
        entries = entries_of(path, manifest)
    except ModelFileError as error:
        raise ExportError(str(error)) from error
    for entry in entries:
        there = folder / entry.name
        if there.exists() and not (there / "config.pbtxt").is_file():
            raise ExportError(f"cannot write {there}: it is there and no entry of a model repository")
    with tempfile.TemporaryDirectory() as name:
        for entry in entries:
            _write(entry, Path(name) / entry.name, manifest)
        folder.mkdir(exist_ok=True)
        for entry in entries:
            place(Path(name) / entry.name, folder / entry.name)
    return [entry.name for entry in entries]


def entries_of(path: Path, manifest: Manifest) -> list[Entry]:
    """Return an entry for each graph, and one more for each boolean constant that the manifest lets a stream set (of a player of
    two networks, say). Raises ModelFileError."""  # fmt: skip
    entries = []
    for graph in manifest.graphs:
        base = manifest.name if len(manifest.graphs) == 1 else f"{manifest.name}_{graph.name}"
        data = read_part(path, graph.file)
        first = Entry(base, graph, data, _fixed_batch(data), manifest.decoder not in EXPLICIT)
        entries.append(first)
        for constant in manifest.settings.get("constants", {}):
            entries.append(replace(first, name=f"{base}_{constant}", data=with_constant_set(data, constant)))
    return entries


def config_text(entry: Entry) -> str:
    """Return config.pbtxt: an inference.ModelConfig as protobuf text."""
    lines = [
        f'name: "{entry.name}"',
        'backend: "onnxruntime"',
        'default_model_filename: "model.onnx"',
        f"max_batch_size: {MOST_STREAMS if entry.batch is None else 0}",
        *(_tensor("input", tensor, entry) for tensor in entry.inputs),
        *(_tensor("output", tensor, entry) for tensor in entry.outputs),
    ]
    if entry.state:
        # `oldest` and not `direct`: direct pads a batch with empty slots, and a graph would have to be told which.
        lines += ["sequence_batching {", f"  max_sequence_idle_microseconds: {IDLE_SECONDS * 1_000_000}",
                  f"  oldest {{ max_candidate_sequences: {MOST_WAITING} }}",
                  *(_state(tensor, entry) for tensor in entry.state), "}"]  # fmt: skip
    elif entry.batch is None:
        lines.append("dynamic_batching { }")
    # One thread a call, as Backline serves it: two are slower at these sizes.
    for key in ("intra_op_thread_count", "inter_op_thread_count"):
        lines.append(f'parameters {{ key: "{key}" value {{ string_value: "1" }} }}')
    return "\n".join(lines) + "\n"


def _tensor(kind: str, tensor: TensorSpec, entry: Entry) -> str:
    return f'{kind} {{ name: "{tensor.name}" data_type: TYPE_FP32 dims: {list(entry.sizes(tensor))} }}'


def _state(tensor: TensorSpec, entry: Entry) -> str:
    sizes = f"data_type: TYPE_FP32 dims: {list(entry.sizes(tensor))}"
    begin = f'data_file: "{_file_of(tensor)}"' if tensor.initial else "zero_data: true"
    return (f'  state {{ input_name: "state/{tensor.name}" output_name: "next_state/{tensor.name}" {sizes}\n'
            f'    initial_state {{ name: "start" {sizes} {begin} }} }}')  # fmt: skip


def _file_of(tensor: TensorSpec) -> str:
    return tensor.name.replace("/", "_") + ".f32"


def _write(entry: Entry, folder: Path, manifest: Manifest) -> None:
    """Write one entry and hold its graph against what the configuration will say."""
    (folder / "1").mkdir(parents=True)
    model = folder / "1" / "model.onnx"
    model.write_bytes(entry.data)
    if entry.batch in (None, 1) and (problems := check_graph(model, entry.graph)):
        raise ExportError(f"model '{manifest.name}' breaks its manifest: {'; '.join(problems)}")
    for tensor in entry.state:
        if tensor.initial:
            (folder / "initial_state").mkdir(exist_ok=True)
            values = np.full(entry.sizes(tensor), tensor.initial, "<f4")
            (folder / "initial_state" / _file_of(tensor)).write_bytes(values.tobytes())
    (folder / "config.pbtxt").write_text(config_text(entry), encoding="utf-8")
    (folder / "README.md").write_text(
        describe_client(manifest, entry.name, entry.graph, entry.implicit), encoding="utf-8"
    )


def _prefixed(prefix: str, graph: GraphSpec) -> tuple[TensorSpec, ...]:
    return tuple(replace(tensor, name=f"{prefix}/{tensor.name}") for tensor in graph.state)


def _fixed_batch(data: bytes) -> int | None:
    """Return the number of streams that a graph is made for, None where it is left open."""
    first = onnx.load_from_string(data).graph.input[0].type.tensor_type.shape.dim[0]
    return first.dim_value if first.HasField("dim_value") else None
