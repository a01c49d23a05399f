"""Sizes of the published network: the paper's own, and two that a processor can train. Plain data, in every checkpoint."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

PITCHES = 128
RELEASED_KERNELS = (6, 4, 3, 2)  # of the up-sampling convolutions, so that 860 frames come back from 53


@dataclass(frozen=True, slots=True)
class PublishedConfig:
    """All sizes.

    frames: of a training chunk. encoder: channels of its five levels; the first four are halved in time.
    on_off: channels of the three levels of the on/off encoder; the last two condition the decoder; empty leaves it out.
    decoder: channels of its four levels, the last one TextureNet's. multi_bands: bands of TextureNet's blocks, in order.
    """

    sample_rate: int  # Hz
    n_fft: int  # samples
    hop: int  # samples
    frames: int
    encoder: tuple[int, ...]
    on_off: tuple[int, ...]
    decoder: tuple[int, ...]
    kernels: tuple[int, ...] = (2, 2, 2, 2)
    multi_bands: tuple[int, ...] = (2, 4, 8, 16)

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
        plain: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
        return cls(**plain)


PUBLISHED = PublishedConfig(
    sample_rate=44100, n_fft=2048, hop=256, frames=860, encoder=(256, 512, 1024, 2048, 4096), on_off=(256, 512, 1024),
    decoder=(2048, 1024, 1024, 1024), kernels=RELEASED_KERNELS,
)  # fmt: skip
"""The paper's: 249,804,801 parameters, 1 GB."""

SMALL = PublishedConfig(
    sample_rate=22050, n_fft=1024, hop=256, frames=432, encoder=(128, 192, 256, 384, 512), on_off=(64, 96, 128),
    decoder=(384, 512, 512, 512),
)  # fmt: skip
"""14,245,953 parameters."""

EXTRA_SMALL = PublishedConfig(
    sample_rate=22050, n_fft=1024, hop=256, frames=432, encoder=(96, 128, 192, 256, 320), on_off=(64, 96, 128),
    decoder=(256, 256, 256, 256),
)  # fmt: skip
"""4,989,697 parameters; a step of 8 chunks takes about a second on one core."""

SIZES = {"PN": PUBLISHED, "PN-S": SMALL, "PN-XS": EXTRA_SMALL}
