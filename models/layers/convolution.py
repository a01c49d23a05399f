"""Causal hearing over time, on tensors whose last axis holds the channels: a convolution, and a delay line with taps.

State of both: the inputs of the hops before, zeros at the start. A frame may last several hops (`phases`): `forward`
takes the frames of one phase, `step` every hop, and hears what lies whole frames back.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class CausalConvolution(nn.Module):
    """Every pitch hears its own last `kernel` frames, with weights shared by all pitches."""

    def __init__(self, inputs: int, outputs: int, kernel: int, phases: int = 1) -> None:
        super().__init__()
        self.inputs, self.kernel, self.phases = inputs, kernel, phases
        self.linear = nn.Linear(inputs * kernel, outputs)

    def forward(self, values: Tensor) -> Tensor:
        """(batch, frames, pitches, inputs) -> (batch, frames, pitches, outputs)."""
        frames = values.shape[1]
        padded = functional.pad(values, (0, 0, 0, 0, self.kernel - 1, 0))
        return self.linear(torch.cat([padded[:, k : k + frames] for k in range(self.kernel)], -1))

    def initial_state(self, batch: int, pitches: int) -> Tensor:
        """(batch, (kernel - 1) * phases, pitches, inputs) of zeros."""
        return self.linear.weight.new_zeros(batch, (self.kernel - 1) * self.phases, pitches, self.inputs)

    def step(self, values: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, pitches, inputs) and the state -> (batch, pitches, outputs) and the new state."""
        heard = torch.cat([state, values.unsqueeze(1)], 1)
        joined = torch.cat([heard[:, k * self.phases] for k in range(self.kernel)], -1)
        return self.linear(joined), heard[:, 1:]


class DelayTaps(nn.Module):
    """What was said so many frames ago, side by side: a decision about an earlier frame reads it there."""

    def __init__(self, channels: int, delays: tuple[int, ...], phases: int = 1) -> None:
        super().__init__()
        self.channels, self.delays, self.phases = channels, delays, phases

    def forward(self, values: Tensor) -> Tensor:
        """(batch, frames, pitches, channels) -> (batch, frames, pitches, channels * delays)."""
        frames = values.shape[1]
        return torch.cat([functional.pad(values, (0, 0, 0, 0, delay, 0))[:, :frames] for delay in self.delays], -1)

    def initial_state(self, batch: int, pitches: int) -> Tensor:
        """(batch, longest delay * phases, pitches, channels) of zeros."""
        return torch.zeros(batch, max(self.delays) * self.phases, pitches, self.channels)

    def step(self, values: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, pitches, channels) and the state -> (batch, pitches, channels * delays) and the new state."""
        heard = torch.cat([state, values.unsqueeze(1)], 1)
        places = (max(self.delays) - torch.tensor(self.delays)) * self.phases
        taps = torch.index_select(heard, 1, places).transpose(1, 2)  # (batch, pitches, delays, channels)
        return taps.reshape(-1, values.shape[1], len(self.delays) * self.channels), heard[:, 1:]
