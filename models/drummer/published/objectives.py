"""What is learnt from a batch: CycleGAN's losses on unpaired crops, Pix2Pix's on paired ones, live or not. One object, one training.

CycleGAN (Zhu et al. 2017): least squares for truth, L1 for what comes back after both ways and for what is left as it was.
Pix2Pix (Isola et al. 2017): cross entropy for truth, L1 for likeness. Called by `training`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.drummer.published.config import PublishedConfig
from models.drummer.published.corrections import Corrections
from models.drummer.published.network import Discriminator, Generator, LiveGenerator, UNet

RATE, BETAS = 2e-4, (0.5, 0.999)  # of Adam
STEADY_EPOCHS, FALLING_EPOCHS = 100, 100  # the rate stays, then falls to 0: the recipe of 12 and 20 ends long before
CYCLE, IDENTITY = 10.0, 0.5  # weights: of what comes back, and of what is left as it was, in the former
LIKENESS = 100.0  # Pix2Pix's weight of L1
POOL = 50  # pictures


class Pool:
    """The last pictures drawn, of which a discriminator is shown one in two instead of the newest."""

    def __init__(self, size: int, seed: int) -> None:
        self._size, self.random = size, np.random.default_rng(seed)
        self.kept: list[Tensor] = []

    def swap(self, drawn: Tensor) -> Tensor:
        """Take (batch, 1, bands, frames); return as many, each new or, once the pool is full, perhaps an old one in its place."""
        shown = []
        for one in drawn.detach():
            if len(self.kept) < self._size:
                self.kept.append(one.clone())
                shown.append(one)
            elif self.random.random() < 0.5:
                place = int(self.random.integers(self._size))
                shown.append(self.kept[place])
                self.kept[place] = one.clone()
            else:
                shown.append(one)
        return torch.stack(shown)


class Objective(Protocol):
    """What `training` asks for. networks: all that is learnt, the drawing one as "draws"."""

    paired: bool
    networks: nn.ModuleDict
    optimizers: dict[str, torch.optim.Optimizer]
    pools: dict[str, Pool]

    def step(self, source: Tensor, target: Tensor) -> dict[str, float]:
        """Learn from (batch, 1, bands, frames) each; return the losses by name."""
        ...


class CycleGan:
    """Both ways between two instruments, from crops that do not belong together."""

    paired = False

    def __init__(self, config: PublishedConfig, corrections: Corrections, seed: int, rate: float = RATE) -> None:
        torch.manual_seed(seed)
        generators = {"draws": Generator(config, corrections), "returns": Generator(config, corrections)}
        judges = {"judges_target": Discriminator(config), "judges_source": Discriminator(config)}
        self.networks = nn.ModuleDict(generators | judges)
        self.optimizers = _adams(generators, judges, rate)
        self.pools = {"target": Pool(POOL, seed), "source": Pool(POOL, seed + 1)}

    def step(self, source: Tensor, target: Tensor) -> dict[str, float]:
        """Generators first, then the discriminators, which hear what was drawn through the pools."""
        draws, returns = self.networks["draws"], self.networks["returns"]
        judges = {side: self.networks[f"judges_{side}"] for side in ("target", "source")}
        _learning(judges.values(), False)
        drawn, returned = draws(source), returns(target)
        losses = {
            "truth": _truth(judges["target"](drawn), 1.0) + _truth(judges["source"](returned), 1.0),
            "cycle": functional.l1_loss(returns(drawn), source) + functional.l1_loss(draws(returned), target),
            "identity": functional.l1_loss(draws(target), target) + functional.l1_loss(returns(source), source),
        }
        whole = losses["truth"] + CYCLE * (losses["cycle"] + IDENTITY * losses["identity"])
        _descend(self.optimizers["generators"], whole)
        _learning(judges.values(), True)
        losses["judges"] = source.new_zeros(())
        for side, real, fake in (("target", target, drawn), ("source", source, returned)):
            judge, shown = judges[side], self.pools[side].swap(fake)
            losses["judges"] = losses["judges"] + (_truth(judge(real), 1.0) + _truth(judge(shown), 0.0)) / 2
        _descend(self.optimizers["judges"], losses["judges"])
        return {name: loss.item() for name, loss in losses.items()}


class PixToPix:
    """One way, from crops that belong together."""

    paired = True
    drawing: type[UNet] | type[LiveGenerator] = UNet

    def __init__(self, config: PublishedConfig, corrections: Corrections, seed: int, rate: float = RATE) -> None:
        torch.manual_seed(seed)
        generators, judges = {"draws": self.drawing(config, corrections)}, {"judges": Discriminator(config, inputs=2)}
        self.networks = nn.ModuleDict(generators | judges)
        self.optimizers = _adams(generators, judges, rate)
        self.pools: dict[str, Pool] = {}

    def step(self, source: Tensor, target: Tensor) -> dict[str, float]:
        """The discriminator first, which sees the source beside what is true or drawn, then the generator."""
        draws, judge = self.networks["draws"], self.networks["judges"]
        drawn = draws(source)
        _learning([judge], True)
        said = judge(torch.cat([source, drawn.detach()], 1)), judge(torch.cat([source, target], 1))
        judged = (_entropy(said[0], 0.0) + _entropy(said[1], 1.0)) / 2
        _descend(self.optimizers["judges"], judged)
        _learning([judge], False)
        truth = _entropy(judge(torch.cat([source, drawn], 1)), 1.0)
        likeness = functional.l1_loss(drawn, target)
        _descend(self.optimizers["generators"], truth + LIKENESS * likeness)
        return {"truth": truth.item(), "likeness": likeness.item(), "judges": judged.item()}


class Live(PixToPix):
    """Pix2Pix's losses for a generator that hears the past only and draws what comes `ahead` frames later."""

    drawing = LiveGenerator

    def __init__(self, config: PublishedConfig, corrections: Corrections, seed: int, rate: float = RATE) -> None:
        super().__init__(config, corrections, seed, rate)
        self._ahead = config.ahead

    def step(self, source: Tensor, target: Tensor) -> dict[str, float]:
        return super().step(source[..., : -self._ahead], target[..., self._ahead :])


OBJECTIVES: dict[str, type[CycleGan] | type[PixToPix]] = {"cyclegan": CycleGan, "pix2pix": PixToPix, "live": Live}


def share_of_rate(epoch: int) -> float:
    """Return by what the rate is multiplied in an epoch, counted from 0."""
    return 1 - max(0, epoch + 1 - STEADY_EPOCHS) / (FALLING_EPOCHS + 1)


def _adams(
    generators: dict[str, nn.Module], judges: dict[str, nn.Module], rate: float
) -> dict[str, torch.optim.Optimizer]:
    sides = {"generators": generators, "judges": judges}
    return {
        name: torch.optim.Adam(itertools.chain(*(one.parameters() for one in side.values())), rate, BETAS)
        for name, side in sides.items()
    }


def _truth(said: Tensor, true: float) -> Tensor:
    return (said - true).square().mean()


def _entropy(said: Tensor, true: float) -> Tensor:
    return functional.binary_cross_entropy_with_logits(said, torch.full_like(said, true))


def _descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def _learning(networks: Iterable[nn.Module], wanted: bool) -> None:
    for network in networks:
        network.requires_grad_(wanted)
