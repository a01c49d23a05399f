"""The running mean of a network's weights, which is what ships: of the first steps a mean, later one that forgets."""

from collections.abc import Iterable

import torch
from torch import Tensor

WARM_UP = 10  # steps, after which the share that is kept is half way up


@torch.no_grad()
def average_into(
    means: Iterable[Tensor], values: Iterable[Tensor], step: int, most: float, warm_up: int = WARM_UP
) -> None:
    """Move `means` towards `values` after `step` (from 0); at most the share `most` of them is kept."""
    keep = min(most, step / (step + warm_up))
    for mean, value in zip(means, values, strict=True):
        mean.lerp_(value, 1 - keep)
