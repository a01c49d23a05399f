"""A model in a Triton repository: the configuration is one by Triton's own schema, and sequences give what Backline's step gives."""

import json
import re
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from exporters.errors import ExportError
from exporters.onnx_export import describe_graph, export
from exporters.triton import MOST_STREAMS, config_text, entries_of, write_repository
from models.block import Block
from models.model_file import graph_checksum, read_manifest
from models.probe.manifest import probe_manifest
from models.probe.network import HOP, TAIL, ProbeNetwork
from models.registry import bundled_files, open_processor
from server.onnx_step import OnnxStep, open_session

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # protobuf: the schema was compiled by the release before
    text_format = pytest.importorskip("google.protobuf.text_format")
    try:
        from tritonclient.grpc import model_config_pb2 as schema
    except (ImportError, RuntimeError) as error:  # RuntimeError: what the package makes of a missing grpc
        pytest.skip(f"Triton's schema is not installed (tritonclient[grpc]): {error}", allow_module_level=True)


STATELESS = ("drummer", "arranger_encode")  # what they remember lies with the player


class Counter(nn.Module):
    """A network whose state does not begin with zeros: it counts from 3, and remembers that it was 7 once."""

    def initial_state(self, batch):
        return {"count": torch.full((batch, 2), 3.0), "deep/seven": torch.full((batch, 1), 7.0)}

    def step(self, audio, pulses, state):
        count = state["count"] + 1
        outputs = {"heard": audio + count[:, :1], "played": pulses + state["deep/seven"]}
        return outputs, {"count": count, "deep/seven": state["deep/seven"] * 0.5}


def write_counter(path: Path, fixed: bool = False) -> Path:
    """Write the counter as a model; fixed: for one stream only."""
    network = Counter()
    graph = describe_graph("step", network, {"audio": (HOP,), "pulses": (HOP,)})
    export(network, replace(probe_manifest(graph, HOP, TAIL), name="counter"), path)
    if fixed:
        model = onnx.load(path)
        for value in (*model.graph.input, *model.graph.output):
            value.type.tensor_type.shape.dim[0].dim_value = 1
        onnx.save(model, path)
        stamp = read_unchecked(path)
        onnx.helper.set_model_props(model, {"backline": stamp})
        onnx.save(model, path)
    return path


def read_unchecked(path: Path) -> str:
    """Return the manifest of a file that was changed, with the checksum that it has now."""
    model = onnx.load(path)
    row = json.loads(next(entry.value for entry in model.metadata_props if entry.key == "backline"))
    return json.dumps(row | {"checksum": graph_checksum(path.read_bytes())})


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    """A repository of every player that comes with Backline, and of the counter."""
    folder = tmp_path_factory.mktemp("triton")
    models = dict(bundled_files())
    models["counter"] = write_counter(folder / "counter.onnx")
    for path in models.values():
        write_repository(path, folder / "repository")
    return folder / "repository"


def config_of(entry: Path):
    """Return config.pbtxt as Triton's own message; an unknown field or a wrong type raises."""
    return text_format.Parse((entry / "config.pbtxt").read_text(), schema.ModelConfig())


def sizes_of(value, batched: bool) -> list[int]:
    """Return a tensor's sizes in the graph, without the batch where it is open."""
    dims = value.type.tensor_type.shape.dim
    assert bool(dims[0].dim_param) == batched, value.name
    return [dim.dim_value for dim in (dims[1:] if batched else dims)]


def test_every_player_is_an_entry_for_each_of_its_graphs(repository):
    names = {path.name for path in repository.iterdir()}
    assert {"probe", "transcriber", "transcriber_general", "performer", "drummer"} <= names
    assert {"translator_listen", "translator_play"} <= names
    for entry in repository.iterdir():
        assert {path.name for path in entry.iterdir()} >= {"config.pbtxt", "README.md", "1"}
        assert [path.name for path in (entry / "1").iterdir()] == ["model.onnx"]


def test_every_configuration_says_what_its_graph_has(repository):
    for entry in repository.iterdir():
        config, graph = config_of(entry), onnx.load(entry / "1" / "model.onnx").graph
        onnx.checker.check_model(str(entry / "1" / "model.onnx"))
        assert (config.name, config.backend, config.default_model_filename) == (entry.name, "onnxruntime", "model.onnx")
        batched = config.max_batch_size > 0
        states = config.sequence_batching.state
        said_in = {t.name: list(t.dims) for t in config.input} | {s.input_name: list(s.dims) for s in states}
        said_out = {t.name: list(t.dims) for t in config.output} | {s.output_name: list(s.dims) for s in states}
        assert said_in == {value.name: sizes_of(value, batched) for value in graph.input}
        assert said_out == {value.name: sizes_of(value, batched) for value in graph.output}
        assert len(said_in) == len(config.input) + len(states), "no tensor is named twice"
        assert min(size for sizes in (*said_in.values(), *said_out.values()) for size in sizes) >= 1
        types = {value.type.tensor_type.elem_type for value in (*graph.input, *graph.output)}
        assert types == {onnx.TensorProto.FLOAT}
        assert {t.data_type for t in (*config.input, *config.output, *states)} == {schema.TYPE_FP32}


