"""Sizes of the published arranger: the paper's own, and one that a processor can train. Plain data, in every checkpoint."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

SAMPLE_RATE: Final = 16_000  # Hz, of the spectrum
STRETCHED_RATE: Final = 22_050  # Hz, of the song on its even beats
BEAT_SAMPLES: Final = 13_312  # of STRETCHED_RATE: 26 hops, 99.384 BPM (the paper says 95)
PRE_ROLL: Final = 1_000  # samples of STRETCHED_RATE before a segment's first beat
BANDS, FRAMES = 229, 153  # of a segment's spectrum
KEYS, PITCHES = 88, 128  # of the transcriber; of everything symbolic
BEATS, STEPS = 8, 32  # of a segment: two bars
DURATION_BITS: Final = 5
LONGEST: Final = 2**DURATION_BITS  # steps
SOS, EOS, PAD = 128, 129, 130  # symbols beside pitches
DURATION_PAD: Final = 2  # a bit of what is no note
FEATURES: Final = ("bass", "intensity", "melody")

KINDS: Final = ("cvae", "no_chord", "supervised", "supervised_kl", "chord_only")
"""The paper's network, that without chords, and its three baselines."""


@dataclass(frozen=True, slots=True)
class PublishedConfig:
    """All sizes.

    transcriber: units of its linear layers; a sixteenth and an eighth of it are the channels of its convolutions. frame_, chord_,
    symbol_, feature_, time_, notes_: of the encoders and decoders, hidden units unless named otherwise. duration_hidden: of two layers that
    nothing reads. z_chord, z_audio, z_symbol: dimensions of the three latents. slots: of a sixteenth, the first begins it.
    """

    transcriber: int = 768
    frame_channels: int = 20
    frame_hidden: int = 1024
    chord_hidden: int = 256
    chord_decoder: int = 512
    chord_input: int = 256
    symbol_channels: int = 10
    symbol_inner: int = 1000
    symbol_embedding: int = 256
    symbol_hidden: int = 1024
    feature_hidden: int = 1024
    feature_input: int = 128
    feature_embedding: int = 64
    note_embedding: int = 128
    summary_hidden: int = 128
    time_input: int = 256
    time_hidden: int = 1024
    notes_hidden: int = 512
    duration_hidden: int = 16
    z_chord: int = 128
    z_audio: int = 192
    z_symbol: int = 192
    slots: int = 16

    def latents(self, kind: str) -> dict[str, int]:
        """Return the dimensions of each latent of a kind; without chords and in the baselines audio has their share too.

        Raises:
            ValueError: there is no such kind.
        """
        chord, audio, symbol = self.z_chord, self.z_audio, self.z_symbol
        if kind in ("cvae", "chord_only"):
            return {"chord": chord, "audio": audio, "symbol": symbol}
        if kind == "no_chord":
            return {"audio": chord + audio, "symbol": symbol}
        if kind in ("supervised", "supervised_kl"):
            return {"audio": chord + audio + symbol}
        raise ValueError(f"the kind is {kind}; allowed: {', '.join(KINDS)}")

    def to_json(self) -> dict[str, Any]:  # Any: JSON values
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> PublishedConfig:
        return cls(**values)


PUBLISHED = PublishedConfig()
"""The paper's: 62,273,625 parameters as released, of which 26,491,256 transcribe."""

SMALL = PublishedConfig(
    transcriber=128, frame_channels=10, frame_hidden=256, chord_hidden=128, chord_decoder=192, chord_input=64, symbol_inner=256,
    symbol_embedding=128, symbol_hidden=256, feature_hidden=256, feature_input=64, feature_embedding=32, note_embedding=64,
    summary_hidden=64, time_input=128, time_hidden=384, notes_hidden=192, z_chord=64, z_audio=96, z_symbol=96, slots=12,
)  # fmt: skip
"""The same network as small as one core can train."""
