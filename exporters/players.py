"""How each player's checkpoint becomes a network, a manifest and a file: one function a player, by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any  # Any: decoder settings are JSON

from exporters.branches import join_branches
from exporters.errors import ExportError
from exporters.half import halved
from exporters.onnx_export import describe_graph, export, export_parts, trace

if TYPE_CHECKING:
    import numpy as np

    from models.arranger.ear_network import EarNetwork
    from models.arranger.encoder import Encoder
    from models.arranger.network import ArrangerNetwork
    from models.arranger.writer import Writer
    from models.drummer.network import DrummerNetwork
    from models.transcriber.network import TranscriberNetwork
    from models.translator.listener import Listener
    from models.translator.network import TranslatorNetwork
    from models.translator.player import Player


NO_FIGURES_OF_A_CLIP = ("live_f1",)  # a commit stream has no deadline


def export_probe(checkpoint: Path | None, path: Path, quality: Mapping[str, float]) -> float:
    """Write the probe, which has no weights and so no checkpoint."""
    from models.probe.manifest import probe_manifest
    from models.probe.network import HOP, TAIL, ProbeNetwork

    if checkpoint is not None:
        raise ExportError(f"the probe has no weights; give `none` instead of {checkpoint}")
    network = ProbeNetwork()
    graph = describe_graph("step", network, {"audio": (HOP,), "pulses": (HOP,)})
    return export(network, replace(probe_manifest(graph, HOP, TAIL), quality=dict(quality)), path)


def export_transcriber(checkpoint: Path | None, path: Path, quality: Mapping[str, float]) -> float:
    """Write a transcriber with the thresholds and figures of its checkpoint's card.

    A checkpoint `general.safetensors` beside it is the network of all instruments but the piano.
    """
    from safetensors import SafetensorError

    from models.layers.checkpoint import read_card
    from models.transcriber.network import load_network

    if checkpoint is None or not checkpoint.exists():
        raise ExportError(f"there is no checkpoint {checkpoint}; `backline train transcriber` makes one")
    checkpoints = {"piano": checkpoint}
    if checkpoint.with_name("general.safetensors").exists():
        checkpoints["general"] = checkpoint.with_name("general.safetensors")
    networks: list[TranscriberNetwork] = []
    decoding: dict[str, Any] = {}
    measured: dict[str, float] = {}
    for name, file in checkpoints.items():
        try:
            networks.append(load_network(file))
            card = read_card(file)
            if "decoding" not in card:
                raise ExportError(
                    f"{file} has no thresholds yet; start its training again, which chooses them at its end"
                )
            decoding[name] = json.loads(card["decoding"])
            figures = json.loads(card["calibration"])
        except ExportError:
            raise
        except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise ExportError(f"{file} is no checkpoint of this transcriber: {reason}") from error
        measured |= {
            f"validation {name} {key}": value
            for key, value in figures["commit 160"].items()
            if key not in NO_FIGURES_OF_A_CLIP and (key != "pedal_f1" or name == "piano")
        }
    return write_transcriber(networks, decoding, path, measured | dict(quality))


def write_transcriber(
    networks: Sequence[TranscriberNetwork], decoding: Mapping[str, Any], path: Path, quality: Mapping[str, float]
) -> float:
    """Write a transcriber of one or two networks; `decoding` holds for each, in their order, what calibrate_groups chose."""
    from models.transcriber.manifest import instruments_of, transcriber_manifest
    from models.transcriber.tuning import TUNING_TAPS

    config = networks[0].config
    settings = {
        "networks": {name: groups[""] for name, groups in decoding.items()},
        "instruments": instruments_of(decoding),
    }
    others = dict(zip(list(decoding)[1:], networks[1:], strict=True))
    settings["constants"] = {
        name: {"instrument": [key for key, row in settings["instruments"].items() if row["network"] == name]}
        for name in others
    }
    inputs: dict[str, tuple[int, ...]] = {"audio": (config.hop,), "tuning": (TUNING_TAPS,)}
    graph = describe_graph("step", networks[0], inputs)
    model = trace(networks[0], graph)
    for name, other in others.items():
        model = join_branches(model, trace(other, graph), name)
    return export(networks[0], transcriber_manifest(graph, config, settings, quality), path, model, others)


def export_performer(checkpoint: Path | None, path: Path, quality: Mapping[str, float]) -> float:
    """Write a performer with the instruments and manners of its checkpoint's card."""
    from safetensors import SafetensorError

    from models.layers.checkpoint import read_card
    from models.performer.config import CONTROLS, FEATURES
    from models.performer.manifest import performer_manifest
    from models.performer.network import load_network

    if checkpoint is None or not checkpoint.exists():
        raise ExportError(f"there is no checkpoint {checkpoint}; `backline train performer` makes one")
    try:
        network, card = load_network(checkpoint), read_card(checkpoint)
        manners = json.loads(card["manners"])
        figures = json.loads(card["figures"])
        measured = {f"mel_db {name} ahead": value for name, value in figures.items() if " bent" not in name}
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise ExportError(f"{checkpoint} is no checkpoint of this performer: {str(error).splitlines()[0]}") from error
    config = network.config
    inputs: dict[str, tuple[int, ...]] = {
        "voices": (config.voices, len(FEATURES)),
        "pitches": (config.voices,),
        "controls": (len(CONTROLS),),
    }
    graph = describe_graph("step", network, inputs)
    return export(network, performer_manifest(graph, config, manners, measured | dict(quality)), path)


