"""Pictures of one instrument -> pictures of another: CycleGAN's residual generator and the 70 x 70 PatchGAN, Pix2Pix's U-Net, and
a live variant of the former.

All take and give (batch, 1, bands, frames) of -1 to 1. Sizes are the paper's to the parameter (`config.PUBLISHED`): Zhu et al. 2017,
Isola et al. 2017, with the defaults of the repository that the paper names. The generator sees 84 frames to each side (1.95 s), a
discriminator 70 in all (1.6 s), so nobody here hears a bar. Called by `objectives`, `training`, `synthesis` and `export`.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.drummer.published.config import PublishedConfig
from models.drummer.published.corrections import Corrections
from models.layers.checkpoint import read_tensors, write_tensors

ALIGNED = 4  # bands and frames: two levels are halved
REACH = 84  # frames that the residual generator of nine blocks sees to each side
DEVIATION = 0.02  # of a weight at the start
MOST_WIDTH = 8  # of a level, in first levels
REACHES = 3  # of the live variant's blocks: 1, 2 and 4 frames back, and again


class Generator(nn.Module):
    """Two levels down, residual blocks, two levels up. `config` gives all sizes; `corrections` travels with it."""

    def __init__(self, config: PublishedConfig, corrections: Corrections) -> None:
        super().__init__()
        self.config, self.corrections = config, corrections
        width = config.width
        self.down = nn.Sequential(
            nn.ReflectionPad2d(3), *_normed(nn.Conv2d(1, width, 7)),
            *_normed(nn.Conv2d(width, 2 * width, 3, 2, 1)), *_normed(nn.Conv2d(2 * width, 4 * width, 3, 2, 1)),
        )  # fmt: skip
        self.blocks = nn.Sequential(*(ResidualBlock(4 * width) for _ in range(config.blocks)))
        self.up = nn.Sequential(
            *_enlarged(4 * width, 2 * width, corrections.even), *_enlarged(2 * width, width, corrections.even),
            nn.ReflectionPad2d(3), nn.Conv2d(width, 1, 7), nn.Tanh(),
        )  # fmt: skip
        self.apply(start)

    @property
    def parameter_count(self) -> int:
        return parameter_count(self)

    def forward(self, given: Tensor) -> Tensor:
        """Bands and frames are multiples of 4."""
        return self.up(self.blocks(self.down(given)))


class ResidualBlock(nn.Module):
    """Two convolutions that add to what they hear."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.changes = nn.Sequential(
            nn.ReflectionPad2d(1), *_normed(nn.Conv2d(channels, channels, 3)),
            nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), nn.InstanceNorm2d(channels),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.changes(x)


class Discriminator(nn.Module):
    """Says of every patch of 70 x 70 how true it looks: (batch, inputs, bands, frames) -> (batch, 1, patches, patches).

    inputs: 1, or 2 where it is shown what was given as well (Pix2Pix, whose norms have weights).
    """

    def __init__(self, config: PublishedConfig, inputs: int = 1) -> None:
        super().__init__()
        width, paired = config.patch_width, inputs > 1
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, width, 4, 2, 1), nn.LeakyReLU(0.2),
            *_judged(width, 2 * width, 2, paired), *_judged(2 * width, 4 * width, 2, paired),
            *_judged(4 * width, 8 * width, 1, paired), nn.Conv2d(8 * width, 1, 4, 1, 1),
        )  # fmt: skip
        self.apply(start)

    @property
    def parameter_count(self) -> int:
        return parameter_count(self)

    def forward(self, seen: Tensor) -> Tensor:
        return self.layers(seen)


class UNet(nn.Module):
    """Pix2Pix's generator: halved until one point is left, enlarged again, each level beside what it was halved from.

    Pictures are square and a power of 2. Its batch norms are at the paper's batch of 1 what instance norms with weights are,
    and are written so: what is drawn does not depend on what is drawn beside it.
    """

    def __init__(self, config: PublishedConfig, corrections: Corrections) -> None:
        super().__init__()
        levels = int(math.log2(config.frames))
        if config.bands != config.frames or 2**levels != config.frames or levels < 5:
            raise ValueError(
                f"a crop is {config.bands} x {config.frames}; allowed for Pix2Pix: squares of 32, 64, 128, …"
            )
        self.config, self.corrections = config, corrections
        widths = [config.unet_width * min(MOST_WIDTH, 2**level) for level in range(levels)]
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for level, width in enumerate(widths):
            outermost, innermost = level == 0, level == levels - 1
            above = 1 if outermost else widths[level - 1]
            halved = nn.Conv2d(above, width, 4, 2, 1, bias=outermost)
            norm = [] if outermost or innermost else [nn.InstanceNorm2d(width, affine=True)]
            self.down.append(nn.Sequential(*([] if outermost else [nn.LeakyReLU(0.2)]), halved, *norm))
            heard = width if innermost else 2 * width
            enlarged = nn.ConvTranspose2d(heard, above, 4, 2, 1, bias=outermost)
            dropped = [nn.Dropout(0.5)] if width == above and 4 <= level < levels - 1 else []
            after = [nn.Tanh()] if outermost else [nn.InstanceNorm2d(above, affine=True), *dropped]
            self.up.append(nn.Sequential(nn.ReLU(), enlarged, *after))
        self.apply(start)

    @property
    def parameter_count(self) -> int:
        return parameter_count(self)

    def forward(self, given: Tensor) -> Tensor:
        kept, x = [], given
        for level in self.down:
            x = level(x)
            kept.append(x)
        for place in range(len(self.up) - 1, 0, -1):
            x = torch.cat([kept[place - 1], self.up[place](x)], 1)
        return self.up[0](x)


