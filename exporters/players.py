"""How each player's checkpoint becomes a network, a manifest and a file: one function a player, by name."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from exporters.onnx_export import ExportError, describe_graph, export


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
    """Write a transcriber with the thresholds and figures of its checkpoint's card."""
    from safetensors import SafetensorError

    from models.transcriber.manifest import DEFAULT_LOOK_AHEAD_MS, transcriber_manifest
    from models.transcriber.network import load_network, read_card

    if checkpoint is None or not checkpoint.exists():
        raise ExportError(f"there is no checkpoint {checkpoint}; `backline train transcriber` makes one")
    try:
        network, figures = load_network(checkpoint), json.loads(read_card(checkpoint)["figures"])
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ExportError(f"{checkpoint} is no checkpoint of this transcriber: {reason}") from error
    config = network.config
    default = [1000 * hops * config.hop / config.sample_rate for hops in config.look_ahead_hops].index(
        DEFAULT_LOOK_AHEAD_MS
    )
    settings = {name: figures[name] for name in ("onset_threshold", "frame_threshold")}
    names = ("onset_f1", "live_f1", "note_f1")
    measured = {f"validation {name}": figures[name][default] for name in names if name in figures} | dict(quality)
    graph = describe_graph("step", network, {"audio": (config.hop,)})
    manifest = transcriber_manifest(graph, config.sample_rate, config.hop, config.look_ahead_hops, settings, measured)
    return export(network, manifest, path)


EXPORTERS: Mapping[str, Callable[[Path | None, Path, Mapping[str, float]], float]] = {
    "probe": export_probe,
    "transcriber": export_transcriber,
}
"""Player -> function of (checkpoint, path, figures to add) that writes a file and returns torch's difference to ONNX."""
