"""What every test may ask for: a stream fed in blocks, signals, and a step that runs torch instead of ONNX."""

import fcntl
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import settings
from numpy.typing import NDArray
from torch import nn

from exporters.onnx_export import describe_graph, export, export_parts
from exporters.players import write_translator
from models.arranger.config import BANDS, EAR_AHEAD, FEATURE, KEYS, LATENT, LOWEST, LOWEST_KEY, SLOTS
from models.arranger.config import PITCHES as PIANO_PITCHES
from models.arranger.manifest import CLOCKS, arranger_manifest
from models.arranger.manifest import INPUTS as ARRANGER_INPUTS
from models.block import Samples
from models.events import Event
from models.manifest import Manifest, Parameter, Port
from models.probe.manifest import probe_manifest
from models.probe.network import HOP, TAIL, ProbeNetwork
from models.probe.processor import PEAK_REACH
from models.registry import bundled_files
from models.step import Tensors
from models.transcriber.config import LOWEST_PITCH, PITCHES, TranscriberConfig
from models.transcriber.manifest import transcriber_manifest
from models.translator.config import TranslatorConfig
from models.translator.map import draw_map
from models.translator.network import TranslatorNetwork
from plugin_bridge.client import BridgeClient
from server.live_stream import LiveStream
from server.scheduler import Emission

settings.register_profile("house", max_examples=60, deadline=None, derandomize=True)
settings.load_profile("house")
torch.set_num_threads(1)  # the step sizes here are too small to share

COMMAND_LINE = (sys.executable, "-P", "-c", "import sys; from server.cli import main; sys.exit(main())")
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
HELD_CHORD = (60, 64, 67)
SMALL_TRANSLATOR = TranslatorConfig(
    channels=8, spectral_channels=3, narrow_channels=2, head_channels=6, slot_channels=16, latent=6, loudness=2, symbol_channels=24,
    voice_channels=12, voice_memory=8, pitch_channels=4,
)  # fmt: skip


@dataclass(slots=True)
class Heard:
    """What came out of a stream: emissions with the end of the block that carried them, and the audio, joined."""

    emissions: list[Emission] = field(default_factory=list)
    block_ends: list[int] = field(default_factory=list)
    audio: Samples = field(default_factory=lambda: np.zeros((0, 0), np.float32))


