"""Samples -> a picture of their mel spectrogram, -1 (black) to 1 (white), and the picture back to power.

Frame k is centred on sample k * hop. The bands are triangles on the HTK scale without norm, 0 Hz to half the rate, which are the
defaults of the library that the paper used; it prints the formula without its "/ 700". Called by `data`, `inversion` and
`synthesis`.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

from models.drummer.published.config import PublishedConfig

LEAST_POWER = 1e-10


def picture(audio: np.ndarray, config: PublishedConfig) -> np.ndarray:
    """Return (bands, 1 + samples // hop) float32, -1 to 1, of (samples,) float32 audio at the config's rate."""
    decibels = 10 * np.log10(np.maximum(mel_power(audio, config), LEAST_POWER))
    grey = np.clip(2 * (decibels - config.floor_db) / (config.top_db - config.floor_db) - 1, -1, 1)
    return from_codes(to_codes(grey)) if config.eight_bit else grey.astype(np.float32)


def power(grey: np.ndarray, config: PublishedConfig) -> np.ndarray:
    """Return the power that a picture stands for; black is silence."""
    decibels = config.floor_db + (np.clip(grey, -1, 1) + 1) / 2 * (config.top_db - config.floor_db)
    return np.where(grey > -1, 10 ** (decibels / 10), 0).astype(np.float32)


def to_codes(grey: np.ndarray) -> np.ndarray:
    """Return the nearest of 256 levels, uint8."""
    return np.round((grey + 1) * 127.5).astype(np.uint8)


def from_codes(codes: np.ndarray) -> np.ndarray:
    return (codes / 127.5 - 1).astype(np.float32)


def mel_power(audio: np.ndarray, config: PublishedConfig) -> np.ndarray:
    """Return (bands, frames) float32: |STFT|^2 (Hann window, centred, ends mirrored) summed by the bands' weights."""
    reach = config.n_fft // 2
    padded = np.pad(audio.astype(np.float32), reach, mode="reflect" if len(audio) > reach else "constant")
    window = torch.hann_window(config.n_fft)
    spectrum = torch.stft(
        torch.from_numpy(padded), config.n_fft, config.hop, window=window, center=False, return_complex=True
    )
    return np.asarray(bank(config) @ spectrum.abs().square().numpy())


@lru_cache(maxsize=8)
def bank(config: PublishedConfig) -> np.ndarray:
    """Return the bands' weights (bands, bins) float32."""
    import librosa

    return np.asarray(librosa.filters.mel(
        sr=config.sample_rate, n_fft=config.n_fft, n_mels=config.bands, htk=True, norm=None, dtype=np.float32
    ))  # fmt: skip
