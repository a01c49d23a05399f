"""How far made drums are from real ones: Frechet's distance between what crops of their mel spectrograms are like.

The published evaluation takes activations of Inception, a network for photographs. Here a crop of 5.94 s (half of it shared with
the next) is told by 80 numbers of its mel spectrogram (22,050 Hz, 2048/512, 64 bands), in dB relative to the whole recording's power, so
that how loud a recording is does not count; 60 dB below that is silence. Of 16 wide bands (4 bands each):

timbre   16: the mean level
motion   16: the standard deviation of the level over time
attacks  16: the mean rise from frame to frame, what falls counting as 0
rhythm   32: of four regions (4 wide bands each), how strongly the rise comes and goes at 8 rates, 0.5 to 16 times a second, an
             octave being 1.6 of them

Each is divided by its standard deviation over the real crops, so 1 is one step of what real drums vary by. Distances hang on the number
of crops: compare only what was taken from the same songs. Called by `evaluator` and by who compares drummers.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from models.drummer.published.config import PublishedConfig
from models.drummer.published.mel import LEAST_POWER, mel_power

HEARD = PublishedConfig(bands=64, eight_bit=False)
CROP, CROP_HOP = 256, 128  # frames
SILENCE_DB = -60.0
WIDE, REGIONS = 16, 4
RATES_HZ = np.geomspace(0.5, 16, 9)  # edges of the rates
GROUPS = {"timbre": slice(0, 16), "motion": slice(16, 32), "attacks": slice(32, 48), "rhythm": slice(48, 80)}
FEATURES = 80
LEAST_DEVIATION = 1e-3


def mel_frechet(real: Iterable[tuple[np.ndarray, int]], made: Iterable[tuple[np.ndarray, int]]) -> float:
    """Return the distance of made recordings from real ones, each (samples,) float32 and its rate in Hz."""
    return frechet_distance(*(
        np.concatenate([crop_features(*one) for one in recordings]) for recordings in (list(real), list(made))
    ))  # fmt: skip


def crop_features(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return (crops, 80) float64 of (samples,) float32; what is shorter than a crop is followed by silence."""
    import soxr

    power = mel_power(soxr.resample(np.asarray(audio, np.float32), sample_rate, HEARD.sample_rate), HEARD).astype(float)
    power = np.pad(power, ((0, 0), (0, max(0, CROP - power.shape[1]))))
    whole = max(float(power.sum(0).mean()), LEAST_POWER)
    wide = power.reshape(WIDE, -1, power.shape[1]).sum(1)
    level = np.maximum(10 * np.log10(np.maximum(wide, LEAST_POWER) / whole), SILENCE_DB)
    if whole <= LEAST_POWER:
        level[:] = SILENCE_DB
    starts = range(0, level.shape[1] - CROP + 1, CROP_HOP)
    return np.array([_features(level[:, start : start + CROP]) for start in starts])


def frechet_distance(real: np.ndarray, made: np.ndarray) -> float:
    """Return the distance of two Gaussians fitted to (crops, features) each; 0 for what is alike.

    Raises:
        ValueError: a side has fewer than two crops.
    """
    if min(len(real), len(made)) < 2:
        raise ValueError(f"there are {len(real)} real and {len(made)} made crops; allowed: 2 and more of each")
    scale = np.maximum(real.std(0), LEAST_DEVIATION)
    real, made = real / scale, made / scale
    apart = float(np.square(real.mean(0) - made.mean(0)).sum())
    spread_real, spread_made = np.cov(real.T), np.cov(made.T)
    values, vectors = np.linalg.eigh(spread_real)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ spread_made @ root), 0)).sum()
    return max(0.0, apart + float(np.trace(spread_real) + np.trace(spread_made) - 2 * shared))


def _features(level: np.ndarray) -> np.ndarray:
    """(16, CROP) dB -> (80,)."""
    rise = np.maximum(np.diff(level, axis=1), 0)
    regions = rise.reshape(REGIONS, -1, rise.shape[1]).mean(1)
    regions = regions - regions.mean(1, keepdims=True)
    strength = np.abs(np.fft.rfft(regions * np.hanning(rise.shape[1]))) * 2 / rise.shape[1]
    rate = np.fft.rfftfreq(rise.shape[1], 1 / HEARD.frame_rate)
    rhythm = [strength[:, (rate >= low) & (rate < high)].max(1) for low, high in pairwise(RATES_HZ)]
    return np.concatenate([level.mean(1), level.std(1), rise.mean(1), np.stack(rhythm, 1).ravel()])
