"""The curriculum: four stages, each with its source of texture, its rates and weights, all a function of the step. Plain arithmetic.

Called by `data`, `objectives` and `training`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

TURN = 25_000  # steps in which weights and coins go over
SAMPLED = {"time": (0.8, 0.3), "notes": (0.8, 0.5), "chords": (0.5, 0.0)}
"""How often the truth is told, before and after the turn: of sixteenths, of their notes, of beats' chords. Anew in every stage."""
DECAY, LAST_RATE = 0.9999, 0.01  # of Adam's rate, each step; at last of the first
FIXED_BETA = 0.01
BATCH, CLIP = 64, 3.0  # segments; norm of gradients

Symbols = Literal["piano", "masked", "none", "previous"]


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage. symbols: what the symbolic encoder is given: the PIANO, a part of it, nothing, or the two bars before.

    rate: of Adam at first; the paper says 4e-4 to 6e-4 of all. annealed: weights of divergences before and after the turn, of the
    latents in `annealing`; of the others it is `fixed`. after: the stage whose best network it begins with.
    """

    name: str
    symbols: Symbols
    rate: float
    epochs: int
    annealed: tuple[float, float]
    annealing: tuple[str, ...]
    fixed: dict[str, float]
    after: str | None = None

    def betas(self, step: int) -> dict[str, float]:
        """Return the weight of each latent's divergence at a step of this stage."""
        low, high = self.annealed
        turning = low + (high - low) * turned(step)
        return self.fixed | dict.fromkeys(self.annealing, turning)

    def rate_at(self, step: int) -> float:
        """Return Adam's rate at a step of this stage."""
        return self.rate * max(LAST_RATE, DECAY**step)


WARM_UP = Stage("1", "piano", 5e-4, 120, (0.0, 0.01), ("chord", "audio", "symbol"), {})
PRE_TRAINING = Stage(
    "2", "masked", 5e-5, 90, (0.01, 0.5), ("symbol",), {"chord": FIXED_BETA, "audio": FIXED_BETA}, after="1"
)
PRIOR_ONLY = Stage("3a", "none", 5e-5, 90, (0.0, 0.0), (), {"chord": FIXED_BETA, "audio": FIXED_BETA}, after="2")
AUTOREGRESSIVE = Stage(
    "3b", "previous", 5e-5, 90, (0.0, 0.0), (), {"chord": FIXED_BETA, "audio": FIXED_BETA, "symbol": 0.5}, after="2"
)
STAGES = {stage.name: stage for stage in (WARM_UP, PRE_TRAINING, PRIOR_ONLY, AUTOREGRESSIVE)}


def turned(step: int) -> float:
    """Return how far the turn has come, 0 to 1: a sigmoid whose middle is at half of it."""
    return 1 / (1 + math.exp(-10 * (step / TURN - 0.5)))


def told(level: str, step: int) -> float:
    """Return how often the truth is told at a level, `time`, `notes` or `chords`, at a step of a stage."""
    first, last = SAMPLED[level]
    return first + (last - first) * turned(step)
