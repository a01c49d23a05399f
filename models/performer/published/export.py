"""The published network as an ONNX graph of one window. Offline, so it is no player's model file."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch

from models.performer.published.config import PITCHES
from models.performer.published.network import PublishedNetwork

OPSET = 20


def export(network: PublishedNetwork, path: Path) -> None:
    """Write the graph: pianoroll and on_off (1, 128, frames) -> log_power (1, bins, frames), frames those of a chunk."""
    # two tensors: one given twice may be taken for one input
    pianoroll, on_off = torch.zeros(2, 1, PITCHES, network.config.frames).unbind()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's exporter warns of its own deprecations
        torch.onnx.export(
            network.eval(), (pianoroll, on_off), path, input_names=["pianoroll", "on_off"], output_names=["log_power"],
            opset_version=OPSET, dynamo=True, external_data=False, verbose=False,
        )  # fmt: skip
