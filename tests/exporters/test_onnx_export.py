"""The exporter writes a file that keeps its manifest, or refuses and writes nothing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper
from torch import nn

from exporters.errors import ExportError
from exporters.onnx_export import describe_graph, export
from exporters.parity import check_parity
from exporters.self_check import check_graph
from models.manifest import GraphSpec, TensorSpec
from models.model_file import METADATA_KEY, graph_checksum, read_manifest
from models.model_parts import ModelFileError
from models.probe.manifest import probe_manifest
from models.probe.network import HOP, TAIL, ProbeNetwork
from models.registry import bundled_files
from server.onnx_step import OnnxStep, open_session

INPUTS = {"audio": (HOP,), "pulses": (HOP,)}
GRAPH = GraphSpec(
    "step", "hop", (TensorSpec("audio", (HOP,)), TensorSpec("pulses", (HOP,))),
    (TensorSpec("heard", (HOP,)), TensorSpec("played", (HOP,))), (TensorSpec("audio", (TAIL,)), TensorSpec("pulses", (TAIL,))),
)  # fmt: skip
MANIFEST = probe_manifest(GRAPH, HOP, TAIL)


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> Path:
    """The probe, exported."""
    path = tmp_path_factory.mktemp("export") / "probe.onnx"
    export(ProbeNetwork(), MANIFEST, path)
    return path


class Growing(ProbeNetwork):
    """Its state is a sample longer after every hop."""

    def step(self, audio, pulses, state):
        outputs, new = super().step(audio, pulses, state)
        return outputs, {**new, "audio": torch.cat([new["audio"], audio[:, :1]], dim=1)}


class Forgetful(ProbeNetwork):
    """It drops a tensor of its state."""

    def step(self, audio, pulses, state):
        outputs, new = super().step(audio, pulses, state)
        return outputs, {"audio": new["audio"]}


class Infinite(ProbeNetwork):
    """It divides silence by silence."""

    def step(self, audio, pulses, state):
        outputs, new = super().step(audio, pulses, state)
        return {**outputs, "heard": outputs["heard"] / audio.abs().sum(1, keepdim=True)}, new


class Fickle(ProbeNetwork):
    """It answers otherwise when it is traced than when it is run."""

    def step(self, audio, pulses, state):
        outputs, new = super().step(audio, pulses, state)
        return {**outputs, "heard": outputs["heard"] + (0.0 if torch.compiler.is_exporting() else 0.01)}, new


class Lost(ProbeNetwork):
    """From its first hop on it gives no numbers, in torch alone."""

    def step(self, audio, pulses, state):
        outputs, new = super().step(audio, pulses, state)
        return {**outputs, "heard": outputs["heard"] * (1.0 if torch.compiler.is_exporting() else float("nan"))}, new


def test_a_graph_is_described_as_it_is():
    assert describe_graph("step", ProbeNetwork(), INPUTS) == GRAPH


@pytest.mark.parametrize("network", [Growing(), Forgetful()], ids=["growing", "forgetful"])
def test_a_state_that_changes_its_shape_is_refused(network):
    with pytest.raises(
        ExportError, match=r"state goes in as audio \(2, 64\).* and comes out as .*; they must be the same"
    ):
        describe_graph("step", network, INPUTS)


def test_the_file_holds_its_manifest_and_the_checksum_of_its_graph(exported):
    found = read_manifest(exported)
    assert found == replace(MANIFEST, checksum=graph_checksum(exported.read_bytes()))
    assert read_manifest(bundled_files()["probe"]).graphs == found.graphs


def test_the_file_names_no_path_of_the_machine_that_made_it(exported):
    for path in (exported, bundled_files()["probe"]):
        assert b"/work/" not in path.read_bytes()
        assert b".py" not in path.read_bytes()


def test_state_tensors_are_named_by_their_path(exported):
    graph = onnx.load(exported).graph
    assert [v.name for v in graph.input] == ["audio", "pulses", "state/audio", "state/pulses"]
    assert [v.name for v in graph.output] == ["heard", "played", "next_state/audio", "next_state/pulses"]


@pytest.mark.parametrize("batch", [1, 2, 16])
def test_torch_and_onnx_agree_at_every_batch(exported, batch):
    assert check_parity(ProbeNetwork(), exported, GRAPH, hops=5, batch=batch) == 0.0  # it only moves samples


def test_parity_sees_a_difference(exported):
    assert check_parity(Fickle(), exported, GRAPH, hops=3) == pytest.approx(0.01, abs=1e-6)


def test_the_exported_file_is_served(exported):
    step = OnnxStep(open_session(exported), read_manifest(exported).graphs[0])
    audio = np.arange(HOP, dtype=np.float32)[None]
    outputs, _ = step({"audio": audio, "pulses": audio}, step.initial_state())
    assert np.array_equal(outputs["heard"][0, TAIL:], audio[0, : HOP - TAIL])


REFUSALS: dict[str, tuple[nn.Module, GraphSpec, type[Exception], str]] = {
    "an output of another shape": (
        ProbeNetwork(), replace(GRAPH, outputs=(TensorSpec("heard", (HOP + 1,)), GRAPH.outputs[1])), ExportError,
        r"model 'probe' breaks its manifest: output 'heard' is tensor\(float\) \[128\], the manifest says float \(129,\)",
    ),
    "a first hop that is not finite": (Infinite(), GRAPH, ExportError, "output 'heard' is not finite on silence"),
    "torch that gives no numbers": (Lost(), GRAPH, ExportError, "torch and ONNX differ by nan over 50 hops; allowed"),
    "torch and ONNX that differ": (Fickle(), GRAPH, ExportError, r"torch and ONNX differ by 0\.01 over 50 hops; allowed: 0\.001"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_a_network_that_breaks_its_manifest_is_refused_and_nothing_is_written(case, tmp_path):
    network, graph, error, sentence = REFUSALS[case]
    with pytest.raises(error, match=sentence):
        export(network, replace(MANIFEST, graphs=(graph,)), tmp_path / "new.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_that_could_not_be_read_back_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(ModelFileError, match="hop is 0; allowed"):
        export(ProbeNetwork(), replace(MANIFEST, hop=0), tmp_path / "new.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_refused_export_leaves_the_older_file_alone(tmp_path):
    path = tmp_path / "new.onnx"
    path.write_bytes(b"older")
    with pytest.raises(ExportError):
        export(Infinite(), MANIFEST, path)
    assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]


def test_the_self_check_names_tensors_that_are_missing(exported):
    problems = check_graph(exported, replace(GRAPH, state=GRAPH.state[:1]))
    assert len(problems) == 2
    assert problems[0].startswith("inputs are ['audio', 'pulses', 'state/audio', 'state/pulses'], the manifest says")


def test_the_self_check_names_a_wrong_type(tmp_path):
    value = [helper.make_tensor_value_info(name, onnx.TensorProto.DOUBLE, ["batch", 4]) for name in ("x", "y")]
    node = helper.make_node("Identity", ["x"], ["y"])
    graph = helper.make_graph([node], "g", value[:1], value[1:])
    path = tmp_path / "double.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    problems = check_graph(path, GraphSpec("g", "hop", (TensorSpec("x", (4,)),), (TensorSpec("y", (4,)),)))
    assert problems[0] == "input 'x' is tensor(double) [4], the manifest says float (4,)"
    assert METADATA_KEY.encode() not in path.read_bytes()
