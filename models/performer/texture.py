"""The block that TextureNet is made of, causal, with its state."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class MultiBandBlock(nn.Module):
    """A residual block whose bands have weights of their own (TextureNet), causal: x + f(x) with two convolutions of 3 frames."""

    def __init__(self, channels: int, bands: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(channels, channels, 3, groups=bands)
        self.second = nn.Conv1d(channels, channels, 3, groups=bands)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, values: Tensor) -> Tensor:
        """(batch, channels, frames) -> the same."""
        return self._run(values, functional.pad(values, (4, 0)))

    def step(self, values: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, channels, 1) and the last 4 frames -> the same and the new state."""
        heard = torch.cat([state, values], 2)
        return self._run(values, heard), heard[:, :, 1:]

    def initial_state(self, batch: int) -> Tensor:
        return self.first.weight.new_zeros(batch, self.first.in_channels, 4)

    def _run(self, values: Tensor, heard: Tensor) -> Tensor:
        return values + self.second(functional.leaky_relu(self.first(heard), 0.01))
