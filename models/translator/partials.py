"""What is seen of each pitch by itself: its own partials and what lies between them, now, and as a mean since the note began.

How hard a note is played shows in its mean far better than in any one frame of it. What belongs to other pitches is told beside.
Called by `listener`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.translator.config import PITCHES, TranslatorConfig

SOUNDS, BEGINS = -1.0, 0.0  # logits from which a pitch counts as sounding, and as just begun
LONGEST_FRAMES = 40.0  # that a mean goes back: 0.64 s
FALL = 0.15  # by which each next partial of another pitch counts for less


class OwnPartials(nn.Module):
    """(n, windows, bins) -> (n, pitches, windows * places); places: the partials of a pitch, then half way above the first ones.

    Zero where a window is not asked or no bin is.
    """

    def __init__(self, config: TranslatorConfig) -> None:
        super().__init__()
        multiples = [*range(1, config.own_harmonics + 1), *(n + 0.5 for n in range(1, config.between + 1))]
        self.windows, self.places = len(config.windows), len(multiples)
        self.table = places_of(multiples, config)  # (pitches, places)
        own = self.table.unsqueeze(0) + (config.bins + 1) * torch.arange(self.windows)[:, None, None]
        self.register_buffer("own", own.transpose(0, 1).reshape(-1), persistent=False)

    def forward(self, spectra: Tensor) -> Tensor:
        """See the class."""
        flat = functional.pad(spectra, (0, 1)).flatten(1)
        return torch.index_select(flat, 1, self.own).reshape(-1, PITCHES, self.windows * self.places)


class OthersPartials(nn.Module):
    """How surely (n, pitches) pitches sound, and rows (n, slots) -> (n, slots, places): how much of what is seen at a place of the
    row's pitch belongs to the others, from 0; a higher partial counts for less."""

    def __init__(self, config: TranslatorConfig, places: Tensor) -> None:
        super().__init__()
        bins = places_of([*range(1, config.own_harmonics + 1)], config)
        weights = 1 / (1 + FALL * torch.arange(config.own_harmonics)).repeat(PITCHES, 1)
        told = torch.zeros(PITCHES, config.bins + 1)
        for aside in (-1, 0, 1):
            near = torch.where(bins < config.bins, (bins + aside).clamp(0, config.bins), config.bins)
            told.scatter_reduce_(1, near, weights, "amax")
        told[:, config.bins] = 0  # no bin
        self.register_buffer("told", told, persistent=False)
        self.register_buffer("places", places, persistent=False)

    def forward(self, sounding: Tensor, rows: Tensor) -> Tensor:
        """See the class."""
        at = self.places[rows]  # (n, slots, places)
        all_of = torch.gather((sounding @ self.told).unsqueeze(1).expand(-1, rows.shape[1], -1), 2, at)
        own = torch.gather(self.told[rows], 2, at) * torch.gather(sounding, 1, rows).unsqueeze(-1)
        return (all_of - own).clamp(min=0)


class NoteMean(nn.Module):
    """A running mean of each pitch's values since its note began, nothing where none sounds; and over how many frames."""

    def __init__(self, phases: int, values: int) -> None:
        super().__init__()
        self.phases, self.values = phases, values

    def forward(self, values: Tensor, sure: Tensor, onset: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, frames, pitches, values) and logits (batch, frames, pitches) -> means alike, and frames (batch, frames, pitches)."""
        mean, count = torch.zeros_like(values[:, 0]), torch.zeros_like(sure[:, 0])
        means, counts = [], []
        for frame in range(values.shape[1]):
            mean, count = _on(values[:, frame], sure[:, frame], onset[:, frame], mean, count)
            means.append(mean)
            counts.append(count)
        return torch.stack(means, 1), torch.stack(counts, 1)

    def initial_state(self, batch: int) -> Tensor:
        """(batch, phases, pitches, values + 1): means, and over how many frames."""
        return torch.zeros(batch, self.phases, PITCHES, self.values + 1)

    def step(self, values: Tensor, sure: Tensor, onset: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(batch, pitches, values), logits (batch, pitches) and the state -> means, frames and the new state."""
        last, others = state.split([1, self.phases - 1], 1)
        mean, count = last.squeeze(1).split([self.values, 1], -1)
        mean, count = _on(values, sure, onset, mean, count.squeeze(-1))
        return mean, count, torch.cat([others, torch.cat([mean, count.unsqueeze(-1)], -1).unsqueeze(1)], 1)


def _on(values: Tensor, sure: Tensor, onset: Tensor, mean: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    sounds, goes_on = (sure > SOUNDS).to(values.dtype), (onset <= BEGINS).to(values.dtype)
    count = sounds * (count * goes_on + 1).clamp(max=LONGEST_FRAMES)
    mean = mean + (values - mean) / count.clamp(min=1).unsqueeze(-1)
    return sounds.unsqueeze(-1) * mean, count


def steps_of(multiples: list[float], config: TranslatorConfig) -> list[int]:
    """How many bins above a pitch each multiple of its frequency lies."""
    return [round(12 * config.bins_per_semitone * math.log2(multiple)) for multiple in multiples]


def places_of(multiples: list[float], config: TranslatorConfig) -> Tensor:
    """Return (pitches, multiples): the bins of each pitch's multiples; the bin after the last where there is none."""
    places = config.bins_per_semitone * torch.arange(PITCHES)[:, None] + torch.tensor(steps_of(multiples, config))
    return torch.where((places >= 0) & (places < config.bins), places, config.bins)
