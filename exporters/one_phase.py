"""A thrifty transcriber out of one that is exported: the same weights in one phase, one step a frame where there were two.

    graph -> weights of its networks -> do they give what the graph gives? -> networks with a hop of a whole frame -> graph

What the tracer folded is unfolded: it keeps `harmonic.bias + pitch_bias` as one sum, and the mixing layers' `heard`
transposed. Thresholds and `hold` stay those of two phases; `live_delay` grows by half of what a hop grew, the mean wait,
where notes leave as soon as they are known. Called by `exporters.commands.export`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any  # Any: decoder settings are JSON

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from exporters.branches import FIRST, SECOND
from exporters.errors import ExportError
from exporters.parity import check_parity
from exporters.players import write_transcriber
from models.model_file import read_manifest
from models.model_parts import has_parts
from models.registry import bundled_files
from models.transcriber.config import PITCHES, TranscriberConfig
from models.transcriber.network import TranscriberNetwork

PLAYER = "transcriber"
NAMED = "network."  # what the tracer did not fold, it calls by this and the parameter's name
MIXING = ("mixing0", "mixing1")
LARGEST_DIFFERENCE = 1e-3  # between the graph and the networks of its weights, as for every export


@dataclass(frozen=True, slots=True)
class Unfolded:
    """An exported transcriber, in parts again.

    hop: samples. networks: name -> network, the first is heard where no constant is set. decoding: name -> group of
    instruments, "" for all -> streams, as `write_transcriber` takes it. difference: the largest between the graph and the
    networks, of outputs and state, over 50 hops.
    """

    hop: int
    networks: Mapping[str, TranscriberNetwork]
    decoding: Mapping[str, Any]
    difference: float


def export_one_phase(source: Path | None, path: Path, quality: Mapping[str, float]) -> tuple[float, float]:
    """Write the transcriber of the file `source`, the one that ships where it is None, in one phase to `path`.

    quality: figures to carry; those of the source hold for two phases and stay behind. Return the largest differences
    between torch and ONNX over 50 hops: of the source and the weights found in it, and of what was written.
    Raises ModelFileError or ExportError as `unfold` and `write_transcriber`; then nothing is written.
    """
    source = source or bundled_files().get(PLAYER)
    if source is None:
        raise ExportError("the bundled transcriber is not there; name the .onnx file of one")
    unfolded = unfold(source)
    networks = [in_one_phase(network) for network in unfolded.networks.values()]
    later = (networks[0].config.hop - unfolded.hop) / 2  # on average
    decoding = {
        name: {group: _known_later(streams, later) for group, streams in groups.items()}
        for name, groups in unfolded.decoding.items()
    }
    return unfolded.difference, write_transcriber(networks, decoding, path, quality)


def in_one_phase(network: TranscriberNetwork) -> TranscriberNetwork:
    """Return a network of the same weights that hears a whole frame with every hop."""
    config = network.config
    one = TranscriberNetwork(replace(config, hop=config.frame, phases=1)).eval()
    one.load_state_dict(network.state_dict())
    return one


def unfold(path: Path) -> Unfolded:
    """Return the networks and thresholds of an exported transcriber of two phases.

    Raises ModelFileError where the file is no model, and ExportError where it is no transcriber of two phases with this
    project's sizes, or its graph gives something else than the weights that were found in it.
    """
    manifest = read_manifest(path)
    config, own = TranscriberConfig(), manifest.settings
    if manifest.decoder != PLAYER or has_parts(path):
        raise ExportError(f"{path} is a {manifest.decoder}; --one-phase takes a transcriber")
    if (manifest.hop, own.get("phases")) != (config.hop, config.phases):
        raise ExportError(
            f"{path} has hops of {manifest.hop} samples and {own.get('phases')} phase(s); "
            f"--one-phase takes {config.hop} samples and {config.phases} phases"
        )
    tensors = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in onnx.load(path).graph.initializer}
    networks: dict[str, TranscriberNetwork] = {}
    difference = 0.0
    for name, prefix in zip(own["networks"], (FIRST, SECOND) if own["constants"] else ("",), strict=True):
        networks[name] = network = TranscriberNetwork(config).eval()
        try:
            network.load_state_dict(weights_of(tensors, prefix, config))
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise ExportError(f"{path} holds no weights of this transcriber's shapes: {reason}") from error
        constant = name if name in own["constants"] else ""
        difference = max(difference, check_parity(network, path, manifest.graphs[0], constant=constant))
    if not difference <= LARGEST_DIFFERENCE:
        raise ExportError(
            f"{path} and the weights found in it differ by {difference:.2g} over 50 hops; allowed: {LARGEST_DIFFERENCE}"
        )
    groups = {name: {"": streams} for name, streams in own["networks"].items()}
    for instrument, row in own["instruments"].items():
        if "streams" in row:
            groups[row["network"]][instrument] = row["streams"]
    return Unfolded(manifest.hop, networks, groups, difference)


def weights_of(tensors: Mapping[str, Tensor], prefix: str, config: TranscriberConfig) -> dict[str, Tensor]:
    """Return the parameters of the network whose constants in a graph begin with `prefix`, as far as they are there.

    tensors: the graph's constants. What was folded has a name of the tracer's, and is known by its shape and order.
    """
    own = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    weights = {name.removeprefix(NAMED): value for name, value in own.items() if name.startswith(NAMED)}
    weights = {name: value for name, value in weights.items() if not name.startswith("features.")}
    folded = [value for name, value in own.items() if not name.startswith(NAMED)]
    heard = config.narrow_channels * len(config.intervals), config.channels
    transposed = [value for value in folded if value.shape == heard]
    weights |= {f"{name}.heard.weight": value.t() for name, value in zip(MIXING, transposed, strict=False)}
    for bias in (value for value in folded if value.shape == (PITCHES, config.harmonic_channels)):
        weights |= {"pitch_bias": bias, "harmonic.bias": torch.zeros(config.harmonic_channels)}
    return weights


def _known_later(streams: Mapping[str, Any], samples: float) -> dict[str, Any]:
    """Return the streams' settings for notes that are known so much later; where most wait for their hold, nothing changes."""
    moved = {
        ms: row | {"live_delay": round(row["live_delay"] + samples)} if row["live_delay"] > row["hold"] else row
        for ms, row in streams["live"].items()
    }
    return dict(streams) | {"live": moved}
