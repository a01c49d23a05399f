"""A gated recurrent unit that runs once for every pitch, with weights shared by all of them.

`forward` uses the library's unit; `step` writes the same equations out (Cho et al. 2014, in the variant of
torch.nn.GRU, where the reset gate acts on the recurrent product), so that an exported step holds plain products.
State: the hidden values of the last `phases` hops, zeros at the start; a hop goes on from its own phase's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class PitchwiseRecurrence(nn.Module):
    """(…, pitches, inputs) -> (…, pitches, hidden), each pitch with a memory of its own."""

    def __init__(self, inputs: int, hidden: int, phases: int = 1) -> None:
        super().__init__()
        self.hidden, self.phases = hidden, phases
        self.unit = nn.GRU(inputs, hidden)

    def forward(self, values: Tensor) -> Tensor:
        """(batch, frames, pitches, inputs) -> (batch, frames, pitches, hidden)."""
        batch, frames, pitches, inputs = values.shape
        sequence = values.transpose(0, 1).reshape(frames, batch * pitches, inputs)
        output, _ = self.unit(sequence)
        return output.reshape(frames, batch, pitches, self.hidden).transpose(0, 1)

    def initial_state(self, batch: int, pitches: int) -> Tensor:
        """(batch, phases, pitches, hidden) of zeros."""
        return self.unit.weight_hh_l0.new_zeros(batch, self.phases, pitches, self.hidden)

    def step(self, values: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, pitches, inputs) and the state -> (batch, pitches, hidden) and the new state."""
        unit, last = self.unit, state[:, 0]
        from_input = values @ unit.weight_ih_l0.t() + unit.bias_ih_l0
        from_state = last @ unit.weight_hh_l0.t() + unit.bias_hh_l0
        reset_in, update_in, new_in = from_input.split(self.hidden, -1)
        reset_state, update_state, new_state = from_state.split(self.hidden, -1)
        update = torch.sigmoid(update_in + update_state)
        candidate = torch.tanh(new_in + torch.sigmoid(reset_in + reset_state) * new_state)
        output = candidate + update * (last - candidate)
        return output, torch.cat([state[:, 1:], output.unsqueeze(1)], 1)
