"""The one thing that travels: a block of audio with the events that fall into it.

A block is data only. Who fills it (a device, a file, a socket) and who empties it is the server's business.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.events import HostEvent

Samples = NDArray[np.float32]
"""Audio: (channels, samples) float32, C-contiguous, -1..1."""
Magnitude = NDArray[np.float32]
"""A stretch of a spectrogram: (frames, bins) float32, linear, from 0 Hz to half the sample rate."""


@dataclass(frozen=True, slots=True)
class Block:
    """Audio and events that begin at one sample of a stream.

    start: absolute index of the first sample on the stream clock.
    samples: (channels, samples) float32; zero channels where a stream carries events only.
    events: in time order, each with its absolute sample.
    magnitude: what a player with a port of that kind shows of the block: its frames divide the block evenly. None: nothing.
    """

    start: int
    samples: Samples
    events: tuple[HostEvent, ...] = ()
    magnitude: Magnitude | None = None

    @property
    def end(self) -> int:
        """The sample after the last one."""
        return self.start + self.samples.shape[1]


def silence(channels: int, count: int) -> Samples:
    """Return `count` samples of silence, (channels, count) float32."""
    return np.zeros((channels, count), np.float32)
