"""Two networks in one file: the instrument chooses which hears, and what both hold alike is there once."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from exporters.onnx_export import describe_graph
from exporters.parity import check_parity
from exporters.players import write_transcriber
from models.block import Block
from models.model_file import read_manifest
from models.registry import open_processor
from models.transcriber.choice import InstrumentChoice
from models.transcriber.config import TranscriberConfig
from models.transcriber.network import TranscriberNetwork
from models.transcriber.tuning import TUNING_TAPS, tuning_taps
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
@pytest.mark.parametrize("instrument", [0, 1])
def test_the_joined_file_is_each_network_for_its_instrument(both, networks, instrument):
    step, expected = OnnxStep(open_session(both), read_manifest(both).graphs[0]), networks[instrument]
    states, generator = (step.initial_state(), expected.initial_state(1)), np.random.default_rng(4)
    tuning = tuning_taps(0.2, CONFIG.bins_per_semitone)[None]
    for _ in range(HOPS):
        audio = generator.normal(0, 0.2, (1, CONFIG.hop)).astype(np.float32)
        inputs = {"audio": audio, "tuning": tuning, "instrument": np.full((1, 1), instrument, np.float32)}
        heard, carried = step(inputs, states[0])
        outputs, new = expected.step(torch.from_numpy(audio), torch.from_numpy(tuning), states[1])
        states = carried, new
        for found, wanted in ((heard, outputs), (carried, new)):
            assert found.keys() == wanted.keys()
            for name, value in wanted.items():
                assert np.abs(found[name] - value.numpy()).max() < 2e-5, name


def test_parity_holds_while_the_instrument_changes_from_hop_to_hop(both, networks):
    graph = read_manifest(both).graphs[0]
    assert check_parity(InstrumentChoice(networks), both, graph, hops=8, batch=1) < 1e-4


def test_one_network_alone_takes_the_same_inputs(alone, networks):
    graph = read_manifest(alone).graphs[0]
    assert [(t.name, t.shape) for t in graph.inputs] == [
        ("audio", (CONFIG.hop,)), ("tuning", (TUNING_TAPS,)), ("instrument", (1,))
    ]  # fmt: skip
    inputs = {t.name: t.shape for t in graph.inputs}
    assert graph == describe_graph("step", InstrumentChoice(networks), inputs)
    assert check_parity(InstrumentChoice(networks[:1]), alone, graph, hops=3, batch=1) < 1e-4


def test_what_both_networks_hold_alike_is_stored_once(both, alone):
    assert both.stat().st_size < 1.7 * alone.stat().st_size
    graph = onnx.load(both).graph
    outer = [tensor.raw_data for tensor in graph.initializer if len(tensor.raw_data) > 1000]
    assert len(outer) == len(set(outer)), "a constant is there twice"
    (choice,) = (node for node in graph.node if node.op_type == "If")
    inner = [tensor.raw_data for branch in choice.attribute for tensor in branch.g.initializer]
    assert not set(inner) & set(outer)


def test_the_processor_asks_for_the_network_that_the_file_holds_at_that_place(both):
    manifest, asked = read_manifest(both), []

    class Asked:
        def initial_state(self):
            return {}

        def __call__(self, inputs, state):
            asked.append(float(inputs["instrument"][0, 0]))
            raise InterruptedError

    for instrument in ("piano", "general", "guitar"):
        processor = open_processor(manifest, Asked(), manifest.resolve({"instrument": instrument}))
        with pytest.raises(InterruptedError):
            processor.process(Block(0, np.zeros((1, CONFIG.hop), np.float32)))
    assert asked == [0, 1, 1]
