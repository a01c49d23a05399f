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
        """(batch, pitches, (kernel - 1) * phases, inputs) of zeros."""
        return self.linear.weight.new_zeros(batch, pitches, (self.kernel - 1) * self.phases, self.inputs)

    def step(self, values: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """(batch * pitches, inputs) and the state -> (batch * pitches, outputs) and the new state."""
        places = torch.arange(self.kernel) * self.phases
        taps, new = _heard_again(values, state, places)
        return self.linear(taps), new


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
        """(batch, pitches, longest delay * phases, channels) of zeros."""
        return torch.zeros(batch, pitches, max(self.delays) * self.phases, self.channels)

    def step(self, values: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """(batch * pitches, channels) and the state -> (batch * pitches, channels * delays) and the new state."""
        return _heard_again(values, state, (max(self.delays) - torch.tensor(self.delays)) * self.phases)


def _heard_again(values: Tensor, state: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """(batch * pitches, channels), the state and places in both together -> what lies there, side by side, and the new state."""
    _, pitches, _, channels = state.shape
    heard = torch.cat([state, values.reshape(-1, pitches, 1, channels)], 2)
    taps = torch.index_select(heard, 2, places).reshape(-1, len(places) * channels)
    return taps, heard[:, :, 1:]
