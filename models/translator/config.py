"""The translator's clock, symbols and sizes: all that is needed to build it, as plain data, stored with every checkpoint."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from models.translator.notes import DYNAMICS, INSTRUMENTS, OCTAVES, PITCH_CLASSES

GROUPS = {
    "instrument": len(INSTRUMENTS), "pitch_class": len(PITCH_CLASSES), "octave": len(OCTAVES), "dynamics": len(DYNAMICS),
}  # fmt: skip
"""The symbols of a note, one of each group; side by side in this order where they travel together."""
SYMBOLS = sum(GROUPS.values())
LOWEST_PITCH, PITCHES = 21, 88
FEATURES = ("held", "new", "age", "age_fast", "age_slow", "released")
"""What is said of a played voice in a hop beside its symbols; `voices` fills them in."""


@dataclass(frozen=True, slots=True)
class TranslatorConfig:
    """Sizes of both networks.

    hop, phases: samples between two hops, and hops in a frame of what listens: it knows one frame after another, and so many equal
    networks, a hop apart, take turns, so that a decision waits for a hop while training pays for frames.
    windows, falls: samples of each spectrum's window, all ending at the newest sample, and of its short falling side.
    reach_hz: lowest and highest frequency at which each window is asked: long ones know which pitch, short ones when.
    slots: notes heard at once. voices: notes played at once, ringing ones counted.
    harmonics: multiples of a pitch's frequency at which its evidence is gathered; own_harmonics: those a slot sees as they are, and
    between: how many places half way above them.
    dropout, loudness_dropout: share of what is seen of a note that training leaves out at random when its place is read.
    latent: dimensions of the space between signal and symbol; the last `loudness` of them hold the dynamics and nothing else.
    axes: directions of the space that a hand can steer by; the first two are the map's.
    bands_hz: ends of the bands in which a slot's partials are summed for it.
    partials, noise_points: what is said of a voice's sound; levels over log frequency from `lowest` Hz to half the rate.
    n_fft, reach: of the frames that are played; see PerformerConfig, whose way of sounding this is.
    """

    sample_rate: int = 32000  # Hz
    hop: int = 256
    phases: int = 2
    windows: tuple[int, ...] = (512, 1024, 2048, 4096)
    falls: tuple[int, ...] = (64, 128, 512, 1024)
    reach_hz: tuple[tuple[float, float], ...] = ((500.0, 12000.0), (250.0, 9000.0), (100.0, 4500.0), (0.0, 2500.0))
    bins_per_semitone: int = 3
    bins: int = 312  # A0 to 11 kHz
    spectral_channels: int = 8
    harmonics: tuple[float, ...] = (0.5, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16)
    own_harmonics: int = 20
    between: int = 8
    intervals: tuple[int, ...] = (-24, -19, -12, -7, -2, -1, 1, 2, 7, 12, 19, 24)
    narrow_channels: int = 8
    channels: int = 40
    head_channels: int = 32
    pitch_channels: int = 16
    slot_channels: int = 128
    dropout: float = 0.2
    slots: int = 3
    latent: int = 32
    loudness: int = 4
    axes: int = 6
    loudness_channels: int = 192
    loudness_dropout: float = 0.4
    bands_hz: tuple[float, ...] = (0.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0, 16000.0)
    symbol_channels: int = 96
    n_fft: int = 2048
    reach: int = 256
    voices: int = 8
    partials: int = 64
    noise_points: int = 24
    envelope_points: int = 32
    lowest: float = 50.0  # Hz
    voice_channels: int = 96
    voice_memory: int = 64

    @property
    def frame(self) -> int:
        """Samples from one frame of a phase to its next."""
        return self.hop * self.phases

    @property
    def bins_played(self) -> int:
        """Of the spectrum of a played frame."""
        return self.n_fft // 2 + 1

    def to_json(self) -> dict[str, Any]:  # Any: JSON values
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> TranslatorConfig:
        return cls(**{name: _frozen(value) for name, value in values.items()})


def _frozen(value: Any) -> Any:
    return tuple(_frozen(one) for one in value) if isinstance(value, list) else value
