"""Sizes of the arranger's network and of the networks that it is compared with: as many weights each, within 3 in 100."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

VARIANTS = ("autoregressive", "prior", "supervised", "supervised_kl", "chord_only")


@dataclass(frozen=True, slots=True)
class ArrangerConfig:
    """Sizes of the network, and which of VARIANTS it is.

    audio, symbols, chords: hidden values of an encoder in a direction. cell: of a key on a sixteenth. hidden, notes: of the
    decoder's two levels.
    """

    variant: str = "autoregressive"
    inner: int = 128
    audio: int = 128
    symbols: int = 96
    chords: int = 48
    chord_latent: int = 64
    audio_latent: int = 96
    context: int = 128
    cell: int = 12
    hidden: int = 256
    notes: int = 128
    embedding: int = 48

    def __post_init__(self) -> None:
        if self.variant not in VARIANTS:
            raise ValueError(f"the variant is {self.variant!r}; allowed: {', '.join(VARIANTS)}")

    @property
    def prompted(self) -> bool:
        """Whether it sees what it played before."""
        return self.variant == "autoregressive"

    @property
    def deaf(self) -> bool:
        """Whether it knows the chords alone."""
        return self.variant == "chord_only"

    @property
    def plain(self) -> bool:
        """Whether it is an audio encoder and a decoder, and no more."""
        return self.variant.startswith("supervised")

    def to_json(self) -> str:
        """Return the sizes as a JSON object."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> ArrangerConfig:
        """Read what `to_json` wrote."""
        return cls(**json.loads(text))


def sized(variant: str) -> ArrangerConfig:
    """Return a variant's sizes: as many weights as the others have, within 3 in 100."""
    if variant.startswith("supervised"):
        return ArrangerConfig(variant, inner=160, audio=194, embedding=64)
    if variant == "chord_only":
        return ArrangerConfig(variant, inner=160, symbols=136, chords=96, context=160, cell=16, embedding=64)
    return ArrangerConfig(variant, embedding=64)
