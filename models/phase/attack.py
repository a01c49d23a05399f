"""Notes begin at their sample and not with their hop: what overlap-add fades in over a whole hop begins where it was played.

In the hop with which a note begins only one frame has it, under a rising window. That part is taken out, and put back with the
window undone and an attack of its own. Right where a frame reaches one hop to each side. Called by the processor.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from models.phase.frames import Frames, hann

LONGEST, SHORTEST = (
    32,
    12,
)  # samples either side of its onset in which a note rises: less at a hop's end, where it must be through


class Attack:
    """Of a stream whose frames reach one hop from their middle."""

    def __init__(self, frames: Frames) -> None:
        self._n_fft, self._hop = frames.n_fft, frames.hop
        self._span = slice(frames.n_fft // 2 - frames.hop, frames.n_fft // 2)
        self._rising = hann(2 * frames.hop)[: frames.hop]
        self._undo = 1 / frames.window[self._span]

    def correction(self, parts: Iterable[tuple[np.ndarray, float, bool]], start: int) -> np.ndarray:
        """What to add to the hop (hop,) from sample `start` on; parts: complex frames (bins,) of what begins, its onset, and whether
        it rises slowly: then it takes the rest of its hop to the level of its first frame, which is low."""
        added = np.zeros(self._hop, np.float32)
        for spectrum, onset, slow in parts:
            place = round(onset) - start
            half = max((self._hop - place) // 2, SHORTEST) if slow else max(self._hop - place, SHORTEST)
            half = min(half, self._hop // 2 if slow else LONGEST, self._hop // 2)
            middle = self._hop - half if slow else min(max(place, half), self._hop - half)
            rise = np.clip((np.arange(self._hop) + 0.5 - middle) / (2 * half), -0.5, 0.5)
            shape = 0.5 + 0.5 * np.sin(np.pi * rise)
            sound = np.fft.irfft(spectrum, self._n_fft)[self._span] * self._undo
            added += (sound * (shape - self._rising)).astype(np.float32)
        return added
