"""The published generator as an ONNX graph of one crop. Offline, so it is no player's model file."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch

from models.drummer.published.network import Drawing

OPSET = 20


def export(network: Drawing, path: Path) -> None:
    """Write the graph: source (1, 1, bands, frames) -> target, the same shape, both -1 to 1."""
    given = torch.zeros(1, 1, network.config.bands, network.config.frames)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's exporter warns of its own deprecations
        torch.onnx.export(
            network.eval(), (given,), path, input_names=["source"], output_names=["target"],
            opset_version=OPSET, dynamo=True, external_data=False, verbose=False,
        )  # fmt: skip
