"""A player's spectrogram on its way out: frames of hops in, frames that are due out, each with the host sample it speaks about.

It leaves with the audio that it belongs to: at its place plus the stream's latency, whatever the block.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.block import Block


@dataclass(frozen=True, slots=True)
class SpectrumFrame:
    """One frame. due: the host sample at which it leaves. place: the one at which it begins. bins: (bins,) float32."""

    due: int
    place: int
    bins: NDArray[np.float32]


class MagnitudeOutput:
    """Holds frames until they are due."""

    def __init__(self, ratio: float, latency: int) -> None:
        """Args: ratio: host samples a model sample. latency: the stream's, in host samples."""
        self._ratio, self._latency = ratio, latency
        self._waiting: deque[SpectrumFrame] = deque()

    def reset(self) -> None:
        """Forget everything."""
        self._waiting.clear()

    def push(self, block: Block, origin: int) -> None:
        """Take what a hop shows; frames before the stream's first sample, at `origin`, are the silence before it."""
        if block.magnitude is None:
            return
        step = block.samples.shape[1] / len(block.magnitude)
        for number, bins in enumerate(block.magnitude):
            begin = block.start + number * step
            if begin >= 0:
                place = origin + round(begin * self._ratio)
                self._waiting.append(SpectrumFrame(place + self._latency, place, bins.copy()))

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, end: int) -> list[SpectrumFrame]:
        """Return and forget what is due before host sample `end`."""
        taken: list[SpectrumFrame] = []
        while self._waiting and self._waiting[0].due < end:
            taken.append(self._waiting.popleft())
        return taken
