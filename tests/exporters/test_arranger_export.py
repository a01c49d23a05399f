"""An arranger out of its two checkpoints: three graphs in a folder, weights in half precision, the same numbers as in torch."""

import json

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import save_file

from exporters.errors import ExportError
from exporters.half import halved, store_half
from exporters.players import EXPORTERS
from models.arranger.ear_network import EarConfig, EarNetwork
from models.arranger.network import ArrangerNetwork, save
from models.arranger.sizes import ArrangerConfig
from models.events import NoteOn, Transport
from models.model_file import read_manifest
from server.model_store import load_model, open_stream
from server.run_file import run_stream

SMALL_EAR = EarConfig(bands=4, channels=8, context=16, reduced=2, colours=4, chords=12)
SMALL = ArrangerConfig(inner=16, audio=16, symbols=12, chords=8, context=16, cell=4, hidden=24, notes=16, embedding=8)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """A folder with `ear.safetensors` and `writer.safetensors`, small and untrained; the ear hears everything."""
    torch.manual_seed(3)
    folder, ear = tmp_path_factory.mktemp("run"), EarNetwork(SMALL_EAR)
    with torch.no_grad():
        ear.heads.bias.fill_(2.0)
    card = {"config": SMALL_EAR.to_json(), "figures": json.dumps({"beat_f1": 0.9})}
    save_file(ear.state_dict(), folder / "ear.safetensors", card)
    save(ArrangerNetwork(SMALL), folder / "writer.safetensors", {"figures": json.dumps({"onset_f1": 0.5})})
    return folder


def test_a_folder_of_two_checkpoints_becomes_a_model_that_plays(checkpoints, tmp_path, noise):
    difference = EXPORTERS["arranger"](checkpoints, tmp_path / "arranger", {"measured": 1.0})
    assert difference < 1e-3
    manifest = read_manifest(tmp_path / "arranger")
    assert {graph.name: graph.clock for graph in manifest.graphs} == {
        "ear": "hop",
        "encode": "bar",
        "write": "sixteenth",
    }
    assert manifest.quality == {"validation ear beat_f1": 0.9, "validation writer onset_f1": 0.5, "measured": 1.0}
    stored = {tensor.data_type for tensor in onnx.load(tmp_path / "arranger" / "write.onnx").graph.initializer}
    assert onnx.TensorProto.FLOAT16 in stored
    stream = open_stream(load_model(tmp_path / "arranger"), {"stream": "live"}, 16_000, "cpu")
    take = run_stream(stream, noise(6 * 16_000), (Transport(0, True, 0, 120.0),), 512)
    assert any(isinstance(event, NoteOn) for event in take.events())


@pytest.mark.parametrize("name", ["ear.safetensors", "writer.safetensors"])
def test_a_checkpoint_of_something_else_is_refused(checkpoints, tmp_path, name):
    for file in checkpoints.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes() if file.name != name else b"nothing")
    with pytest.raises(ExportError, match=f"{name} is no checkpoint of this arranger"):
        EXPORTERS["arranger"](tmp_path, tmp_path / "arranger", {})
    assert not (tmp_path / "arranger").exists()


def test_only_weights_that_half_precision_holds_are_stored_in_it():
    exact, other = np.arange(600, dtype=np.float32), np.full(600, 1 / 3, np.float32)
    tensors = [onnx.numpy_helper.from_array(values, name) for name, values in (("exact", exact), ("other", other))]
    node = onnx.helper.make_node("Add", ["exact", "other"], ["sum"])
    result = onnx.helper.make_tensor_value_info("sum", onnx.TensorProto.FLOAT, [600])
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "sums", [], [result], tensors))
    store_half(model)
    onnx.checker.check_model(model)
    assert [(t.name, t.data_type) for t in model.graph.initializer] == [
        ("exact_half", onnx.TensorProto.FLOAT16), ("other", onnx.TensorProto.FLOAT),
    ]  # fmt: skip


def test_a_halved_network_computes_with_numbers_that_half_precision_holds():
    network = torch.nn.Linear(4, 3)
    weights = halved(network).weight
    assert torch.equal(weights, weights.half().float())
    assert not torch.equal(weights, network.weight)
