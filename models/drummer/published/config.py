"""Sizes of the published drummer: the paper's own, one that a processor can train, and its tasks. Plain data, in every checkpoint."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

TASKS = {"bass2drums": ("bass", "drums"), "voice2song": ("vocals", "mixture")}
"""What is given and what is to be played, by the names of a song's stems."""


@dataclass(frozen=True, slots=True)
class PublishedConfig:
    """All sizes.

    bands, frames: of a crop, which is a square picture in the paper. overlap: frames that neighbouring crops share.
    floor_db, top_db: what black and white stand for. eight_bit: pictures have 256 levels.
    width, blocks: of the generator, channels of its first level and residual blocks. patch_width: channels of the
    discriminator's first level. unet_width: channels of the first level of Pix2Pix's generator. ahead: frames that the live variant
    draws before it has heard them.
    """

    sample_rate: int = 22050  # Hz
    n_fft: int = 2048  # samples
    hop: int = 512  # samples
    bands: int = 256
    frames: int = 256
    overlap: int = 50  # frames
    floor_db: float = -40.0
    top_db: float = 50.0
    eight_bit: bool = True
    width: int = 64
    blocks: int = 9
    patch_width: int = 64
    unet_width: int = 64
    ahead: int = 12

    @property
    def bins(self) -> int:
        return self.n_fft // 2 + 1

    @property
    def frame_rate(self) -> float:
        """Frames a second."""
        return self.sample_rate / self.hop

    def to_json(self) -> dict[str, Any]:  # Any: JSON values
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> PublishedConfig:
        return cls(**values)


PUBLISHED = PublishedConfig()
"""The paper's: two generators of 11,365,633 parameters, two discriminators of 2,762,689; crops of 5.94 s."""

SMALL = PublishedConfig(bands=128, frames=128, overlap=25, width=16, blocks=6, patch_width=16, unet_width=16)
"""Two generators of 490,945 parameters, two discriminators of 174,577: 1.33 M; crops of 2.97 s."""

SIZES = {"CYC": PUBLISHED, "CYC-S": SMALL}