def export_translator(checkpoint: Path | None, path: Path, quality: Mapping[str, float]) -> float:
    """Write a translator's two graphs with the map of its space and the figures of its checkpoint's card."""
    from safetensors import SafetensorError

    from models.layers.checkpoint import read_card
    from models.translator.network import load_network

    if checkpoint is None or not checkpoint.exists():
        raise ExportError(f"there is no checkpoint {checkpoint}; `backline train translator` makes one")
    try:
        network, figures = load_network(checkpoint), json.loads(read_card(checkpoint)["figures"])
        measured = {f"validation {name}": float(value) for name, value in figures.items()}
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise ExportError(f"{checkpoint} is no checkpoint of this translator: {str(error).splitlines()[0]}") from error
    return write_translator(network, path, measured | dict(quality))


def write_translator(network: TranslatorNetwork, path: Path, quality: Mapping[str, float]) -> float:
    """Write a translator of this network."""
    from models.translator.config import FEATURES as TRANSLATED
    from models.translator.config import SYMBOLS
    from models.translator.manifest import translator_manifest
    from models.translator.map import described

    config = network.config
    heard: dict[str, tuple[int, ...]] = {"audio": (config.hop,), "levelled": (1,)}
    played: dict[str, tuple[int, ...]] = {
        "symbols": (config.voices, SYMBOLS), "targets": (config.voices, SYMBOLS), "morph": (1,), "position": (config.axes + 1,),
        "pitches": (config.voices,), "features": (config.voices, len(TRANSLATED)),
    }  # fmt: skip
    networks: dict[str, Listener | Player] = {"listen": network.listener, "play": network.player}
    graphs = tuple(
        replace(describe_graph(name, one, inputs), directions=(name,))
        for (name, one), inputs in zip(networks.items(), (heard, played), strict=True)
    )
    return export_parts(networks, translator_manifest(graphs, config, described(network), quality), path)


def export_drummer(checkpoint: Path | None, path: Path, quality: Mapping[str, float]) -> float:
    """Write a drummer with the styles and figures of its checkpoint's card; its step plans a beat."""
    from safetensors import SafetensorError

    from models.drummer.network import load_network, load_styles
    from models.layers.checkpoint import read_card

    if checkpoint is None or not checkpoint.exists():
        raise ExportError(f"there is no checkpoint {checkpoint}; `backline train drummer` makes one")
    try:
        network, styles = load_network(checkpoint), load_styles(checkpoint)
        figures = json.loads(read_card(checkpoint)["figures"])
        measured = {
            f"validation {name} {key}": float(value) for name, row in figures.items() for key, value in row.items()
        }
    except (SafetensorError, KeyError, ValueError, RuntimeError, TypeError, AttributeError) as error:
        raise ExportError(f"{checkpoint} is no checkpoint of this drummer: {str(error).splitlines()[0]}") from error
    return write_drummer(network, styles, path, measured | dict(quality))


def write_drummer(
    network: DrummerNetwork, styles: Mapping[str, np.ndarray], path: Path, quality: Mapping[str, float]
) -> float:
    """Write a drummer of this network."""
    from models.drummer.manifest import INPUTS, drummer_manifest

    graph = replace(describe_graph("plan", network, dict(INPUTS)), clock="beat")
    return export(network, drummer_manifest(graph, network.config, styles, quality), path)


def export_arranger(checkpoint: Path | None, path: Path, quality: Mapping[str, float]) -> float:
    """Write an arranger's three graphs from a folder with the checkpoints of its ear and of its writer, and their cards' figures."""
    from safetensors import SafetensorError

    from models.arranger.ear_network import load_ear
    from models.arranger.network import load_network
    from models.layers.checkpoint import read_card

    files = {name: Path(checkpoint or "") / f"{name}.safetensors" for name in ("ear", "writer")}
    missing = [str(file) for file in files.values() if not file.exists()]
    if checkpoint is None or missing:
        raise ExportError(
            f"there is no checkpoint {', '.join(missing) or checkpoint}; `backline train arranger` makes a folder with both"
        )
    networks: list[Any] = []  # of two kinds
    measured: dict[str, float] = {}
    for (name, file), load in zip(files.items(), (load_ear, load_network), strict=True):
        try:
            networks.append(load(file))
            figures = json.loads(read_card(file).get("figures", "{}"))
            measured |= {f"validation {name} {key}": float(value) for key, value in figures.items()}
        except (SafetensorError, KeyError, ValueError, RuntimeError, TypeError, AttributeError) as error:
            raise ExportError(f"{file} is no checkpoint of this arranger: {str(error).splitlines()[0]}") from error
    return write_arranger(networks[0], networks[1], path, measured | dict(quality))


def write_arranger(ear: EarNetwork, writer: ArrangerNetwork, path: Path, quality: Mapping[str, float]) -> float:
    """Write an arranger of these networks, with weights in half precision: they are rounded first, so that torch and ONNX agree."""
    from models.arranger.manifest import CLOCKS, INPUTS, arranger_manifest

    networks: dict[str, EarNetwork | Encoder | Writer] = {
        "ear": halved(ear), "encode": halved(writer.encode), "write": halved(writer.write),
    }  # fmt: skip
    graphs = tuple(
        replace(describe_graph(name, network, dict(INPUTS[name])), clock=CLOCKS[name])
        for name, network in networks.items()
    )
    settings = {"ear": ear.config.to_json(), "writer": writer.config.to_json()}
    return export_parts(networks, arranger_manifest(graphs, settings, quality), path, half=True)


EXPORTERS: Mapping[str, Callable[[Path | None, Path, Mapping[str, float]], float]] = {
    "probe": export_probe,
    "transcriber": export_transcriber,
    "performer": export_performer,
    "translator": export_translator,
    "drummer": export_drummer,
    "arranger": export_arranger,
}
"""Player -> function of (checkpoint, path, figures to add) that writes a file and returns torch's difference to ONNX."""
