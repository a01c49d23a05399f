"""A player's audio between the bridge and a JACK port: written by absolute sample, read cycle by cycle, silent where
nothing came. A lost block leaves a hole and shifts nothing.
"""

import numpy as np
from numpy.typing import NDArray

from models.block import Samples

SIZE = 1 << 16  # samples; eight of the largest blocks


class AudioOut:
    """One port's audio. Belongs to the process callback; nothing is allocated after construction."""

    def __init__(self) -> None:
        self._ring = np.zeros(SIZE, np.float32)
        self._read_until = 0

    def take(self, leaves: int, samples: Samples, now: int) -> None:
        """Keep (channels, n) `samples` to leave from sample `leaves` on; what should have left before `now` is dropped."""
        mono = samples[0] if samples.shape[0] == 1 else samples.mean(axis=0, dtype=np.float32)
        skip = max(0, now - leaves)
        if skip >= mono.size or leaves + mono.size > now + SIZE:
            return
        mono, place = mono[skip:], (leaves + skip) % SIZE
        first = min(mono.size, SIZE - place)
        self._ring[place : place + first] = mono[:first]
        self._ring[: mono.size - first] = mono[first:]

    def read(self, now: int, out: NDArray[np.float32]) -> None:
        """Fill `out`, (n,), with what leaves from sample `now` on."""
        self._clear(self._read_until, min(SIZE, max(0, now - self._read_until)))
        place = now % SIZE
        first = min(out.size, SIZE - place)
        out[:first] = self._ring[place : place + first]
        out[first:] = self._ring[: out.size - first]
        self._clear(now, out.size)
        self._read_until = now + out.size

    def _clear(self, start: int, count: int) -> None:
        place = start % SIZE
        first = min(count, SIZE - place)
        self._ring[place : place + first] = 0.0
        self._ring[: count - first] = 0.0
