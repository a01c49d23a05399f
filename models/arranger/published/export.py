"""The published network as ONNX graphs, its encoder and one sixteenth of its decoder. Offline, so they are no player's model file."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from models.arranger.published.config import BANDS, BEATS, FEATURES, FRAMES, PITCHES, STEPS
from models.arranger.published.network import PublishedNetwork

OPSET = 20
ENCODED = ("z",)
STATE = ("hidden", "token", "feature_hidden", "feature_token")
WRITTEN = ("notes", "feature", *(f"new_{name}" for name in STATE))


class Encode(nn.Module):
    """Spectrum, chords and roll -> the latents' means side by side. `symbols` is 1 where the roll holds a score, else the third is 0."""

    def __init__(self, network: PublishedNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, spectrum: Tensor, chords: Tensor, roll: Tensor, symbols: Tensor) -> Tensor:
        """(batch, BANDS, FRAMES), (batch, BEATS, chord_size), (batch, STEPS, PITCHES), (batch, 1) -> (batch, dimensions)."""
        z = self.network.means(spectrum, chords, roll)
        if "symbol" in z:
            z["symbol"] = z["symbol"] * symbols
        return self.network.together(z)


class Write(nn.Module):
    """One sixteenth: what is heard on it, its notes, greedily, and the state. What a kind has not is passed through."""

    def __init__(self, network: PublishedNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, z: Tensor, first: Tensor, hidden: Tensor, token: Tensor, feature_hidden: Tensor, feature_token: Tensor
    ) -> tuple[Tensor, ...]:
        """Latents, 1 on the first sixteenth (batch, 1), the state -> notes (batch, slots - 1, 6) int64, (batch, 3), the new state."""
        network, feature, embedded = self.network, feature_token, None
        if network.feature_decoder is not None and network.feature_embedding is not None:
            audio = dict(zip(network.sizes, z.split(list(network.sizes.values()), 1), strict=True))["audio"]
            begun = network.feature_decoder.begin(audio)
            feature_hidden, feature_token = (
                torch.where(first > 0.5, begun[0], feature_hidden),
                torch.where(first > 0.5, begun[1], feature_token),
            )
            feature, feature_hidden, feature_token = network.feature_decoder.next(audio, feature_hidden, feature_token)
            embedded = network.feature_embedding(feature)
        start, given, before = network.pianotree.begin(z)
        hidden, token = torch.where(first > 0.5, start, hidden), torch.where(first > 0.5, before, token)
        notes, hidden, token = network.pianotree.decide(hidden, given, token, embedded)
        return notes, feature, hidden, token, feature_hidden, feature_token


def inputs_of(network: PublishedNetwork) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return inputs of both graphs by name, batch 1: zeros, and flags that are on."""
    config, size = network.config, network.corrections.chord_size
    encoded = {"spectrum": torch.zeros(1, BANDS, FRAMES), "chords": torch.zeros(1, BEATS, size)}
    encoded |= {"roll": torch.zeros(1, STEPS, PITCHES), "symbols": torch.ones(1, 1)}
    sizes = (config.time_hidden, 2 * config.summary_hidden, config.feature_hidden, len(FEATURES))
    written = {"z": torch.zeros(1, sum(network.sizes.values())), "first": torch.ones(1, 1)}
    return encoded, written | {name: torch.zeros(1, width) for name, width in zip(STATE, sizes, strict=True)}


def export(network: PublishedNetwork, encode: Path, write: Path) -> None:
    """Write both graphs, of one segment and of one sixteenth."""
    network.eval()
    parts: list[tuple[nn.Module, Path, tuple[str, ...]]]
    parts = [(Encode(network), encode, ENCODED), (Write(network), write, WRITTEN)]
    for given, (module, path, names) in zip(inputs_of(network), parts, strict=True):
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # torch's exporter warns of its own deprecations
            torch.onnx.export(
                module.eval(), tuple(given.values()), path, input_names=list(given), output_names=list(names),
                opset_version=OPSET, dynamo=True, external_data=False, verbose=False,
            )  # fmt: skip
