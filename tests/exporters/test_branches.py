"""Two networks in one file: the instrument chooses which is loaded, and what both hold alike is there once."""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from exporters.parity import check_parity
from exporters.players import write_transcriber
from models.model_file import read_manifest, with_constant_set
from models.model_parts import ModelFileError
from models.transcriber.config import TranscriberConfig
from models.transcriber.network import TranscriberNetwork
from models.transcriber.tuning import TUNING_TAPS, tuning_taps
from server import model_store, step_pool
from server.errors import BacklineError
from server.onnx_step import OnnxStep, open_session

CONFIG = TranscriberConfig()
HOPS = 6
OWN = {"onset": {"0": 0.5}, "low_onset": {"0": 0.5}, "frame_head": 0, "frame": 0.5, "hold": 0, "live_delay": 64}
DECODING = {kind: {f"{ms:g}": OWN for ms in CONFIG.look_ahead_ms} for kind in ("commit", "live")}


def network(seed: int) -> TranscriberNetwork:
    torch.manual_seed(seed)
    made = TranscriberNetwork(CONFIG).eval()
    with torch.no_grad():
        made.heads.weight.normal_(0, 1.0)
    return made


@pytest.fixture(scope="module")
def networks() -> list[TranscriberNetwork]:
    return [network(1), network(2)]


@pytest.fixture(scope="module")
def both(networks: list[TranscriberNetwork], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of two networks, in an order that is not the alphabet's."""
    path = tmp_path_factory.mktemp("branches") / "both.onnx"
    assert write_transcriber(networks, {"piano": {"": DECODING}, "general": {"": DECODING}}, path, {}) < 1e-4
    return path


@pytest.fixture(scope="module")
def alone(networks: list[TranscriberNetwork], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of the first network."""
    path = tmp_path_factory.mktemp("branches") / "alone.onnx"
    write_transcriber(networks[:1], {"piano": {"": DECODING}}, path, {})
    return path


@torch.no_grad()
@pytest.mark.parametrize(("constants", "number"), [((), 0), (("general",), 1)])
def test_the_joined_file_is_the_network_that_its_constant_chooses(both, networks, constants, number):
    step = OnnxStep(open_session(both, constants=constants), read_manifest(both).graphs[0])
    expected = networks[number]
    states, generator = (step.initial_state(), expected.initial_state(1)), np.random.default_rng(4)
    tuning = tuning_taps(0.2, CONFIG.bins_per_semitone)[None]
    for _ in range(HOPS):
        audio = generator.normal(0, 0.2, (1, CONFIG.hop)).astype(np.float32)
        heard, carried = step({"audio": audio, "tuning": tuning}, states[0])
        outputs, new = expected.step(torch.from_numpy(audio), torch.from_numpy(tuning), states[1])
        states = carried, new
        for found, wanted in ((heard, outputs), (carried, new)):
            assert found.keys() == wanted.keys()
            for name, value in wanted.items():
                assert np.abs(found[name] - value.numpy()).max() < 2e-5, name


def test_parity_holds_for_each_network_and_sees_the_other(both, networks):
    graph = read_manifest(both).graphs[0]
    for constant, network, other in (("", *networks), ("general", *reversed(networks))):
        assert check_parity(network, both, graph, hops=8, constant=constant) < 1e-4
        assert check_parity(other, both, graph, hops=8, constant=constant) > 0.1


def test_one_network_alone_has_the_same_tensors_and_no_constant(alone, both, networks):
    graph = read_manifest(alone).graphs[0]
    assert [(t.name, t.shape) for t in graph.inputs] == [("audio", (CONFIG.hop,)), ("tuning", (TUNING_TAPS,))]
    assert graph == read_manifest(both).graphs[0]
    assert check_parity(networks[0], alone, graph, hops=3, batch=1) < 1e-4
    assert read_manifest(alone).settings["constants"] == {}


def test_what_both_networks_hold_alike_is_stored_once(both, alone):
    assert both.stat().st_size < 1.7 * alone.stat().st_size
    stored = [(t.data_type, tuple(t.dims), t.raw_data) for t in onnx.load(both).graph.initializer]
    assert len(stored) == len(set(stored)), "a constant is there twice"


def test_what_runs_is_one_network_and_no_choice(both, alone, tmp_path):
    counts = []
    for path, constants in ((alone, ()), (both, ()), (both, ("general",))):
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.log_severity_level = 4
        data = path.read_bytes()
        for constant in constants:
            data = with_constant_set(data, constant)
        onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        counts.append(Counter(node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node))
    assert counts[0] == counts[1] == counts[2]
    assert "If" not in counts[0]


def test_the_instrument_chooses_the_network_that_a_stream_hears_with(both, networks, monkeypatch):
    heard = []
    opened = step_pool.OnnxStep
    monkeypatch.setattr(step_pool, "OnnxStep", lambda session, graph: heard.append(session) or opened(session, graph))
    model = model_store.find_model(str(both))
    for instrument in ("piano", "general", "guitar"):
        model_store.open_stream(model, {"instrument": instrument}, 48_000)
    assert heard == [
        open_session(both, "cpu", constants=constants, file="") for constants in ((), ("general",), ("general",))
    ]


def test_a_constant_that_the_graph_does_not_have_is_refused_by_its_name(both, alone):
    with pytest.raises(ModelFileError, match="its graph has no boolean constant 'guitar', which its manifest names"):
        with_constant_set(both.read_bytes(), "guitar")
    with pytest.raises(BacklineError, match=r"alone\.onnx: its graph has no boolean constant 'general'"):
        open_session(alone, constants=("general",))
