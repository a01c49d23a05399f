"""The network as a pure function: inputs and state in, outputs and state out.

Torch, ONNX Runtime and a fake all have this shape, so that a processor cannot tell them apart.
"""

from collections.abc import Mapping
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Tensors: TypeAlias = Mapping[str, NDArray[np.float32]]
"""Named float32 arrays with the batch in front."""


class Step(Protocol):
    """One call of the network on one hop of one stream (batch 1)."""

    def initial_state(self) -> Tensors:
        """Return the state of a stream that has heard nothing."""
        ...

    def __call__(self, inputs: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        """Return (outputs, new state). The arrays may be reused by the next call but one; copy what must last."""
        ...


def only_step(steps: Mapping[str, Step]) -> Step:
    """Return the step of a player that has one graph. Raises ValueError where there is another number."""
    if len(steps) != 1:
        raise ValueError(f"its graphs are {', '.join(steps) or 'none'}, and this player works with one")
    return next(iter(steps.values()))
