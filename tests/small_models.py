"""Models that need no training: what they hear and play is known beforehand, or their weights are random."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from exporters.onnx_export import describe_graph, export, export_parts
from exporters.players import write_translator
from models.arranger.config import BANDS, EAR_AHEAD, FEATURE, KEYS, LATENT, LOWEST, LOWEST_KEY, SLOTS
from models.arranger.config import PITCHES as PIANO_PITCHES
from models.arranger.manifest import CLOCKS, arranger_manifest
from models.arranger.manifest import INPUTS as ARRANGER_INPUTS
from models.manifest import Manifest, Parameter, Port
from models.probe.manifest import probe_manifest
from models.probe.network import HOP, TAIL, ProbeNetwork
from models.probe.processor import PEAK_REACH
from models.registry import bundled_files
from models.transcriber.config import LOWEST_PITCH, PITCHES, TranscriberConfig
from models.transcriber.manifest import transcriber_manifest
from models.translator.config import TranslatorConfig
from models.translator.map import draw_map
from models.translator.network import TranslatorNetwork

HELD_CHORD = (60, 64, 67)
SMALL_TRANSLATOR = TranslatorConfig(
    channels=8, spectral_channels=3, narrow_channels=2, head_channels=6, slot_channels=16, latent=6, loudness=2, symbol_channels=24,
    voice_channels=12, voice_memory=8, pitch_channels=4,
)  # fmt: skip


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
