"""What a recorded note is made of, hop by hop: the levels of its partials and of the noise between them.

The window is a whole number of periods, four at least, so that partials lie on every fourth of its bins (or so) and the Hann
window has its zeros where the noise is read, half way between two. A stiff string's partials are found a little beside their place.
"""

from __future__ import annotations

import numpy as np

from models.translator.config import TranslatorConfig
from models.translator.player import noise_curve

LEAST_PERIODS, LEAST_SAMPLES = 4, 1024
BESIDE = 0.25  # of the fundamental: how far from its place a partial is looked for
SILENT_DB = -110.0


def analyse(audio: np.ndarray, pitch: float, frames: int, config: TranslatorConfig) -> tuple[np.ndarray, np.ndarray]:
    """Levels in dB of (samples,) from a note's beginning on: of its partials (frames, partials), a sinusoid of amplitude 1 being 0
    dB, and its noise (frames, noise_points), in the spectrum that is played. Frame j is centred j hops after the beginning.

    A level is not a number where nothing is known: partials beyond half the rate, noise below the first.
    """
    fundamental = 440 * 2 ** ((pitch - 69) / 12)
    period = config.sample_rate / fundamental
    periods = max(LEAST_PERIODS, int(np.ceil(LEAST_SAMPLES / period)))
    size = round(periods * period)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(size) + 0.5) / size)
    padded = np.pad(audio[: frames * config.hop + size], (size // 2, frames * config.hop + 2 * size))
    spans = np.lib.stride_tricks.sliding_window_view(padded, size)[:: config.hop][:frames]
    magnitude = np.abs(np.fft.rfft(spans * window, 2 * size)) * (2 / window.sum())  # two bins for each of the window's
    known = int(min(config.partials, 0.47 * config.sample_rate / fundamental))
    places = 2 * periods * (1 + np.arange(known))
    around = np.arange(-round(2 * periods * BESIDE), round(2 * periods * BESIDE) + 1)
    peaks = magnitude[:, places[:, None] + around].max(2)
    partials = np.full((frames, config.partials), np.nan, np.float32)
    partials[:, :known] = 20 * np.log10(peaks + 10 ** (SILENT_DB / 20))
    return partials, _noise(magnitude[:, places - periods] ** 2, fundamental, size, config)


def _noise(between: np.ndarray, fundamental: float, size: int, config: TranslatorConfig) -> np.ndarray:
    """Power half way below each partial (frames, partials) -> dB of the curve's points (frames, noise_points)."""
    hertz = fundamental * (0.5 + np.arange(between.shape[1]))
    curve = noise_curve(config)[
        :, np.clip(np.round(hertz * config.n_fft / config.sample_rate).astype(int), 0, config.bins_played - 1)
    ]
    weight = curve.sum(1)
    power = (
        (between @ curve.T) / np.maximum(weight, 1e-6) * (size / config.n_fft)
    )  # a shorter window hears noise louder
    levels = (10 * np.log10(power + 10 ** (SILENT_DB / 10))).astype(np.float32)
    levels[:, weight < 0.3] = np.nan
    return levels


def steady_frames(audio: np.ndarray, config: TranslatorConfig, down_db: float) -> int:
    """Frames until a note has last been less than `down_db` below its loudest 10 ms."""
    width = config.sample_rate // 100
    level = np.sqrt(np.mean(audio[: len(audio) // width * width].reshape(-1, width).astype(float) ** 2, 1))
    if not len(level):
        return 0
    last = len(level) - int(np.argmax(level[::-1] > level.max() * 10 ** (-down_db / 20)))
    return last * width // config.hop
