"""Every pitch hears its neighbours at chosen intervals: octaves, twelfths, semitones. No state, no time.

An interval's weights are the same at every pitch, so what is learnt on one key holds on all.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class IntervalMixing(nn.Module):
    """(…, pitches, inputs) -> (…, pitches, outputs); pitches beyond the keyboard are silent.

    What neighbours say is narrowed to `narrow` channels first, which keeps the product small.
    """

    def __init__(self, inputs: int, narrow: int, outputs: int, intervals: tuple[int, ...]) -> None:
        super().__init__()
        self.intervals = intervals
        self.narrow = nn.Linear(inputs, narrow)
        self.own = nn.Linear(inputs, outputs)
        self.heard = nn.Linear(narrow * len(intervals), outputs, bias=False)
        self.reach = max(abs(interval) for interval in intervals)

    def forward(self, values: Tensor) -> Tensor:
        pitches = values.shape[-2]
        padded = functional.pad(torch.relu(self.narrow(values)), (0, 0, self.reach, self.reach))
        neighbours = torch.cat([padded[..., self.reach + i : self.reach + i + pitches, :] for i in self.intervals], -1)
        return self.own(values) + self.heard(neighbours)

    def step(self, values: Tensor, pitches: int) -> Tensor:
        """(batch * pitches, inputs) -> (batch * pitches, outputs): the same, gathered at once, which is faster for one hop."""
        narrow = torch.relu(self.narrow(values)).reshape(-1, pitches, self.narrow.out_features)
        padded = functional.pad(narrow, (0, 0, self.reach, self.reach))
        places = self.reach + torch.arange(pitches)[:, None] + torch.tensor(self.intervals)
        neighbours = torch.index_select(padded, 1, places.reshape(-1)).reshape(-1, self.heard.in_features)
        return torch.addmm(self.own(values), neighbours, self.heard.weight.t())