def block_sizes(block: int | tuple[int, ...], length: int, start: int = 0) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of blocks of one size, or of several in turn, until `length` samples are through."""
    sizes = cycle(block if isinstance(block, tuple) else (block,))
    while start < length:
        end = min(start + next(sizes), length)
        yield start, end
        start = end


def feed(
    stream: LiveStream,
    samples: Samples,
    block: int | tuple[int, ...],
    events: Iterable[Event] = (),
    finish: bool = True,
) -> Heard:
    """Feed (channels, n) samples and host events to `stream` block by block from sample 0; return what it gave."""
    heard, pieces, waiting = Heard(), [], sorted(events, key=lambda event: event.sample)
    for start, end in block_sizes(block, samples.shape[1]):
        due = [event for event in waiting if event.sample < end]
        waiting = waiting[len(due) :]
        outgoing = stream.process(start, samples[:, start:end], due)
        heard.emissions += outgoing.emissions
        heard.block_ends += [end] * len(outgoing.emissions)
        pieces.append(outgoing.audio)
    if finish:
        ends = stream.finish(samples.shape[1])
        heard.emissions += ends
        heard.block_ends += [samples.shape[1]] * len(ends)
    heard.audio = np.concatenate(pieces, axis=1)
    return heard


class TorchStep:
    """A torch step network as a Step, one stream."""

    def __init__(self, network: nn.Module, inputs: tuple[str, ...]) -> None:
        self._network, self._inputs = network, inputs

    def initial_state(self) -> Tensors:
        """Return the network's own initial state as arrays."""
        state = self._network.initial_state(1)
        return {name: tensor.numpy().copy() for name, tensor in state.items()}

    def __call__(self, inputs: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        """Run one hop; see Step."""
        arguments = [torch.from_numpy(np.ascontiguousarray(inputs[name])) for name in self._inputs]
        with torch.inference_mode():
            outputs, new = self._network.step(*arguments, {name: torch.from_numpy(a) for name, a in state.items()})
        return {k: t.numpy() for k, t in outputs.items()}, {k: t.numpy().copy() for k, t in new.items()}


@pytest.fixture(name="feed", scope="session")
def feed_fixture() -> Callable[..., Heard]:
    """The function `feed`: a stream, samples and a block size in, everything that came out back."""
    return feed


@pytest.fixture(scope="session")
def torch_step() -> type[TorchStep]:
    """The class `TorchStep`."""
    return TorchStep


@pytest.fixture(scope="session")
def noise() -> Callable[..., Samples]:
    """A function (count, seed=0, level=0.1) -> (1, count) float32 of Gaussian noise."""

    def make(count: int, seed: int = 0, level: float = 0.1) -> Samples:
        return (level * np.random.default_rng(seed).standard_normal((1, count))).astype(np.float32)

    return make


@pytest.fixture(scope="session")
def strokes() -> Callable[..., Samples]:
    """A function (rate, seconds, seed=0) -> (1, n) float32 of decaying harmonic tones, six a second, some together.

    Each begins at full level on one sample, so that an onset is where it is said to be.
    """

    def make(rate: int, seconds: float, seed: int = 0) -> Samples:
        generator = np.random.default_rng(seed)
        audio: NDArray[np.float64] = np.zeros(round(rate * seconds))
        for start in np.sort(generator.uniform(0.05, seconds, max(1, round(6 * seconds)))):
            time = np.arange(round(start * rate), audio.size) / rate - round(start * rate) / rate
            pitches = 36 + generator.permutation(48)[: generator.integers(1, 4)]
            for frequency in 440 * 2 ** ((pitches - 69) / 12):
                partials = [
                    np.cos(2 * np.pi * frequency * k * time) / k for k in range(1, 7) if frequency * k < 0.45 * rate
                ]
                audio[-time.size :] += 0.1 * np.exp(-5 * time) * sum(partials)
        return np.clip(audio, -1, 1)[None].astype(np.float32)

    return make


class HeldNetwork(nn.Module):
    """Loud audio is a held chord, quiet audio is none: somebody else's network, in the transcriber's clothes."""

    def __init__(self) -> None:
        super().__init__()
        keys = torch.zeros(PITCHES)
        keys[[pitch - LOWEST_PITCH for pitch in HELD_CHORD]] = 1.0
        self.register_buffer("keys", keys)

    def initial_state(self, batch: int) -> dict[str, torch.Tensor]:
        """The loudness of the last four hops."""
        return {"loud": torch.zeros(batch, 4)}

    def step(
        self, audio: torch.Tensor, state: dict[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        """Take (batch, hop); head 0 speaks about this hop, head 1 about the one three hops ago."""
        loud = torch.sigmoid(1000 * (audio.abs().mean(1, keepdim=True) - 0.05))
        heard = torch.cat([state["loud"], loud], 1)  # (batch, 5)
        frame = heard[:, [4, 1]][:, :, None] * self.keys  # (batch, heads, pitches)
        onset = frame * (1 - heard[:, [3, 0]])[:, :, None]
        never = 0.0 * frame
        outputs = {"onset": onset, "frame": frame, "velocity": 0.8 * frame, "shift": never, "offset": never}
        return outputs, {"loud": heard[:, 1:]}


@pytest.fixture(scope="session")
def held_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one model that did not come with Backline: held.onnx, which holds HELD_CHORD while audio is loud."""
    network, folder = HeldNetwork(), tmp_path_factory.mktemp("foreign")
    config = TranscriberConfig(sample_rate=48_000, hop=768, phases=1, look_ahead=(0, 3 * 768))
    streams: dict[str, dict[str, Any]] = {"commit": {}, "live": {}}
    for head, name in enumerate(("0", "48")):
        votes = {str(head): 0.5}
        own = {"onset": votes, "low_onset": votes, "frame_head": head, "frame": 0.5}
        streams["commit"][name] = own
        streams["live"][name] = own | {"hold": 0, "live_delay": config.look_ahead[head] + 384}
    chord = {"network": "chord", "pedal": False, "bend": False, "single": False}
    settings = {"networks": {"chord": streams}, "instruments": {"chord": chord}}
    graph = describe_graph("step", network, {"audio": (768,)})
    draft = transcriber_manifest(graph, config, settings, {})
    parameters = tuple(replace(p, default="48") if p.name == "look_ahead_ms" else p for p in draft.parameters)
    manifest = replace(draft, name="held", title="A held chord", parameters=parameters)
    export(network, manifest, folder / "held.onnx")
    return folder


@pytest.fixture(scope="session")
def chime_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with chime.onnx: notes in, an impulse each out, at 32 kHz, and the magnitudes of its hops."""
    folder, network = tmp_path_factory.mktemp("chime"), ProbeNetwork()
    graph = describe_graph("step", network, {"audio": (HOP,), "pulses": (HOP,)})
    manifest = replace(
        probe_manifest(graph, HOP, TAIL), name="chime", title="An impulse a note", sample_rate=32_000,
        inputs=(Port("notes", "notes"),), outputs=(Port("audio", "audio", 1, "full scale"), Port("spectrum", "magnitude")),
    )  # fmt: skip
    export(network, manifest, folder / "chime.onnx")
    return folder


class Mirror(nn.Module):
    """What it hears is what it plays, as late as the probe."""

    def initial_state(self, batch):
        return {"heard": torch.zeros(batch, TAIL + PEAK_REACH)}

    def step(self, audio, pulses, state):
        heard = torch.cat([state["heard"], audio + pulses], dim=1)
        return {"heard": heard[:, :HOP], "played": heard[:, :HOP]}, {"heard": heard[:, HOP:]}


@pytest.fixture(scope="session")
def mirror_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `mirror`, a folder of three graphs, one a direction: impulses to notes, notes to impulses, audio to audio."""
    folder, networks = (
        tmp_path_factory.mktemp("mirror"),
        {"listen": ProbeNetwork(), "play": ProbeNetwork(), "through": Mirror()},
    )
    graphs = [
        replace(describe_graph(name, network, {"audio": (HOP,), "pulses": (HOP,)}), directions=(name,))
        for name, network in networks.items()
    ]
    manifest = probe_manifest(graphs[0], HOP, TAIL)
    audio, notes = Port("audio", "audio", 1, "full scale"), Port("notes", "notes")
    export_parts(networks, replace(
        manifest, name="mirror", title="Impulses and notes, both ways", graphs=tuple(graphs),
        inputs=(replace(audio, directions=("listen", "through")), replace(notes, directions=("play",))),
        outputs=(replace(notes, directions=("listen",)), replace(audio, directions=("play", "through"))),
        parameters=(*manifest.parameters, Parameter("direction", "listen", choices=tuple(networks), fixed=True)),
    ), folder / "mirror")  # fmt: skip
    return folder


@pytest.fixture(scope="session")
def translator_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `translator`: small networks with random weights, in whose space every way is a long one."""
    torch.manual_seed(4)
    network = TranslatorNetwork(SMALL_TRANSLATOR).eval()
    with torch.no_grad():
        network.player.into.weight[:, : SMALL_TRANSLATOR.latent] *= 12
        network.decoder.into.weight *= 12
        network.decoder.said.weight *= 6
    draw_map(network)
    folder = tmp_path_factory.mktemp("translator")
    write_translator(network, folder / "translator", {})
    return folder


class PlainEar(nn.Module):
    """Hears the levels of pitches: what is loud and louder than its neighbours sounds, what has become so begins."""

    def initial_state(self, batch):
        return {"before": torch.full((batch, EAR_AHEAD + 2, BANDS), -90.0)}

    def step(self, spectrum, state):
        seen = torch.cat([state["before"], spectrum[:, None]], 1)
        pitches = seen[:, :3, : 2 * PIANO_PITCHES].unflatten(2, (-1, 2)).mean(3)
        before, level = pitches[:, 0], pitches[:, 2]
        sides = nn.functional.max_pool1d(level[:, None], 3, 1, 1)[:, 0]
        frame = torch.sigmoid((level + 35) / 2) * (level >= sides).float()
        onset = frame * torch.sigmoid(level - before - 6)
        none = 0 * onset
        top = none.scatter(1, (onset * torch.arange(PIANO_PITCHES)).argmax(1, keepdim=True), 1.0)
        places = torch.arange(PIANO_PITCHES)
        bass, lowest = (places < 24).float(), (places < 10).float()
        heard = torch.stack([onset, frame, onset * top, frame * top, onset * bass], 1)
        beat = torch.stack([(onset * low).amax(1) for low in (bass, lowest)], 1)
        classes = nn.functional.pad(frame, (4, 0)).unflatten(1, (-1, 12)).amax(1)
        root = torch.cat([classes, 0.1 + none[:, :1]], 1)
        chord = torch.cat([root / root.sum(1, keepdim=True), classes, root / root.sum(1, keepdim=True)], 1)
        loudness = torch.sigmoid((seen[:, 2].mean(1, keepdim=True) + 60) / 20)
        return {"beat": beat, "chord": chord, "heard": heard, "loudness": loudness}, {"before": seen[:, 1:]}


class PlainEncoder(nn.Module):
    """Says that what began on a sixteenth begins there, or what a texture has there; z is the mode and how much was prompted."""

    def initial_state(self, batch):
        return {}

    def step(self, heard, chords, prompt, texture, mode, state):
        below = LOWEST - LOWEST_KEY
        onsets = nn.functional.pad(heard[:, :, 0], (below, KEYS - PIANO_PITCHES - below))
        wanted = torch.where(mode[:, None, 3:] > 0, (texture > 0).float(), onsets)
        told = torch.cat([0 * wanted[..., : FEATURE - 2 * KEYS], 0 * wanted, wanted], 2)
        said = torch.cat([mode, chords.sum((1, 2))[:, None], prompt.sum((1, 2))[:, None]], 1)
        return {"z": nn.functional.pad(said, (0, LATENT - said.shape[1])), "features": told}, state


class PlainWriter(nn.Module):
    """Writes what the features say, the surest first, each an eighth long."""

    def initial_state(self, batch):
        return {"written": torch.zeros(batch, 1)}

    def step(self, z, feature, first, allowed, state):
        sure, key = (feature[:, -KEYS:] * allowed).topk(SLOTS, dim=1)
        there = (sure > 0.5).float()
        pitch = there * (key.float() + 1) - 1
        said = {"pitch": pitch, "length": 1 + there, "sure": there * sure + 0 * z[:, :SLOTS]}
        return said, {"written": state["written"] * (1 - first) + there.sum(1, keepdim=True)}


@pytest.fixture(scope="session")
def plain_networks() -> dict[str, nn.Module]:
    """The graphs of an arranger that plays what begins, as soon as it knows: graph -> network. They need no weights."""
    return {"ear": PlainEar(), "encode": PlainEncoder(), "write": PlainWriter()}


@pytest.fixture(scope="session")
def plain_manifest(plain_networks: dict[str, nn.Module]) -> Manifest:
    """The manifest of an arranger of `plain_networks`."""
    graphs = [
        replace(describe_graph(name, network, dict(ARRANGER_INPUTS[name])), clock=CLOCKS[name])
        for name, network in plain_networks.items()
    ]
    return replace(arranger_manifest(tuple(graphs), {}, {}), title="A pianist who plays what begins")


@pytest.fixture(scope="session")
def arranger_folder(
    tmp_path_factory: pytest.TempPathFactory, plain_networks: dict[str, nn.Module], plain_manifest: Manifest
) -> Path:
    """A folder with `plain_arranger`, of `plain_networks`."""
    folder = tmp_path_factory.mktemp("arranger")
    export_parts(plain_networks, plain_manifest, folder / "plain_arranger")
    return folder


@pytest.fixture(scope="session")
def arranger_models(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Options of a server that has a model called `arranger`: none where one ships, else a folder with one that needs no training."""
    if "arranger" in bundled_files():
        return ()
    folder = tmp_path_factory.mktemp("arranger_models")
    shutil.copytree(request.getfixturevalue("arranger_folder") / "plain_arranger", folder / "arranger")
    return "--models", str(folder)


@pytest.fixture(scope="session")
def song() -> Callable[..., Samples]:
    """A function (rate, beats, seconds_a_beat=0.5, first=0.0) -> (1, n) float32: a beat in the bass, on each downbeat a fifth below and
    louder, and chords in eighths above, of four bars that come again."""

    def make(rate: int, beats: int, seconds_a_beat: float = 0.5, first: float = 0.0) -> Samples:
        audio = np.zeros(round(rate * (first + beats * seconds_a_beat)))
        roots = (45, 41, 48, 43)
        for eighth in range(2 * beats):
            root, begin = roots[eighth // 8 % 4], round(rate * (first + eighth * seconds_a_beat / 2))
            time = np.arange(min(round(0.6 * seconds_a_beat * rate), audio.size - begin)) / rate
            tones = [(root + 12 + step, 0.06) for step in (0, 4, 7)] + [(root + 24 + (0, 4, 7, 12)[eighth % 4], 0.08)]
            tones += [(root - 12 * (eighth % 8 == 0), 0.25 if eighth % 8 == 0 else 0.12)] if eighth % 2 == 0 else []
            for pitch, level in tones:
                hertz = 440 * 2 ** ((pitch - 69) / 12)
                audio[begin : begin + time.size] += level * np.exp(-5 * time) * np.sin(2 * np.pi * hertz * time)
        return audio[None].astype(np.float32)

    return make


class RunningServer:
    """`backline serve` as a process of its own, and what a test asks of it."""

    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        self.process, self.port = process, port
        self.client = BridgeClient(port=port)

    def rows(self) -> dict[str, Any]:
        """Return the status of every stream."""
        return json.loads(str(self.client.request("/backline/status")[3]))

    def row(self, stream: int) -> dict[str, Any]:
        """Return the status of a stream that an engine works for; one that just lost its own may wait for the next.

        A process number of 0, no engine, must never reach os.kill: it would kill the tests' own process group.
        """
        deadline = time.monotonic() + 30
        while not (row := self.rows()[str(stream)])["process"]:
            assert time.monotonic() < deadline, f"stream {stream} has no engine"
        return row

    def engines(self) -> list[int]:
        """Return the process numbers of the engines, the oldest first."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(number) for number in children.split()]


@contextmanager
def start_server(*options: str) -> Iterator[RunningServer]:
    """Run `backline serve` on a free port; end it however it stands."""
    process = subprocess.Popen([*COMMAND_LINE, "serve", "--port", "0", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env=ENVIRONMENT, text=True)  # fmt: skip
    try:
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], 20)[0], "the server did not say that it is ready"
        line = process.stdout.readline()
        assert line.startswith("backline serves OSC at 127.0.0.1:"), line or f"it ended: {process.communicate()[1]}"
        server = RunningServer(process, int(line.rsplit(":", 1)[1]))
        yield server
        server.client.close()
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=20)
    assert "Traceback" not in errors, errors


@pytest.fixture
def own_port() -> Iterator[int]:
    """A port of this test's own, and the next one with it, for who names a port before anybody listens at it.

    A port that is asked of the system, read and given back belongs to whoever asks next. These lie below all that the system
    gives out, and a lock, which ends with its process, says which of them are in use.
    """
    given_out = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for port in range(given_out - 2, 1024, -2):
        with (Path(tempfile.gettempdir()) / f"backline-test-port-{port}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            if _are_free(port, port + 1):
                yield port
                return
    pytest.skip("the system gives out every port: none is left that nobody else may take")


def _are_free(*ports: int) -> bool:
    """Return whether no program, told so by a person, listens at a port."""
    for port in ports:
        with socket.socket() as stream, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what an earlier server left does not count
            try:
                stream.bind(("127.0.0.1", port))
                datagrams.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


@pytest.fixture(scope="session", name="start_server")
def start_server_fixture() -> Callable[..., AbstractContextManager[RunningServer]]:
    """The function `start_server`."""
    return start_server


@pytest.fixture(scope="module")
def server(held_folder: Path) -> Iterator[RunningServer]:
    """A server that knows the bundled models and `held`."""
    with start_server("--models", str(held_folder)) as running:
        yield running


@pytest.fixture(scope="session")
def command_line() -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """A function that runs `backline WORDS...` as a process of its own; other arguments are subprocess.run's."""

    def run(*words: object, **options: Any) -> "subprocess.CompletedProcess[str]":  # Any: subprocess.run's own
        return subprocess.run(
            [*COMMAND_LINE, *map(str, words)],
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            **options,
        )

    return run
