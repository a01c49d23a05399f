"""The players that the contract is held against, each over every kind of step that there is for it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from exporters.onnx_export import describe_graph, export
from exporters.players import write_transcriber
from models.block import Samples
from models.events import ControlChange, HostEvent, NoteOff, NoteOn, PitchBend, Transport, time_order
from models.manifest import NOTE_KINDS, Manifest
from models.model_file import read_manifest
from models.performer.config import CONTROLS, FEATURES, PerformerConfig
from models.performer.manifest import performer_manifest
from models.performer.network import PerformerNetwork
from models.probe.network import ProbeNetwork
from models.registry import bundled_files, open_processor
from models.step import Step
from models.stream import StreamProcessor
from models.transcriber.config import TranscriberConfig
from models.transcriber.network import OUTPUTS, TranscriberNetwork
from server.onnx_step import OnnxStep, open_session


@dataclass(frozen=True, slots=True)
class Player:
    """A model under test, its manifest facing one of its directions. network: None where the weights are not at hand in torch."""

    path: Path
    manifest: Manifest
    network: nn.Module | None
    trained: bool

    @property
    def roles(self) -> set[str]:
        """What it does: those of ROLES that it has."""
        return roles_of(self.manifest)

    def open(self, steps: Mapping[str, Step], stream: str = "commit", **settings: float | str) -> StreamProcessor:
        """Return a new processor of this player over `steps`."""
        soon = {"look_ahead_ms": SOONEST_MS} if "patient" in self.roles else {}
        return open_processor(self.manifest, steps, self.manifest.resolve({"stream": stream, **soon, **settings}))


@dataclass(frozen=True, slots=True)
class Music:
    """What a player eats. samples: (1, n), silence where it hears none. events: in time order, none where it is given none; for who
    plays with the host's transport, that as well.
    """

    samples: Samples
    events: tuple[HostEvent, ...] = ()

    def until(self, sample: int) -> "Music":
        """Return its beginning."""
        return Music(self.samples[:, :sample], tuple(event for event in self.events if event.sample < sample))

    def then(self, sample: int, other: "Music") -> "Music":
        """Return it with everything from `sample` on taken from another, which is as long."""
        first, later = self.until(sample), tuple(event for event in other.events if event.sample >= sample)
        return Music(np.concatenate([first.samples, other.samples[:, sample:]], axis=1), first.events + later)


def melody(rate: int, seconds: float, seed: int = 0) -> tuple[HostEvent, ...]:
    """Return notes that overlap, chords, a pitch on two channels, repeated keys, bends and controllers, at ugly samples."""
    generator, events, length = np.random.default_rng(seed), [], round(rate * seconds)
    for start in np.sort(generator.uniform(0.03, 0.85 * seconds, max(3, round(8 * seconds)))):
        place, chord = round(start * rate), generator.integers(1, 4)
        for pitch in 48 + generator.permutation(40)[:chord]:
            channel, lasts = int(generator.integers(0, 2)), int(generator.integers(1, round(0.25 * rate)))
            on = NoteOn(place, int(pitch), int(generator.integers(1, 128)), channel)
            events += [on, NoteOff(min(place + lasts, length - 1), int(pitch), 64, channel)]
    for place in generator.integers(0, length, 6).tolist():
        events += [
            PitchBend(place, int(generator.integers(-8192, 8192)), place % 2),
            ControlChange(place, (1, 11, 64)[place % 3], int(generator.integers(0, 128)), place % 2),
        ]
    return tuple(sorted(events, key=time_order))


ROLES = ("listener", "writer", "reader", "sounder", "instrument", "bystander", "patient")
"""Hears audio, gives notes, is given notes, gives audio, sounds the notes that it is given, plays on whatever the transport says,
waits for whole bars."""
SOONEST_MS = 2000  # how long who waits for bars may wait


def roles_of(manifest: Manifest) -> set[str]:
    """Return a player's roles by its ports."""
    taken, given = ({port.kind for port in side} for side in (manifest.inputs, manifest.outputs))
    reads, sounds, drums = bool(taken & {*NOTE_KINDS}), "audio" in given, "drums" in given
    clocks = {graph.clock for graph in manifest.graphs}
    stands_by, waits = clocks <= {"hop", "event"}, "bar" in clocks
    has = (
        "audio" in taken,
        bool(given & {*NOTE_KINDS}),
        reads,
        sounds,
        reads and sounds and not drums,
        stands_by,
        waits,
    )
    return {role for role, had in zip(ROLES, has, strict=True) if had}


ROLLING = Transport(0, True, 0, 240.0, beats_a_bar=2.0)  # half a second a bar
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


SMALL = PerformerConfig(
    sample_rate=16_000, n_fft=512, hop=128, voices=3, partials=24, own_partials=4, envelope_points=8, noise_points=6,
    body_points=12, voice_channels=12, common_channels=8, bands=32, multi_bands=(2, 4), look_ahead=(0, 9), reach=256, rooms=1,
)  # fmt: skip
"""No size of it is the one that ships."""


def untrained_performer(folder: Path) -> Player:
    """Export a small performer with random weights, also where training begins at zero, whose room rings for a short time."""
    torch.manual_seed(5)
    network = PerformerNetwork(SMALL).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.05)
        network.room_decay.fill_(-1.0)
    inputs = {"voices": (SMALL.voices, len(FEATURES)), "pitches": (SMALL.voices,), "controls": (len(CONTROLS),)}
    manners = {"violin": {"vibrato_semitones": 0.2, "vibrato_hertz": 6.0, "vibrato_delay": 0.02}}
    path = folder / "untrained_performer.onnx"
    export(network, performer_manifest(describe_graph("step", network, inputs), SMALL, manners, {}), path)
    return Player(path, read_manifest(path), network, trained=False)


