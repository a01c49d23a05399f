"""One step of a gated unit, written out, and what a unit says at the end of a sequence.

`step` is the same equations as torch.nn.GRU's (the reset gate acts on the recurrent product), so that an exported step holds plain
products. Called by the encoders and decoders.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Gaussian:
    """A normal distribution without covariances. mean, spread: (batch, dimensions), the latter a standard deviation."""

    mean: Tensor
    spread: Tensor

    def sample(self) -> Tensor:
        """Return a draw that carries gradients."""
        return self.mean + self.spread * torch.randn_like(self.mean)


class ToGaussian(nn.Module):
    """Two linear layers: a mean, and the logarithm of a deviation."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.mean, self.log_spread = nn.Linear(inputs, outputs), nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Gaussian:
        """(batch, inputs) -> Gaussian of (batch, outputs)."""
        return Gaussian(self.mean(x), self.log_spread(x).exp())


class Summary(nn.Module):
    """A unit each way over a sequence of any length; what both say at their ends."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.onward, self.backward_ = nn.GRU(inputs, hidden, batch_first=True), nn.GRU(inputs, hidden, batch_first=True)

    def forward(self, sequence: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(batch, places, inputs), lengths (batch,) at least 1, all places if left out -> (batch, 2 * hidden)."""
        batch, places, _ = sequence.shape
        if lengths is None:
            lengths = torch.full((batch,), places, device=sequence.device)
        last = (lengths - 1).clamp(min=0)
        turned = (last[:, None] - torch.arange(places, device=sequence.device)).clamp(min=0)
        mirrored = torch.gather(sequence, 1, turned[..., None].expand(-1, -1, sequence.shape[-1]))
        said = [unit(given)[0] for unit, given in ((self.onward, sequence), (self.backward_, mirrored))]
        at = last[:, None, None].expand(-1, 1, said[0].shape[-1])
        return torch.cat([torch.gather(one, 1, at)[:, 0] for one in said], -1)


def step(unit: nn.GRU, given: Tensor, hidden: Tensor) -> Tensor:
    """(batch, inputs) and (batch, hidden) -> the new (batch, hidden)."""
    from_input = functional.linear(given, unit.weight_ih_l0, unit.bias_ih_l0)
    from_state = functional.linear(hidden, unit.weight_hh_l0, unit.bias_hh_l0)
    reset_in, update_in, new_in = from_input.chunk(3, -1)
    reset_state, update_state, new_state = from_state.chunk(3, -1)
    reset, update = torch.sigmoid(reset_in + reset_state), torch.sigmoid(update_in + update_state)
    candidate = torch.tanh(new_in + reset * new_state)
    return candidate + update * (hidden - candidate)
