"""The performer's clock and sizes: all that is needed to build it, as plain data, stored with every checkpoint."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

INSTRUMENTS = ("violin", "cello", "flute")
FEATURES = (
    "held", "new", "new_place", "ended", "age", "age_fast", "age_slow", "released", "velocity", "pitch",
    "interval", "velocity_step", "slur", "known", "remaining", "until_next", "next_interval", "next_velocity",
)  # fmt: skip
"""What is said of a voice in a hop; `score.Voices` fills them in."""
CONTROLS = ("dynamics", "brightness", "room", *INSTRUMENTS)
"""What is said of all voices together: dynamics (velocity / 127 added), brightness (dB an octave above 1 kHz), room
(the share of the learnt room's power), and which instrument plays."""

REFERENCE_RANGE, MIDDLE_VELOCITY = 20.0, 70.0
"""Loudness in velocities: 100 of them are REFERENCE_RANGE dB, and a player with another range has MIDDLE_VELOCITY in common."""


@dataclass(frozen=True, slots=True)
class PerformerConfig:
    """Sizes of the network.

    n_fft, hop: samples; frame k covers samples k * hop - `before` to k * hop - `before` + n_fft.
    voices: notes that may sound at once, ringing ones counted.
    partials: of a voice; the first `own_partials` have levels of their own beside the envelope over frequency.
    envelope_points, noise_points, body_points: of level curves over log frequency, from `lowest` Hz to half the rate.
    bands: channels of the texture network.
    dropout: share of a voice's channels that training leaves out at random.
    look_ahead: hops of score beyond its own that a head knows of.
    rise: samples from where a note begins to where it grows fastest, which is what the ear and the scores call its onset.
    reach: samples either side of a frame's middle that are heard of it. A frame speaks of the hop that ends at its middle.
    """

    sample_rate: int = 32000  # Hz
    n_fft: int = 2048
    hop: int = 256
    voices: int = 8
    partials: int = 96
    own_partials: int = 16
    lowest: float = 50.0  # Hz
    envelope_points: int = 32
    noise_points: int = 32
    body_points: int = 200
    voice_channels: int = 96
    common_channels: int = 64
    bands: int = 192
    multi_bands: tuple[int, ...] = (2, 4, 8, 16)
    correction_db: float = 12.0
    look_ahead: tuple[int, ...] = (0, 28)
    rise: int = 384
    reach: int = 256
    on_off: bool = True
    rooms: int = 2
    dropout: float = 0.0

    @property
    def bins(self) -> int:
        return self.n_fft // 2 + 1

    @property
    def before(self) -> int:
        """Samples of a frame before what is heard of it."""
        return self.n_fft // 2 - self.reach

    def to_json(self) -> dict[str, Any]:  # Any: JSON values
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> PerformerConfig:
        plain: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
        return cls(**plain)
