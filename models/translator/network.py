"""The translator network: a listener and a player that share one latent space and its symbols. Exported as two graphs."""

from __future__ import annotations

import json
from pathlib import Path

from torch import nn

from models.layers.checkpoint import read_card
from models.translator.config import TranslatorConfig
from models.translator.listener import Listener
from models.translator.player import Player
from models.translator.space import SymbolDecoder, SymbolEncoder


class TranslatorNetwork(nn.Module):
    """`encoder` and `decoder` of the symbols, `listener` and `player` of the signal; `config` gives all sizes."""

    def __init__(self, config: TranslatorConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder, self.decoder = SymbolEncoder(config), SymbolDecoder(config)
        self.listener = Listener(config, self.decoder)
        self.player = Player(config, self.encoder)

    @property
    def parameter_count(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())


def load_network(checkpoint: Path) -> TranslatorNetwork:
    """Build the network of a checkpoint, in evaluation mode."""
    from safetensors.torch import load_file

    network = TranslatorNetwork(TranslatorConfig.from_json(json.loads(read_card(checkpoint)["config"])))
    network.load_state_dict(load_file(checkpoint), strict=False)  # shared weights are stored once
    return network.eval()
