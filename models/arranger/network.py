"""The arranger's network: what was heard in two bars, their chords and what was played before -> the notes of two bars."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from models.arranger.encoder import Encoder
from models.arranger.sizes import ArrangerConfig
from models.arranger.writer import Writer
from models.layers.checkpoint import read_tensors, write_tensors


class ArrangerNetwork(nn.Module):
    """Both graphs that are trained together."""

    def __init__(self, config: ArrangerConfig) -> None:
        super().__init__()
        self.config = config
        self.encode, self.write = Encoder(config), Writer(config)


def load_network(checkpoint: Path) -> ArrangerNetwork:
    """Return the network of a checkpoint, ready to play."""
    tensors, card = read_tensors(checkpoint)
    tensors.setdefault("write.boldness", torch.tensor(0.0))
    network = ArrangerNetwork(ArrangerConfig.from_json(card["config"]))
    network.load_state_dict(tensors)
    return network.eval()


def save(network: ArrangerNetwork, checkpoint: Path, card: dict[str, str] | None = None) -> None:
    """Write a network with its sizes and other texts."""
    write_tensors(checkpoint, network.state_dict(), {"config": network.config.to_json()} | (card or {}))
