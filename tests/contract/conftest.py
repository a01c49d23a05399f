"""The players that the contract is held against, each over every kind of step that there is for it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import nn

from exporters.players import write_transcriber
from models.block import Samples
from models.manifest import Manifest
from models.model_file import read_manifest
from models.probe.network import ProbeNetwork
from models.registry import bundled_files, open_processor
from models.step import Step
from models.stream import StreamProcessor
from models.transcriber.config import TranscriberConfig
from models.transcriber.network import OUTPUTS, TranscriberNetwork
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


SETTLED = 20  # frames: until then a network with random weights moves far, and only once


def untrained_transcriber(folder: Path, audio: Samples) -> Player:
    """Export two networks with random weights whose activations swing widely over `audio`, so that notes abound."""
    networks = [_talkative(seed, audio) for seed in (3, 4)]
    path = folder / "untrained.onnx"
    write_transcriber(networks, {"piano": {"": _decoding()}, "general": {"": _decoding()}}, path, {})
    return Player(path, read_manifest(path), networks[0], trained=False)


def _talkative(seed: int, audio: Samples) -> TranscriberNetwork:
    torch.manual_seed(seed)
    network = TranscriberNetwork(TranscriberConfig()).eval()
    with torch.no_grad():
        network.heads.weight[...] = torch.randn(network.heads.weight.shape)  # as it is made, it says nothing of bends
        logits = network.logits(torch.from_numpy(audio))
        said = torch.stack([logits[name][:, SETTLED:] for name in OUTPUTS])  # (outputs, batch, frames, heads, pitches)
        spread = said.std(2).mean((1, 3)).flatten()  # over time: (outputs * heads,)
        network.heads.weight /= spread[:, None]
        network.heads.bias -= said.mean((1, 2, 4)).flatten()
        network.heads.bias /= spread
        spread, middle = (
            logits["pedal"][:, SETTLED:].std(1).mean(0),
            logits["pedal"][:, SETTLED:].mean((0, 1)),
        )  # (heads,)
        network.pedal_heads.weight /= spread[:, None] / 2
        network.pedal_heads.bias[...] = 2 * (network.pedal_heads.bias - middle) / spread
    return network


def _decoding() -> dict[str, dict[str, dict[str, object]]]:
    """Stream -> look-ahead -> settings, as calibration would write them: a live stream hears the earlier heads too."""
    config, decoding = TranscriberConfig(), {"commit": {}, "live": {}}
    for head, look_ahead_ms in enumerate(config.look_ahead_ms):
        early = {str(earlier): 0.9 for earlier in range(head)}
        for kind, votes in (("commit", {}), ("live", early)):
            votes = votes | {str(head): 0.6}
            own = {"onset": votes, "low_onset": votes, "frame_head": head, "frame": 0.5, "offset": 0.8, "pedal": 0.5}
            own |= {"rearm_ratio": 0.9}
            hold = round(0.8 * config.look_ahead[head])
            live = {"hold": hold, "live_delay": config.look_ahead[head] + config.hop // 2} if kind == "live" else {}
            decoding[kind][f"{look_ahead_ms:g}"] = own | live
    return decoding


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