def ways_of(name: str, manifest: Manifest) -> list[str]:
    """Return a model's name, or a name for each direction that it works in."""
    return [f"{name} {direction}" for direction in manifest.directions] or [name]


BUNDLED = [way for name, path in bundled_files().items() for way in ways_of(name, read_manifest(path))]
MIRROR = {
    "mirror listen": {"listener", "writer", "bystander"},
    "mirror play": {"reader", "sounder", "instrument", "bystander"},
    "mirror through": {"listener", "sounder", "bystander"},
}
"""A model of several graphs that needs no weights, and its roles."""
PLAIN = {"plain_arranger": {"listener", "writer", "patient"}}
"""An arranger that needs none."""
KINDS = {name: ("onnx", "torch") if name == "probe" else ("onnx",) for name in (*BUNDLED, *MIRROR, *PLAIN)} | {
    "untrained": ("onnx", "torch"),
    "untrained_performer": ("onnx", "torch"),
}
"""Player -> kinds of step. A trained player's checkpoint does not ship: its torch side is the untrained one's."""


@pytest.fixture(scope="session")
def player(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    strokes: Callable[..., Samples],
) -> Player:
    """Every bundled player in each of its directions, a transcriber that knows nothing and talks much, a performer that has never
    played, and a model of several graphs that needs no weights.
    """
    if request.param == "untrained_performer":
        return untrained_performer(tmp_path_factory.mktemp("untrained"))
    if request.param == "untrained":
        audio = strokes(TranscriberConfig().sample_rate, 1.0)
        return untrained_transcriber(tmp_path_factory.mktemp("untrained"), audio)
    if request.param in PLAIN:
        path = request.getfixturevalue("arranger_folder") / request.param
        return Player(path, read_manifest(path), None, trained=False)
    name, _, direction = request.param.partition(" ")
    path = request.getfixturevalue("mirror_folder") / name if name == "mirror" else bundled_files()[name]
    manifest = read_manifest(path).facing({"direction": direction} if direction else {})
    return Player(path, manifest, ProbeNetwork() if name == "probe" else None, trained=True)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test that makes steps every player over each of its kinds of step, and no other pair.

    A test that asks for the `network` gets the players whose weights are at hand in torch; the exporter measured the
    parity of the others. One that asks for a role (`listener`, `writer` and so on) gets the players that have it.
    """
    wanted = {*ROLES} & {*metafunc.fixturenames}
    names = [name for name in KINDS if wanted <= _roles(name)]
    if "make_steps" in metafunc.fixturenames:
        pairs = [(name, kind) for name in names for kind in KINDS[name]]
        metafunc.parametrize(("player", "make_steps"), pairs, indirect=True, scope="session")
    elif "player" in metafunc.fixturenames:
        in_torch = "network" in metafunc.fixturenames
        names = [name for name in names if "torch" in KINDS[name] or not in_torch]
        metafunc.parametrize("player", names, indirect=True, scope="session")


def _roles(name: str) -> set[str]:
    like = {"untrained": "transcriber", "untrained_performer": "performer"}.get(name, name)
    if name in MIRROR or name in PLAIN:
        return (MIRROR | PLAIN)[name]
    bundled, _, direction = like.partition(" ")
    return roles_of(read_manifest(bundled_files()[bundled]).facing({"direction": direction} if direction else {}))


@pytest.fixture
def listener(player: Player) -> Player:
    """A player that hears audio."""
    return player


@pytest.fixture
def writer(player: Player) -> Player:
    """A player that gives notes."""
    return player


@pytest.fixture
def reader(player: Player) -> Player:
    """A player that is given notes."""
    return player


@pytest.fixture
def sounder(player: Player) -> Player:
    """A player that gives audio."""
    return player


@pytest.fixture
def instrument(player: Player) -> Player:
    """A player that sounds the notes it is given."""
    return player


@pytest.fixture
def bystander(player: Player) -> Player:
    """A player that plays on whatever the transport says."""
    return player


@pytest.fixture
def compose(player: Player, strokes: Callable[..., Samples]) -> Callable[..., Music]:
    """A function (seconds, seed=0, rate=None) -> what the player eats; without a rate, at the model's own.

    Strokes with clicks between for one that hears, so that each has something to say; notes for one that is given notes. Who plays
    with the transport gets one that rolls, and longer music: it answers a bar later, or some seconds.
    """

    def make(seconds: float, seed: int = 0, rate: int | None = None) -> Music:
        rate = rate or player.manifest.sample_rate
        seconds *= 1 if "bystander" in player.roles else 8 if "patient" in player.roles else 2
        events = melody(rate, seconds, seed) if "reader" in player.roles else ()
        if "bystander" not in player.roles:
            events = (ROLLING, *events)
        if "listener" not in player.roles:
            return Music(np.zeros((1, round(rate * seconds)), np.float32), events)
        clicked = strokes(rate, seconds, seed=seed)
        clicked[0, 777::4001] = 0.95
        return Music(clicked, events)

    return make


@pytest.fixture
def network(player: Player) -> nn.Module:
    """The player's network in torch."""
    assert player.network is not None
    return player.network


@pytest.fixture
def make_steps(request: pytest.FixtureRequest, player: Player, torch_step: type) -> Callable[[], dict[str, Step]]:
    """A function that returns new steps of `player` by the names of their graphs, by ONNX Runtime or by torch."""
    graphs = player.manifest.graphs
    if request.param == "torch":
        return lambda: {g.name: torch_step(player.network, tuple(t.name for t in g.inputs)) for g in graphs}
    return lambda: {g.name: OnnxStep(open_session(player.path, file=g.file), g) for g in graphs}