class LiveGenerator(nn.Module):
    """The residual generator for a live stream: frame t is what comes `config.ahead` frames after t, from frames up to t alone.

    Convolutions look back in time, by leaps in the blocks, and norms are of one frame. The small size hears 4.3 s, the paper's 6.2.
    """

    def __init__(self, config: PublishedConfig, corrections: Corrections) -> None:
        super().__init__()
        self.config, self.corrections = config, corrections
        width = config.width
        self.down = nn.Sequential(
            *_past(1, width, 7), *_past(width, 2 * width, 3, stride=2), *_past(2 * width, 4 * width, 3, stride=2)
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(*_past(4 * width, 4 * width, 3, back=2 ** (block % REACHES)),
                          PastConv(4 * width, 4 * width, 3), FrameNorm(4 * width)) for block in range(config.blocks)
        )  # fmt: skip
        self.up = nn.Sequential(
            nn.Upsample(scale_factor=2), *_past(4 * width, 2 * width, 3),
            nn.Upsample(scale_factor=2), *_past(2 * width, width, 3), PastConv(width, 1, 7), nn.Tanh(),
        )  # fmt: skip
        self.apply(start)

    @property
    def parameter_count(self) -> int:
        return parameter_count(self)

    def forward(self, given: Tensor) -> Tensor:
        """Bands and frames are multiples of 4."""
        x = self.down(given)
        for block in self.blocks:
            x = x + block(x)
        return self.up(x)


class PastConv(nn.Conv2d):
    """A convolution that is even in bands and sees only the past in frames, every `back`-th of them."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int = 1, back: int = 1) -> None:
        super().__init__(inputs, outputs, size, stride, (size // 2, 0), (1, back))
        self._past = (size - 1) * back

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(functional.pad(x, (self._past, 0)))


class FrameNorm(nn.Module):
    """What one frame has in all channels and bands comes to mean 0 and deviation 1, then a weight and a bias for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        apart = x - x.mean((1, 2), keepdim=True)
        return self.weight * apart * torch.rsqrt(apart.square().mean((1, 2), keepdim=True) + 1e-5) + self.bias


Drawing: TypeAlias = Generator | UNet | LiveGenerator
KINDS: dict[str, type[Generator] | type[UNet] | type[LiveGenerator]] = {
    "cyclegan": Generator,
    "pix2pix": UNet,
    "live": LiveGenerator,
}
"""Who draws, by the name in a checkpoint's card."""


def parameter_count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def save_network(network: Drawing, path: Path, card: dict[str, str]) -> None:
    """Write weights and `card` (texts) as safetensors, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = next(name for name, made in KINDS.items() if isinstance(network, made))
    sizes = {"config": json.dumps(network.config.to_json()), "corrections": json.dumps(network.corrections.to_json())}
    write_tensors(path, network.state_dict(), card | sizes | {"kind": kind})


def load_network(path: Path) -> tuple[Drawing, dict[str, str]]:
    """Return the generator of a checkpoint, ready to be used, and its card."""
    weights, card = read_tensors(path)
    config = PublishedConfig.from_json(json.loads(card["config"]))
    network = KINDS[card["kind"]](config, Corrections(**json.loads(card["corrections"])))
    network.load_state_dict(weights)
    return network.eval(), card


def start(module: nn.Module) -> None:
    """Weights N(0, 0.02), those of norms N(1, 0.02), biases 0."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, DEVIATION)
    elif isinstance(module, nn.InstanceNorm2d) and module.affine:
        nn.init.normal_(module.weight, 1.0, DEVIATION)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)


def _normed(convolution: nn.Module) -> list[nn.Module]:
    return [convolution, nn.InstanceNorm2d(convolution.out_channels), nn.ReLU()]


def _enlarged(inputs: int, outputs: int, even: bool) -> list[nn.Module]:
    """Twice the bands and frames, with as many parameters either way."""
    if even:
        return [nn.Upsample(scale_factor=2), nn.ReflectionPad2d(1), *_normed(nn.Conv2d(inputs, outputs, 3))]
    return _normed(nn.ConvTranspose2d(inputs, outputs, 3, 2, 1, 1))


def _past(inputs: int, outputs: int, size: int, stride: int = 1, back: int = 1) -> list[nn.Module]:
    return [PastConv(inputs, outputs, size, stride, back), FrameNorm(outputs), nn.ReLU()]


def _judged(inputs: int, outputs: int, stride: int, paired: bool) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, 4, stride, 1, bias=not paired)
    return [convolution, nn.InstanceNorm2d(outputs, affine=paired), nn.LeakyReLU(0.2)]
