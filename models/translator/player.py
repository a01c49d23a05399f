"""Latent space to signal: places of the voices in it, their pitches and ages in; levels of their partials and noise out.

The pitch is a symbol that the decoder is told as a number too, since the partials' places are what the ear takes for it; the space
says how a note of it sounds. A gated recurrent unit a voice plays attack, decay and release. `forward` plays whole notes
(training), `step` one hop of all voices with its state.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from models.layers.recurrence import PitchwiseRecurrence
from models.translator.config import FEATURES, TranslatorConfig
from models.translator.space import SymbolEncoder

DECIBEL = math.log(10) / 10
_NEW, _AGE = FEATURES.index("new"), FEATURES.index("age")


class Player(nn.Module):
    """See the module's docstring; `encoder` is the symbols'.

    A hand steers by `axes` (axes, latent) of the space, orthonormal, from its `centre` (latent,), `span` (axes,) being how far 1 is. The
    first two are the map.
    """

    centre: Tensor
    axes: Tensor
    span: Tensor

    def __init__(self, config: TranslatorConfig, encoder: SymbolEncoder) -> None:
        super().__init__()
        self.config, self.encoder = config, encoder
        channels, memory = config.voice_channels, config.voice_memory
        self.into = nn.Linear(config.latent + len(FEATURES) + 2, channels)
        self.recurrence = PitchwiseRecurrence(channels, memory)
        self.hidden = nn.Linear(channels + memory, channels)
        self.levels = nn.Linear(channels, 1 + config.partials + config.noise_points)
        with torch.no_grad():
            self.levels.weight.mul_(4.0)
            bias = self.levels.bias
            bias[0] = -40.0
            bias[1 : 1 + config.partials] = -0.6 * torch.arange(config.partials)
            bias[1 + config.partials :] = -40.0
        self.register_buffer("centre", torch.zeros(config.latent))
        self.register_buffer("axes", torch.eye(config.axes, config.latent))
        self.register_buffer("span", torch.ones(config.axes))
        self.register_buffer("curve", torch.from_numpy(noise_curve(config)), persistent=False)  # (points, bins)
        self.register_buffer("numbers", torch.arange(1.0, config.partials + 1), persistent=False)

    def forward(self, place: Tensor, pitches: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Places (notes, frames, latent), pitches (notes, frames) and FEATURES of notes from their beginning on -> levels in dB of
        their partials (notes, frames, partials) and noise (notes, frames, noise_points)."""
        told = torch.relu(self.into(torch.cat([place, features, _numbers(pitches)], -1)))
        remembered = self.recurrence(told.unsqueeze(2)).squeeze(2)
        return self._levels(told, remembered)

    def initial_state(self, batch: int) -> dict[str, Tensor]:
        """The state before the first hop: silence."""
        return {"recurrence": self.recurrence.initial_state(batch, self.config.voices)}

    def step(
        self, symbols: Tensor, targets: Tensor, morph: Tensor, position: Tensor, pitches: Tensor, features: Tensor,
        state: dict[str, Tensor],
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:  # fmt: skip
        """One hop. symbols and those to morph to: (batch, voices, SYMBOLS); how far: (batch, 1); a position on the map, how much it
        counts and how far to go along the other axes: (batch, axes + 1); pitches as they sound: (batch, voices); FEATURES: (batch,
        voices, …) -> `amplitude` (batch, voices, partials) and `noise` (batch, bins), and the new state."""
        place = self.place(symbols, targets, morph, position)
        memory = state["recurrence"] * (1 - features[..., _NEW]).unsqueeze(1).unsqueeze(-1)
        told = torch.relu(self.into(torch.cat([place, features, _numbers(pitches)], -1)))
        remembered, memory = self.recurrence.step(told.flatten(0, 1), memory)
        levels, noise = self._levels(told, remembered.reshape(told.shape[0], told.shape[1], self.config.voice_memory))
        active = (features[..., _AGE : _AGE + 1] > 0).to(levels.dtype)
        frequency = 440 * torch.exp2((pitches.unsqueeze(-1) - 69) / 12) * self.numbers
        audible = active * (frequency < 0.49 * self.config.sample_rate)
        power = torch.exp(DECIBEL * (noise.clamp(-140, 0) @ self.curve)) * active
        amplitude = audible * torch.exp(0.5 * DECIBEL * levels.clamp(-120, 6))
        return {"amplitude": amplitude, "noise": torch.sqrt(power.sum(1))}, {"recurrence": memory}

    def place(self, symbols: Tensor, targets: Tensor, morph: Tensor, position: Tensor) -> Tensor:
        """Where the voices are (batch, voices, latent): on the way from one place to another, drawn to the map's position, and moved
        along the other axes."""
        here, there = self.encoder(symbols)[0], self.encoder(targets)[0]
        place = here + morph.unsqueeze(1) * (there - here)
        wanted, pull, along = position.unsqueeze(1).split([2, 1, self.config.axes - 2], -1)
        seen = (place - self.centre) @ self.axes[:2].t()
        drawn = pull * (wanted * self.span[:2] - seen)
        return place + drawn @ self.axes[:2] + (along * self.span[2:]) @ self.axes[2:]

    def _levels(self, told: Tensor, remembered: Tensor) -> tuple[Tensor, Tensor]:
        hidden = torch.relu(self.hidden(torch.cat([told, remembered], -1)))
        level, own, noise = self.levels(hidden).split([1, self.config.partials, self.config.noise_points], -1)
        return level + own, level + noise


def noise_curve(config: TranslatorConfig) -> np.ndarray:
    """(points, bins) float32: the weights by which noise levels over log frequency are read at the bins of a played frame."""
    hertz = np.maximum(np.arange(config.bins_played) * config.sample_rate / config.n_fft, config.lowest)
    octaves = np.log2(config.sample_rate / 2 / config.lowest)
    place = np.log2(hertz / config.lowest) / octaves * (config.noise_points - 1)
    return np.maximum(0, 1 - np.abs(place[None] - np.arange(config.noise_points)[:, None])).astype(np.float32)


def _numbers(pitches: Tensor) -> Tensor:
    middle = (pitches - 60) / 24
    return torch.stack([middle, middle.square()], -1)
