"""How high an instrument is tuned: found from the partials of what is played, as a mean on a circle of one semitone.

Every partial of a tuned instrument lies near some semitone of its own scale; how far that scale is from A4 = 440 Hz is
the direction in which all deviations, laid round a circle, point together (Dressler and Streich, DAFx 2007, do the same
with the salience of a whole piece). Bends and noise point everywhere and cancel.
"""

from functools import lru_cache

import numpy as np

A4 = 440.0
EVERY_SECONDS, WINDOW_SECONDS = 0.064, 0.512
LOWEST, HIGHEST = 110.0, 1760.0  # Hz: below, a bin is wider than a semitone; above, strings are stiff
PARTIALS = 8  # the loudest of each window
FORGET_SECONDS = 15.0
AGREEMENT = 0.6  # length of the mean direction, 0..1, from which it is believed
HEARD_SECONDS = 2.0
LEAST = 0.08  # semitones: nearer, nothing is corrected
TUNING_TAPS = 5  # bins: what is out of tune is shifted by up to two, 67 cents


class TuningFinder:
    """Listens to samples; `semitones` is how far above A4 = 440 Hz the instrument is tuned, 0 until that is sure."""

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._every = round(EVERY_SECONDS * sample_rate)
        size = round(WINDOW_SECONDS * sample_rate)
        self._heard, self._window = np.zeros(size, np.float32), np.hanning(size).astype(np.float32)
        self._since = 0
        self._direction, self._weight, self._seconds = 0j, 0.0, 0.0
        self.semitones = 0.0

    def listen(self, samples: np.ndarray) -> None:
        """Take the newest samples (n,), fewer than a window."""
        self._heard = np.concatenate([self._heard[len(samples) :], samples])
        self._since += len(samples)
        if self._since >= self._every:
            self._since = 0
            self._look()

    def _look(self) -> None:
        magnitude = np.abs(np.fft.rfft(self._heard * self._window))
        first, last = (round(f * len(self._heard) / self._rate) for f in (LOWEST, HIGHEST))
        inner = magnitude[first:last]
        loud = inner > 2e-3 * len(self._heard) / 4  # -54 dB of a full-scale sine
        peaks = np.flatnonzero(
            loud & (inner > magnitude[first - 1 : last - 1]) & (inner >= magnitude[first + 1 : last + 1])
        )
        if not len(peaks):
            return
        peaks = first + peaks[np.argsort(inner[peaks])[-PARTIALS:]]
        below, here, above = (np.log(magnitude[peaks + k] + 1e-12) for k in (-1, 0, 1))
        exact = peaks + 0.5 * (below - above) / (below - 2 * here + above)
        semitones = 12 * np.log2(exact * self._rate / len(self._heard) / A4)
        weight = np.sqrt(magnitude[peaks])
        keep = 1 - EVERY_SECONDS / FORGET_SECONDS
        self._direction = keep * self._direction + np.sum(weight * np.exp(2j * np.pi * semitones))
        self._weight = keep * self._weight + float(weight.sum())
        self._seconds += EVERY_SECONDS
        sure = self._seconds >= HEARD_SECONDS and abs(self._direction) >= AGREEMENT * self._weight
        found = float(np.angle(self._direction) / (2 * np.pi))
        self.semitones = found if sure and abs(found) >= LEAST else 0.0


@lru_cache(maxsize=64)
def tuning_taps(semitones: float, bins_per_semitone: int) -> np.ndarray:
    """Return the weights (TUNING_TAPS,) float32 that bring an instrument tuned so much too high to its place; to be read only."""
    reach = TUNING_TAPS // 2
    shift = float(np.clip(semitones * bins_per_semitone, -reach, reach))
    return np.maximum(0, 1 - np.abs(np.arange(-reach, reach + 1) - shift)).astype(np.float32)
