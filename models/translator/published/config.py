"""Sizes of the published networks: the paper's own, and one that a processor can train. Plain data, in every checkpoint."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

BANDS = 410  # of the front end
SAMPLE_RATE = 22050  # Hz
SIGNAL_SAMPLES = 2 * SAMPLE_RATE  # of a note that are transformed
FIRST_FRAME, LAST_FRAME = 10, 24  # of a note, both included: 0.32 to 0.80 s, its stationary part


@dataclass(frozen=True, slots=True)
class PublishedConfig:
    """All sizes: hidden units of the two autoencoders' layers, dimensions of the space between them, bands of a spectrum."""

    signal: int
    symbol: int
    latent: int = 32
    bands: int = BANDS

    def to_json(self) -> dict[str, Any]:  # Any: JSON values
        return asdict(self)


ONE = PublishedConfig(2000, 800)
"""The paper's for one instrument: 10,676,884 + 1,412,893 parameters with the three groups of symbols."""

TWO = PublishedConfig(5000, 800)
"""For two: 56,690,884 + 1,459,322."""

THREE = PublishedConfig(5000, 1500)
"""For three: 56,690,884 + 4,923,151."""

SMALL = PublishedConfig(512, 256)
"""LT-S: 1,210,228 + 173,661 for one instrument; a step of 64 frames takes 13 ms on one core."""

SIZES = {"LT-1": ONE, "LT-2": TWO, "LT-3": THREE, "LT-S": SMALL}
