"""Curves over log frequency, read at frequencies, and the shape of a partial in a spectrum."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from models.performer.config import PerformerConfig


def hats(frequencies: Tensor, points: int, config: PerformerConfig) -> Tensor:
    """(points, frequencies): the weights by which a curve over log frequency is read at frequencies."""
    place = place_of(frequencies.clamp(min=config.lowest), points, config)
    return (1 - (place[None] - torch.arange(points)[:, None]).abs()).clamp(min=0)


def place_of(frequency: Tensor, points: int, config: PerformerConfig) -> Tensor:
    octaves = math.log2(config.sample_rate / 2 / config.lowest)
    return (torch.log2(frequency / config.lowest) * ((points - 1) / octaves)).clamp(0, points - 1)


def read(curve: Tensor, place: Tensor) -> Tensor:
    """Read curves (..., points) at places (..., n), straight between points."""
    below = torch.floor(place).clamp(max=curve.shape[-1] - 2)
    share, index = place - below, below.long()
    return torch.gather(curve, -1, index) * (1 - share) + torch.gather(curve, -1, index + 1) * share


def hann_lobe(distance: Tensor) -> Tensor:
    """The Hann window's transform at a distance in bins, 1 at 0."""
    bent = 1 - distance.square()
    near = bent.abs() < 1e-3
    return torch.where(
        near, 0.5 * torch.ones_like(bent), torch.sinc(distance) / torch.where(near, torch.ones_like(bent), bent)
    )
