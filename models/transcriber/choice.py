"""Several networks of one shape as one: the instrument chosen decides which of them hears.

In torch a plain choice; in the exported graph an `If`, so that only the chosen network runs.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.transcriber.network import TranscriberNetwork


class InstrumentChoice(nn.Module):  # type: ignore[misc]  # torch's types are not followed
    """See the module's docstring. `instrument` is the number of the network; all streams of a batch have the same."""

    def __init__(self, networks: Sequence[TranscriberNetwork]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.config = networks[0].config

    def initial_state(self, batch: int) -> dict[str, Tensor]:
        """The state before the first hop, the same for all networks."""
        state: dict[str, Tensor] = self.networks[0].initial_state(batch)  # type: ignore[operator]
        return state

    def step(
        self, audio: Tensor, tuning: Tensor, instrument: Tensor, state: dict[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """As TranscriberNetwork.step, with `instrument` (batch, 1): 0 or less is the first network, more than 0 the second."""
        chosen = self.networks[int(torch.max(instrument) > 0)] if len(self.networks) > 1 else self.networks[0]
        outputs, new = chosen.step(audio, tuning, state)  # type: ignore[operator]
        return outputs, new
