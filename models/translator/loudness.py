"""How hard a note is played, read off its partials: how loud they are, together and in bands, how bright, and who plays.

It sees each pitch only as a smooth curve. A network that could tell pitches apart would learn which dynamics each was ever
recorded with, and be wrong wherever a cell was held out. A note alone is read by layers of its own, since what others cover there has to be
learnt around otherwise. Called by `listener`.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.translator.config import GROUPS, LOWEST_PITCH, PITCHES, TranslatorConfig
from models.translator.features import GAIN, SCALE

ALONE = 1.2  # how many notes there seem to be, at most, where one is alone; from one more on there are others
BRIGHT_HZ = (1000.0, 2000.0, 4000.0)
_NUMBERS = 3 + len(BRIGHT_HZ)  # of `_summed`, beside the bands


class LoudnessReader(nn.Module):
    """Of notes (…): their partials now and as a mean, what of these is others', the spectrum as a whole, what is told, their rows and
    instruments -> mean and log variance of their loudness (…, 2 * loudness)."""

    def __init__(self, config: TranslatorConfig, places: int, common: int) -> None:
        super().__init__()
        self.windows, self.harmonics, self.bands_below = (
            len(config.windows),
            config.own_harmonics,
            len(config.bands_hz) - 1,
        )
        self.dropout = config.loudness_dropout
        hertz = 440 * 2 ** ((torch.arange(PITCHES) + LOWEST_PITCH - 69) / 12)[:, None]
        hertz = hertz * torch.arange(1, config.own_harmonics + 1)
        ends = [*pairwise(config.bands_hz), *((least, float("inf")) for least in BRIGHT_HZ)]
        bands = torch.stack([((hertz >= low) & (hertz < high)).float() for low, high in ends], -1)
        self.register_buffer("hertz", hertz, persistent=False)  # (pitches, harmonics)
        self.register_buffer("bands", bands, persistent=False)  # (pitches, harmonics, bands)
        seen = (
            2 * self.windows * places + 4 * (_NUMBERS + self.bands_below) + places + 3 + common + GROUPS["instrument"]
        )
        self.alone, self.together = (_layers(seen, config.loudness_channels, 2 * config.loudness) for _ in range(2))

    def forward(
        self, now: Tensor, mean: Tensor, others: Tensor, common: Tensor, pitch: Tensor, instrument: Tensor
    ) -> Tensor:
        """See the class; now and mean: (…, windows * places), others: (…, places), common: (…, common), instrument: (…, instruments)
        probabilities."""
        height = (pitch.to(now.dtype).unsqueeze(-1) + LOWEST_PITCH - 60) / 24
        curve = torch.cat([height, height.square(), height**3], -1)
        free = torch.cat([1 - others.clamp(max=1)] * self.windows, -1)
        summed = [self._summed(partials, pitch) for partials in (now, mean, now * free, mean * free)]
        seen = [now, mean, *summed, others, curve, common, instrument]
        together = (common[..., -2:-1] - ALONE).clamp(0, 1)
        alone, others_too = (self._through(layers, torch.cat(seen, -1)) for layers in (self.alone, self.together))
        return alone + together * (others_too - alone)

    def _summed(self, partials: Tensor, pitch: Tensor) -> Tensor:
        """(…, numbers): log power of all partials and of those in each band, shares of what is bright and of the first, and centre."""
        own = partials.unflatten(-1, (self.windows, -1))[..., : self.harmonics]
        power = (torch.expm1(own.amax(-2) / SCALE) / GAIN).square()
        total = power.sum(-1, keepdim=True).clamp(min=1e-12)  # the exporter drops an addend as small as that
        summed = (power.unsqueeze(-1) * self.bands[pitch]).sum(-2)
        bands, bright = summed.split([self.bands_below, len(BRIGHT_HZ)], -1)
        centre = torch.log((power * self.hertz[pitch]).sum(-1, keepdim=True) / total + 1) - 6
        first = torch.log(power[..., :1] / total + 1e-4) / 4
        levels = [
            torch.log(total) / 4 + 2,
            torch.log(bands.clamp(min=1e-9)) / 4 + 3,
            torch.log(bright / total + 1e-5) / 4,
        ]
        return torch.cat([*levels, centre, first], -1)

    def _through(self, layers: nn.ModuleList, seen: Tensor) -> Tensor:
        into, hidden, place = layers
        values = torch.relu(hidden(self._drop(torch.relu(into(seen)))))
        return torch.as_tensor(place(self._drop(values)))

    def _drop(self, values: Tensor) -> Tensor:
        return functional.dropout(values, self.dropout, self.training)


def _layers(seen: int, channels: int, said: int) -> nn.ModuleList:
    return nn.ModuleList([nn.Linear(seen, channels), nn.Linear(channels, channels), nn.Linear(channels, said)])