def test_every_state_begins_as_triton_wants_it_said(repository):
    for entry in repository.iterdir():
        for state in config_of(entry).sequence_batching.state:
            (initial,) = state.initial_state  # Triton takes one at most
            assert initial.name
            assert (initial.data_type, list(initial.dims)) == (state.data_type, list(state.dims))
            if initial.WhichOneof("state_data") == "data_file":
                values = np.fromfile(entry / "initial_state" / initial.data_file, "<f4")
                assert values.size == np.prod(initial.dims)
            else:
                assert initial.zero_data


def test_streams_are_batched_in_the_order_of_their_age(repository):
    for entry in repository.iterdir():
        config = config_of(entry)
        assert config.max_batch_size == MOST_STREAMS
        if entry.name in STATELESS:
            assert config.WhichOneof("scheduling_choice") == "dynamic_batching"
            assert not config.sequence_batching.state
        else:
            assert config.WhichOneof("scheduling_choice") == "sequence_batching"
            assert config.sequence_batching.WhichOneof("strategy_choice") == "oldest"
            assert config.sequence_batching.max_sequence_idle_microseconds == 600_000_000


def test_a_wrong_configuration_is_noticed_by_the_schema(repository):
    text = (repository / "probe" / "config.pbtxt").read_text()
    for wrong in (
        text.replace("oldest", "eldest"),
        text.replace("TYPE_FP32", "TYPE_FLOAT"),
        text.replace("dims: [", "dims: [x, "),
    ):
        with pytest.raises(text_format.ParseError):
            text_format.Parse(wrong, schema.ModelConfig())


class Server:
    """An entry as Triton runs it: sequences by number, their state kept here, several in one call."""

    def __init__(self, entry: Path) -> None:
        self.config = config_of(entry)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            entry / "1" / "model.onnx", options, providers=["CPUExecutionProvider"]
        )
        self.initial = {}
        for state in self.config.sequence_batching.state:
            (begin,) = state.initial_state
            values = np.zeros(tuple(begin.dims), np.float32)
            if begin.data_file:
                values = np.fromfile(entry / "initial_state" / begin.data_file, "<f4").reshape(tuple(begin.dims))
            self.initial[state.input_name] = values[None] if self.config.max_batch_size else values
        self.sequences: dict[int, dict[str, np.ndarray]] = {}

    def infer(
        self, requests: dict[int, dict[str, np.ndarray]], start: bool = False
    ) -> dict[int, dict[str, np.ndarray]]:
        """Answer one request of each sequence in one call."""
        for number in requests:
            if start:
                self.sequences[number] = self.initial
        feeds = {t.name: np.concatenate([r[t.name] for r in requests.values()]) for t in self.config.input}
        for name in self.initial:
            feeds[name] = np.concatenate([self.sequences[number][name] for number in requests])
        names = [value.name for value in self.session.get_outputs()]
        results = dict(zip(names, self.session.run(None, feeds), strict=True))
        for row, number in enumerate(requests):
            self.sequences[number] = {
                state.input_name: results[state.output_name][row : row + 1]
                for state in self.config.sequence_batching.state
            }
        return {
            number: {t.name: results[t.name][row : row + 1] for t in self.config.output}
            for row, number in enumerate(requests)
        }


@pytest.mark.parametrize(
    "name", ["probe", "transcriber", "performer", "translator_listen", "translator_play", "counter"]
)
def test_sequences_give_what_the_step_gives(repository, tmp_path, name):
    """Two streams in one batch, one of them begun anew in the middle, against a step for each."""
    path = write_counter(tmp_path / "counter.onnx") if name == "counter" else bundled_files()[name.split("_")[0]]
    entry = repository / name
    manifest = read_manifest(path)
    graph = next(graph for graph in manifest.graphs if len(manifest.graphs) == 1 or name.endswith(graph.name))
    server, generator = Server(entry), np.random.default_rng(0)
    steps = [OnnxStep(open_session(path, "cpu", file=graph.file), graph) for _ in range(2)]
    states = [step.initial_state() for step in steps]
    for hop in range(30):
        inputs = [
            {t.name: generator.uniform(0, 0.3, (1, *t.shape)).astype(np.float32) for t in graph.inputs} for _ in steps
        ]
        if hop == 15:
            server.infer({2: inputs[1]}, start=True)
            states[1] = steps[1](inputs[1], steps[1].initial_state())[1]
        answers = server.infer({1: inputs[0], 2: inputs[1]}, start=hop == 0)
        for number, step in enumerate(steps):
            outputs, states[number] = step(inputs[number], states[number])
            for key, array in outputs.items():
                np.testing.assert_allclose(answers[number + 1][key], array, rtol=1e-4, atol=1e-4)


