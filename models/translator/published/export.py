"""The published network as ONNX graphs, one a direction, of any number of frames. Offline, so they are no player's model file."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch

from models.translator.published.network import Listen, Play, PublishedNetwork

OPSET = 20


def export(network: PublishedNetwork, listen: Path, play: Path) -> None:
    """Write spectra (frames, bands) -> symbols (frames, columns), their probabilities; and symbols -> spectra."""
    network.eval()
    spectra, symbols = torch.zeros(3, network.config.bands), torch.zeros(3, network.vocabulary.size)
    for module, given, path, names in (
        (Listen(network), spectra, listen, ("spectra", "symbols")),
        (Play(network), symbols, play, ("symbols", "spectra")),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's exporter warns of its own deprecations
            torch.onnx.export(
                module, (given,), path, input_names=[names[0]], output_names=[names[1]], opset_version=OPSET,
                dynamo=True, external_data=False, verbose=False, dynamic_shapes=({0: torch.export.Dim("frames")},),
            )  # fmt: skip
