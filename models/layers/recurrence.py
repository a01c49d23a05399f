"""A gated recurrent unit that runs once for every pitch, with weights shared by all of them.

`forward` uses the library's unit; `step` writes the same equations out (Cho et al. 2014, in the variant of
torch.nn.GRU, where the reset gate acts on the recurrent product), so that an exported step holds plain products.
State: the hidden values of the last `phases` hops, zeros at the start; a hop goes on from its own phase's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


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
        """(batch * pitches, inputs) and the state -> (batch * pitches, hidden) and the new state."""
        unit, (_, phases, pitches, hidden) = self.unit, state.shape
        last, others = state.split([1, phases - 1], 1)
        last = last.reshape(-1, hidden)
        from_input = functional.linear(values, unit.weight_ih_l0, unit.bias_ih_l0)
        from_state = functional.linear(last, unit.weight_hh_l0, unit.bias_hh_l0)
        gates_in, new_in = from_input.split([2 * hidden, hidden], 1)
        gates_state, new_state = from_state.split([2 * hidden, hidden], 1)
        reset, update = torch.sigmoid(gates_in + gates_state).chunk(2, 1)
        candidate = torch.tanh(new_in + reset * new_state)
        output = candidate + update * (last - candidate)
        return output, torch.cat([others, output.reshape(-1, 1, pitches, hidden)], 1)
