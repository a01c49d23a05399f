"""The probe's network: a delay line with its state outside, small enough to be checked by hand."""

from typing import TypeAlias

import torch
from torch import Tensor, nn

HOP = 128
TAIL = 64
"""Samples the output is behind the input: a state that must be carried right for any answer to be right."""

State: TypeAlias = dict[str, Tensor]


class ProbeNetwork(nn.Module):
    """Delay audio and pulses by TAIL samples, carried from hop to hop."""

    def initial_state(self, batch: int) -> State:
        """Return the state of `batch` streams that heard nothing: two tails of (batch, TAIL)."""
        return {"audio": torch.zeros(batch, TAIL), "pulses": torch.zeros(batch, TAIL)}

    def step(self, audio: Tensor, pulses: Tensor, state: State) -> tuple[dict[str, Tensor], State]:
        """Take audio and pulses, each (batch, HOP); return both TAIL samples late, and the new tails."""
        heard = torch.cat([state["audio"], audio], dim=1)  # (batch, TAIL + HOP)
        played = torch.cat([state["pulses"], pulses], dim=1)
        outputs = {"heard": heard[:, :HOP], "played": played[:, :HOP]}
        return outputs, {"audio": heard[:, HOP:], "pulses": played[:, HOP:]}
