"""The published network: encoders of chords, audio and a score; decoders of chords, features and notes read their latents.

`config` gives the sizes, `corrections` travel with them, `kind` is the paper's network, that without chords, or a baseline: the
supervised ones have the audio encoder and the decoder of notes only, the chord-only one hears nothing. Called by `objectives`,
`training`, `inference` and `export`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from models.arranger.published.config import FEATURES, STEPS, PublishedConfig
from models.arranger.published.corrections import Corrections
from models.arranger.published.decoders import ChordDecoder, FeatureDecoder
from models.arranger.published.encoders import ChordEncoder, FrameEncoder, SymbolEncoder
from models.arranger.published.pianotree import PianoTree
from models.arranger.published.recurrence import Gaussian
from models.arranger.published.transcriber import Transcriber
from models.layers.checkpoint import read_tensors, write_tensors


@dataclass(frozen=True, slots=True)
class Latents:
    """What the encoders say of a batch, as far as the kind has them."""

    chord: Gaussian | None
    audio: Gaussian | None
    symbol: Gaussian | None


class PublishedNetwork(nn.Module):
    """All parts; those that a kind has not are None."""

    def __init__(self, config: PublishedConfig, corrections: Corrections, kind: str = "cvae") -> None:
        super().__init__()
        sizes = config.latents(kind)
        self.config, self.corrections, self.kind, self.sizes = config, corrections, kind, sizes
        self.transcriber = self.frame_encoder = self.chord_encoder = self.chord_decoder = None
        self.symbol_encoder = self.feature_decoder = self.feature_embedding = None
        if kind != "chord_only":
            self.transcriber = Transcriber(config, corrections)
            self.frame_encoder = FrameEncoder(config, sizes["audio"])
        if "chord" in sizes:
            self.chord_encoder = ChordEncoder(config, sizes["chord"], corrections.chord_size)
            self.chord_decoder = ChordDecoder(config, sizes["chord"], corrections.roots)
        if "symbol" in sizes:
            self.symbol_encoder = SymbolEncoder(config, sizes["symbol"])
            self.feature_decoder = FeatureDecoder(config, sizes["audio"])
            self.feature_embedding = nn.Linear(len(FEATURES), config.feature_embedding)
        embedded = config.feature_embedding if "symbol" in sizes else 0
        self.pianotree = PianoTree(config, corrections, sum(sizes.values()), embedded)
        if self.transcriber is not None and corrections.still_offsets:
            self.transcriber.offset.requires_grad_(False)

    @property
    def parameter_counts(self) -> dict[str, int]:
        """Parameters by part."""
        parts = dict(self.named_children())
        return {name: sum(value.numel() for value in part.parameters()) for name, part in parts.items()}

    @property
    def parameter_count(self) -> int:
        return sum(self.parameter_counts.values())

    def encode(self, spectrum: Tensor, chords: Tensor, roll: Tensor | None = None) -> Latents:
        """Return the posteriors. spectrum: (batch, BANDS, FRAMES). chords: (batch, BEATS, chord_size).

        roll: (batch, STEPS, PITCHES), the score as far as it is given; without it there is no symbolic posterior.
        """
        heard = self.transcriber and self.frame_encoder and self.frame_encoder(self.transcriber(spectrum))
        symbol = self.symbol_encoder(roll) if self.symbol_encoder is not None and roll is not None else None
        return Latents(self.chord_encoder and self.chord_encoder(chords), heard or None, symbol)

    def features(self, z_audio: Tensor) -> Tensor | None:
        """(batch, audio) -> the features that are heard, (batch, STEPS, 3); None in the supervised baselines."""
        return None if self.feature_decoder is None else self.feature_decoder(z_audio)

    @torch.no_grad()
    def write(self, z: dict[str, Tensor]) -> Tensor:
        """Write greedily: latents by name, each (batch, dimensions) -> (batch, STEPS, slots - 1, 1 + DURATION_BITS) integers."""
        heard = self.features(z["audio"])
        embedded = None if heard is None or self.feature_embedding is None else self.feature_embedding(heard)
        hidden, given, token = self.pianotree.begin(self.together(z))
        wrote = []
        for place in range(STEPS):
            feature = None if embedded is None else embedded[:, place]
            notes, hidden, token = self.pianotree.decide(hidden, given, token, feature)
            wrote.append(notes)
        return torch.stack(wrote, 1)

    def together(self, z: dict[str, Tensor]) -> Tensor:
        """Return the latents side by side, as the decoder of notes reads them."""
        return torch.cat([z[name] for name in self.sizes], -1)

    @torch.no_grad()
    def means(self, spectrum: Tensor, chords: Tensor, roll: Tensor | None = None) -> dict[str, Tensor]:
        """Return the latents that inference uses: the posteriors' means, and 0 where nothing is known."""
        said = self.encode(spectrum, chords, roll)
        found = {"chord": said.chord, "audio": said.audio, "symbol": said.symbol}
        return {
            name: chords.new_zeros(len(chords), size) if (one := found[name]) is None else one.mean
            for name, size in self.sizes.items()
        }


def save_network(network: PublishedNetwork, path: Path, card: dict[str, str] | None = None) -> None:
    """Write weights with all that is needed to build the network again."""
    sizes = {"config": json.dumps(network.config.to_json()), "corrections": json.dumps(network.corrections.to_json())}
    write_tensors(path, dict(network.state_dict()), (card or {}) | sizes | {"kind": network.kind})


def load_network(path: Path) -> tuple[PublishedNetwork, dict[str, str]]:
    """Return the network of a checkpoint, ready to write, and its card."""
    tensors, card = read_tensors(path)
    config = PublishedConfig.from_json(json.loads(card["config"]))
    network = PublishedNetwork(config, Corrections.from_json(json.loads(card["corrections"])), card["kind"])
    network.load_state_dict(tensors)
    return network.eval(), card