class Answer:
    """A response as a client library gives it."""

    def __init__(self, rows: dict[str, np.ndarray]) -> None:
        self._rows = rows

    def as_numpy(self, name: str) -> np.ndarray:
        """Return an output."""
        return self._rows[name]


class Client:
    """What the README's step asks for of tritonclient, answered by `Server`."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def infer(self, name, tensors, sequence_id, sequence_start):
        """Decode the tensors as they would travel and answer."""
        assert name == self._server.config.name
        rows = {t.name(): np.frombuffer(t._get_content() or b"", np.float32).reshape(t.shape()) for t in tensors}
        return Answer(self._server.infer({sequence_id: rows}, sequence_start)[sequence_id])


def test_the_readme_step_lets_a_player_work_with_the_server(repository):
    """The transcriber's own processor over the README's code, with Triton's client library up to the wire."""
    text = (repository / "transcriber" / "README.md").read_text()
    code = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(code) == 1
    names: dict[str, object] = {}
    exec(code[0], names)
    path = bundled_files()["transcriber"]
    manifest = read_manifest(path)
    graph, values = manifest.graphs[0], manifest.resolve({})
    shapes, outputs = {t.name: t.shape for t in graph.inputs}, [t.name for t in graph.outputs]
    remote = names["TritonStep"](Client(Server(repository / "transcriber")), "transcriber", shapes, outputs)  # type: ignore[operator]
    local = OnnxStep(open_session(path, "cpu"), graph)
    players = [open_processor(manifest, {graph.name: step}, values) for step in (local, remote)]
    time = np.arange(2 * manifest.sample_rate) / manifest.sample_rate
    audio = (0.3 * np.exp(-3 * (time % 0.5)) * np.sin(2 * np.pi * 440 * time))[None].astype(np.float32)
    heard = []
    for player in players:
        events = []
        for start in range(0, audio.shape[1] - manifest.hop, manifest.hop):
            events += player.process(Block(start, audio[:, start : start + manifest.hop])).events
        heard.append(events)
    assert heard[0], "the tone is heard"
    assert heard[1] == heard[0]


def test_the_readme_says_what_travels(repository):
    transcriber, drummer = ((repository / name / "README.md").read_text() for name in ("transcriber", "drummer"))
    for word in ("sequence_id", "sequence_start", "sequence_end", "| input | `audio` | 128 |", "16000 Hz"):
        assert word in transcriber
    assert "`next_state/NAME` comes out" in drummer
    assert "`state/memory` 0" in drummer


def test_a_graph_for_a_fixed_number_of_streams_has_no_batch(tmp_path):
    path = write_counter(tmp_path / "counter.onnx", fixed=True)
    write_repository(path, tmp_path / "repository")
    config = config_of(tmp_path / "repository" / "counter")
    assert config.max_batch_size == 0
    assert [list(t.dims) for t in config.input] == [[1, HOP], [1, HOP]]
    assert [list(s.dims) for s in config.sequence_batching.state] == [[1, 2], [1, 1]]
    files = {s.input_name: s.initial_state[0].data_file for s in config.sequence_batching.state}
    assert files == {"state/count": "count.f32", "state/deep/seven": "deep_seven.f32"}
    server, audio = Server(tmp_path / "repository" / "counter"), np.zeros((1, HOP), np.float32)
    answers = [server.infer({1: {"audio": audio, "pulses": audio}}, start=number == 0)[1] for number in range(3)]
    assert [answer["heard"][0, 0] for answer in answers] == [4, 5, 6]
    assert [answer["played"][0, 0] for answer in answers] == [7, 3.5, 1.75]


def test_an_entry_is_replaced_and_nothing_else_is(tmp_path):
    path = bundled_files()["probe"]
    (tmp_path / "repository" / "other").mkdir(parents=True)
    write_repository(path, tmp_path / "repository")
    write_repository(path, tmp_path / "repository")
    assert sorted(p.name for p in (tmp_path / "repository").iterdir()) == ["other", "probe"]
    (tmp_path / "repository" / "probe" / "config.pbtxt").unlink()
    with pytest.raises(ExportError, match="no entry of a model repository"):
        write_repository(path, tmp_path / "repository")


def test_a_network_without_state_is_served_without_sequences():
    graph = describe_graph("step", ProbeNetwork(), {"audio": (HOP,), "pulses": (HOP,)})
    path = bundled_files()["probe"]
    (entry,) = entries_of(path, read_manifest(path))
    config = text_format.Parse(config_text(replace(entry, graph=replace(graph, state=()))), schema.ModelConfig())
    assert config.WhichOneof("scheduling_choice") == "dynamic_batching"
