"""The transcriber network's sizes: all that is needed to build it, as plain data.

Stored with every checkpoint; read by `network`, `features`, `training` and whoever exports.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

LOWEST_PITCH = 21  # A0, the piano's lowest key
PITCHES = 88


@dataclass(frozen=True, slots=True)
class TranscriberConfig:
    """Sizes and clock of the network.

    hop, phases: samples between two hops, and hops in a frame. The network knows one frame after another; `phases` equal
    networks, a hop apart, take turns, so that a decision waits for a hop and not for a frame.
    windows, falls: samples of each spectrum's window, and of its short falling side.
    look_ahead: samples; a head speaks about the frame that ended so long before the newest sample.
    harmonics: multiples of a pitch's frequency at which its evidence is gathered.
    memory_delays: frames ago at which the heads read again what the trunk said then.
    low_pitches: the lowest keys, whose partials lie sharp of the harmonics, weigh them in a way of their own.
    intervals: semitones between a pitch and the neighbours it hears.
    """

    sample_rate: int = 16000  # Hz
    hop: int = 128  # samples, 8 ms
    phases: int = 2
    windows: tuple[int, ...] = (256, 512, 1024, 2048, 4096)
    falls: tuple[int, ...] = (32, 64, 256, 512, 1024)
    bins_per_semitone: int = 3
    bins: int = 294  # A0 to 7.9 kHz
    look_ahead: tuple[int, ...] = (0, 160, 320, 640, 1280, 2560)  # samples
    harmonics: tuple[float, ...] = (0.5, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24)
    low_pitches: int = 24
    spectral_channels: int = 16
    spectral_frames: int = 3
    harmonic_channels: int = 64
    channels: int = 48
    narrow_channels: int = 16
    memory_channels: int = 16
    memory_delays: tuple[int, ...] = (0, 1, 2, 3, 5, 7, 10)
    head_channels: int = 96
    pedal_channels: int = 32
    intervals: tuple[int, ...] = (-24, -19, -12, -7, -5, -3, -2, -1, 1, 2, 3, 5, 7, 12, 19, 24)

    @property
    def frame(self) -> int:
        """Samples from one frame of a phase to its next."""
        return self.hop * self.phases

    @property
    def look_ahead_ms(self) -> tuple[float, ...]:
        """Each head's look-ahead in milliseconds."""
        return tuple(1000 * samples / self.sample_rate for samples in self.look_ahead)

    def to_json(self) -> dict[str, Any]:  # Any: JSON values
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> TranscriberConfig:
        plain: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
        }
        return cls(**plain)
