"""The players that the contract is held against, each over every kind of step that there is for it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import nn

from exporters.onnx_export import describe_graph, export
from models.block import Samples
from models.manifest import Manifest
from models.model_file import read_manifest
from models.probe.network import ProbeNetwork
from models.registry import bundled_files, open_processor
from models.step import Step
from models.stream import StreamProcessor
from models.transcriber.config import TranscriberConfig
from models.transcriber.manifest import transcriber_manifest
from models.transcriber.network import TranscriberNetwork
from server.onnx_step import OnnxStep, open_session


@dataclass(frozen=True, slots=True)
class Player:
    """A model under test. network: None where the weights are not at hand in torch."""

    path: Path
    manifest: Manifest
    network: nn.Module | None
    trained: bool

    def open(self, step: Step, stream: str = "commit", **settings: float | str) -> StreamProcessor:
        """Return a new processor of this player over `step`."""
        return open_processor(self.manifest, step, self.manifest.resolve({"stream": stream, **settings}))


def untrained_transcriber(folder: Path, audio: Samples) -> Player:
    """Export a transcriber with random weights whose activations swing widely over `audio`, so that notes abound."""
    torch.manual_seed(3)
    config = TranscriberConfig()
    network = TranscriberNetwork(config).eval()
    whole = audio.shape[1] // config.hop * config.hop
    with torch.no_grad():
        logits = torch.stack(list(network.logits(torch.from_numpy(audio[:, :whole])).values()))
        spread = logits.std(2).mean((1, 3)).flatten()  # over time: (outputs * heads,)
        network.heads.weight /= spread[:, None]
        network.heads.bias -= logits.mean((1, 2, 4)).flatten()
        network.heads.bias /= spread
    heads = len(config.look_ahead_hops)
    thresholds = {"onset_threshold": [0.6] * heads, "frame_threshold": [0.5] * heads, "rearm_ratio": 0.9}
    graph = describe_graph("step", network, {"audio": (config.hop,)})
    draft = transcriber_manifest(graph, config.sample_rate, config.hop, config.look_ahead_hops, thresholds, {})
    path = folder / "untrained.onnx"
    export(network, draft, path)
    return Player(path, read_manifest(path), network, trained=False)


KINDS = {name: ("onnx", "torch") if name == "probe" else ("onnx",) for name in bundled_files()} | {
    "untrained": ("onnx", "torch")
}
"""Player -> kinds of step. A trained player's checkpoint does not ship: its torch side is the untrained one's."""


@pytest.fixture(scope="session")
def player(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, strokes: Callable[..., Samples]
) -> Player:
    """Every bundled player, and a transcriber that knows nothing and talks much."""
    if request.param == "untrained":
        audio = strokes(TranscriberConfig().sample_rate, 1.0)
        return untrained_transcriber(tmp_path_factory.mktemp("untrained"), audio)
    path = bundled_files()[request.param]
    return Player(path, read_manifest(path), ProbeNetwork() if request.param == "probe" else None, trained=True)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test that makes steps every player over each of its kinds of step, and no other pair.

    A test that asks for the `network` gets the players whose weights are at hand in torch; the exporter measured the
    parity of the others.
    """
    if "make_step" in metafunc.fixturenames:
        pairs = [(name, kind) for name, kinds in KINDS.items() for kind in kinds]
        metafunc.parametrize(("player", "make_step"), pairs, indirect=True, scope="session")
    elif "player" in metafunc.fixturenames:
        in_torch = "network" in metafunc.fixturenames
        names = [name for name, kinds in KINDS.items() if "torch" in kinds or not in_torch]
        metafunc.parametrize("player", names, indirect=True, scope="session")


@pytest.fixture
def network(player: Player) -> nn.Module:
    """The player's network in torch."""
    assert player.network is not None
    return player.network


@pytest.fixture
def make_step(request: pytest.FixtureRequest, player: Player, torch_step: type) -> Callable[[], Step]:
    """A function that returns a new step of `player`, by ONNX Runtime or by torch."""
    graph = player.manifest.graphs[0]
    if request.param == "torch":
        return lambda: torch_step(player.network, tuple(t.name for t in graph.inputs))
    return lambda: OnnxStep(open_session(player.path), graph)
