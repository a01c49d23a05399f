"""Rates at the border: a linear-phase filter bank with 2 ms on each side and no block of its own.

soxr was measured first (benchmarks/resampler_delay.py): its stream holds back 12.5 to 84 ms on the way to 16 kHz, since it
filters by FFT in large blocks. That is as much as the network's own look-ahead, so the border has this instead;
soxr stays the reference in the tests and the resampler of the training data.

Output m lies at input position m * rate_in / rate_out and is a sum over 2 * reach inputs around it. The Kaiser
window has 80 dB of stop band (beta 7.86), and the pass band ends at 0.84 of the lower rate's half.
"""

from math import ceil, gcd

import numpy as np

from models.block import Samples
from models.latency import FILTER_HALF_WIDTH

KAISER_BETA = 7.857  # 0.1102 * (80 - 8.7): Kaiser's formula for 80 dB
CUTOFF = 0.92  # of the lower rate's half: the middle of the slope, which ends at 1.0 with this length and beta
MOST_PHASES = 4096  # odd rates share the nearest of these: an error of 1/8192 sample


class Resampler:
    """Outputs of a stream at another rate, from any window of its inputs."""

    def __init__(self, rate_in: int, rate_out: int) -> None:
        common = gcd(rate_in, rate_out)
        self._up, self._down = rate_out // common, rate_in // common
        self.reach = ceil(FILTER_HALF_WIDTH * max(1.0, rate_in / rate_out))
        self._phases = min(self._up, MOST_PHASES)
        self._taps = np.arange(1 - self.reach, self.reach + 1)
        offsets = np.arange(self._phases)[:, None] / self._phases
        self._bank = _kernel(self._taps - offsets, min(1.0, rate_out / rate_in), self.reach).astype(np.float32)

    def last_input(self, output: int) -> int:
        """Return the index of the newest input that output `output` needs."""
        return output * self._down // self._up + self.reach

    def first_input(self, output: int) -> int:
        """Return the index of the oldest input that output `output` needs."""
        return output * self._down // self._up - self.reach + 1

    def outputs_within(self, inputs: int) -> int:
        """Return how many outputs can be computed from the first `inputs` inputs."""
        return max(0, -((-(inputs - self.reach) * self._up) // self._down))

    def compute(self, window: Samples, window_start: int, first: int, count: int) -> Samples:
        """Return outputs first .. first + count - 1, (channels, count), from `window` that begins at input `window_start`.

        Every output's inputs are a row of a view that overlaps itself, so that whole rows are multiplied and nothing is
        gathered by index: 48 to 16 kHz, 256 outputs, 9 us instead of 330 back to back, 56 instead of 550 paced.
        """
        if self._phases != self._up:
            return self._compute_plain(window, window_start, first, count)
        taps, oldest = 2 * self.reach, window_start + self.reach - 1
        result = np.empty((window.shape[0], count), np.float32)
        whole, phase = np.divmod((first + np.arange(count)) * self._down, self._up) if self._up > 1 else (None, None)
        for samples, outputs in zip(window, result, strict=True):
            if whole is None:
                rows = _rows(samples[first * self._down - oldest :], count, taps, self._down)
                np.einsum("pk,k->p", rows, self._bank[0], out=outputs)
            else:
                rows = _rows(samples, samples.size - taps + 1, taps, 1)[whole - oldest]
                np.einsum("pk,pk->p", rows, self._bank[phase], out=outputs)
        return result

    def _compute_plain(self, window: Samples, window_start: int, first: int, count: int) -> Samples:
        """Compute by index: for rates whose phases are rounded, and the reference of the fast way in the tests."""
        positions = (first + np.arange(count)) * self._down
        whole = positions // self._up
        phase = ((positions - whole * self._up) * self._phases + self._up // 2) // self._up
        phase = np.minimum(phase, self._phases - 1)  # not into the next input's turn: its newest tap may be missing
        columns = (whole - window_start)[:, None] + self._taps[None, :]
        gathered = window[:, columns]
        return np.einsum("pk,cpk->cp", self._bank[phase], gathered)


def _rows(samples: Samples, count: int, width: int, apart: int) -> Samples:
    """Return `count` windows of (samples,), each `width` long and `apart` after the one before, without a copy.

    NumPy checks that they lie inside; its own as_strided does the same in four times the time (measured, cold caches).
    """
    return np.ndarray((count, width), np.float32, samples, 0, (apart * samples.itemsize, samples.itemsize))


def _kernel(distance: np.ndarray, scale: float, reach: int) -> np.ndarray:
    """Return a Kaiser-windowed sinc at `distance` inputs from its centre, of unit gain at 0 Hz, (phases, taps)."""
    cutoff = CUTOFF * scale
    inside = np.clip(1.0 - (distance / reach) ** 2, 0.0, None)
    values = cutoff * np.sinc(cutoff * distance) * np.i0(KAISER_BETA * np.sqrt(inside)) / np.i0(KAISER_BETA)
    return values / values.sum(axis=1, keepdims=True)
