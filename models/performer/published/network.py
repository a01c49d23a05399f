"""PerformanceNet: pianoroll and on/off roll in, log(1 + power) of a spectrogram out. Frequency is channels throughout.

ContourNet is a U-Net along time that grows from 128 pitches to the spectrogram's width and is told of onsets and offsets by
an encoder of their own; TextureNet refines each band by residual blocks of ever more bands. Bin by bin the paper's sizes
(`config.PUBLISHED`); its text says "no pooling layer at all", its code pools, and the code is followed. Called by
`training`, `synthesis` and `export`.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.layers.checkpoint import read_tensors, write_tensors
from models.performer.published.config import PITCHES, RELEASED_KERNELS, PublishedConfig
from models.performer.published.corrections import Corrections

ALIGNED = 16  # frames: four levels are halved


class PublishedNetwork(nn.Module):
    """ContourNet and TextureNet. `config` gives all sizes; `corrections` travels with it."""

    def __init__(self, config: PublishedConfig, corrections: Corrections) -> None:
        super().__init__()
        self.config, self.corrections = config, corrections
        self.encoder = nn.ModuleList(_levels(config.encoder))
        self.on_off = nn.ModuleList(_levels(config.on_off))
        kernels = config.kernels if corrections.exact_length else RELEASED_KERNELS
        conditions = (*config.on_off[:0:-1], 0, 0) if config.on_off else (0, 0, 0, 0)
        inputs = (config.encoder[-1], *config.decoder[:-1])
        parts = zip(inputs, config.decoder, kernels, config.encoder[-2::-1], conditions, strict=True)
        self.decoder = nn.ModuleList(UpLevel(*part, exact=corrections.exact_length) for part in parts)
        width = config.decoder[-1]
        self.texture = nn.ModuleList(MultiBandBlock(width, bands, corrections) for bands in config.multi_bands)
        self.out = nn.ConvTranspose1d(width, config.bins, 3, padding=1)
        self.apply(_start)

    @property
    def parameter_count(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())

    def forward(self, pianoroll: Tensor, on_off: Tensor) -> Tensor:
        """Take (batch, 128, frames) each; return (batch, bins, frames) log(1 + power), a little below 0 at times."""
        frames = pianoroll.shape[-1]
        if self.corrections.exact_length:
            pianoroll, on_off = (functional.pad(roll, (0, -frames % ALIGNED)) for roll in (pianoroll, on_off))
        kept, x = [], pianoroll
        for place, level in enumerate(self.encoder):
            x = level(x)
            kept.append(x)
            if place < len(self.encoder) - 1:
                x = functional.max_pool1d(x, 2)  # (batch, channels, frames / 2)
        told, y = [], on_off
        for level in self.on_off:
            y = functional.max_pool1d(level(y), 2)
            told.append(y)
        conditions = [*told[:0:-1], None, None] if told else [None] * 4
        for level, skip, condition in zip(self.decoder, kept[-2::-1], conditions, strict=True):
            x = level(x, skip, condition)
        for block in self.texture:
            x = block(x)
        x = functional.leaky_relu(self.out(x))
        return x[..., :frames] if self.corrections.exact_length else x


class UpLevel(nn.Module):
    """Twice the frames; then what the encoder kept of them, then where notes begin and end."""

    def __init__(self, inputs: int, outputs: int, kernel: int, skip: int, condition: int, *, exact: bool) -> None:
        super().__init__()
        padding = (kernel - 1) // 2 if exact else 1
        rest = 2 - kernel + 2 * padding if exact else 0
        self.up = _normed(nn.ConvTranspose1d(inputs, outputs, kernel, 2, padding, rest))
        self.join = _normed(nn.Conv1d(outputs + skip, outputs, 3, padding=1))
        self.condition = _normed(nn.Conv1d(outputs + condition, outputs, 3, padding=1))

    def forward(self, x: Tensor, skip: Tensor, condition: Tensor | None) -> Tensor:
        """(batch, inputs, n) -> (batch, outputs, 2 n), or about as many frames as released."""
        x = self.up(x)
        x = self.join(torch.cat([x, _as_long(skip, x)], 1))
        return self.condition(x if condition is None else torch.cat([x, _as_long(condition, x)], 1))


class MultiBandBlock(nn.Module):
    """Each band of the channels goes through two convolutions of its own, which add to it."""

    def __init__(self, channels: int, bands: int, corrections: Corrections) -> None:
        super().__init__()
        if channels % bands:
            raise ValueError(f"{channels} channels do not split into {bands} bands")
        self.corrections = corrections
        width = channels // bands
        self.bands = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(width, width, 3, padding=1), nn.InstanceNorm1d(width), nn.LeakyReLU(),
                nn.Conv1d(width, width, 3, padding=1), nn.InstanceNorm1d(width),
            )
            for _ in range(bands)
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, frames) -> the same shape."""
        parts = torch.chunk(x, len(self.bands), 1)
        if not self.corrections.split_in_bands:
            parts[0] = self.bands[0](parts[0])  # raises TypeError: a tuple takes no assignment
        changed = torch.cat([band(part) for band, part in zip(self.bands, parts, strict=True)], 1)
        return x + changed if self.corrections.residual_once else x + (x + changed)


def save_network(network: PublishedNetwork, path: Path, card: dict[str, str]) -> None:
    """Write weights and `card` (texts) as safetensors, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sizes = {"config": json.dumps(network.config.to_json()), "corrections": json.dumps(network.corrections.to_json())}
    write_tensors(path, network.state_dict(), card | sizes)


def load_network(path: Path) -> tuple[PublishedNetwork, dict[str, str]]:
    """Return the network of a checkpoint, ready to be used, and its card."""
    weights, card = read_tensors(path)
    config = PublishedConfig.from_json(json.loads(card["config"]))
    network = PublishedNetwork(config, Corrections(**json.loads(card["corrections"])))
    network.load_state_dict(weights)
    return network.eval(), card


def _levels(widths: tuple[int, ...]) -> list[nn.Module]:
    levels, inputs = [], PITCHES
    for width in widths:
        first, second = nn.Conv1d(inputs, width, 3, padding=1), nn.Conv1d(width, width, 3, padding=1)
        levels.append(nn.Sequential(_normed(first), _normed(second)))
        inputs = width
    return levels


def _normed(convolution: nn.Module) -> nn.Sequential:
    return nn.Sequential(convolution, nn.InstanceNorm1d(convolution.out_channels), nn.LeakyReLU())


def _as_long(x: Tensor, other: Tensor) -> Tensor:
    """Cut `x` to the frames of `other`, or put zeros after it."""
    missing = other.shape[-1] - x.shape[-1]
    return functional.pad(x, (0, missing)) if missing else x


def _start(module: nn.Module) -> None:
    if isinstance(module, nn.Conv1d | nn.ConvTranspose1d):
        nn.init.xavier_normal_(module.weight)
        nn.init.zeros_(module.bias)
