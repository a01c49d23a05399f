"""Samples to constant-Q magnitudes, one row a semitone, 88 rows; and the level at which the network sees them.

The transform is librosa's and looks 0.26 s (C1) or 0.31 s (A0) to either side. Called by `material` and `transcription`.
"""

from __future__ import annotations

import numpy as np

from models.transcriber.published.corrections import Corrections

SAMPLE_RATE = 22050  # Hz
HOP = 512  # samples, 23 ms
ROWS = 88
CROP_SECONDS = 2.0
CROP_SAMPLES = int(CROP_SECONDS * SAMPLE_RATE)
CROP_FRAMES = 1 + CROP_SAMPLES // HOP  # 87: frame t is centred on sample t * HOP
LOWEST_PITCH = 21  # A0: row 0 of the labels
RELEASED_LOWEST_PITCH = 24  # C1, librosa's own first row
RANGE_DB = 60.0  # below the loudest bin; what lies deeper is noise in a recording
SILENCE = 1e-3  # magnitude: a window's loudest bin counts as no less, so that silence stays silent


def constant_q(audio: np.ndarray, corrections: Corrections) -> np.ndarray:
    """Return (ROWS, 1 + samples // HOP) float32 magnitudes of (samples,) audio at SAMPLE_RATE."""
    import librosa

    lowest = LOWEST_PITCH if corrections.aligned_rows else RELEASED_LOWEST_PITCH
    frequency = 440.0 * 2 ** ((lowest - 69) / 12)
    transform = librosa.cqt(
        audio, sr=SAMPLE_RATE, hop_length=HOP, fmin=frequency, n_bins=ROWS, bins_per_octave=12, dtype=np.complex64
    )
    return np.abs(transform).astype(np.float32)


def levels(magnitude: np.ndarray, corrections: Corrections, floor: float = SILENCE) -> np.ndarray:
    """Return (..., ROWS, frames) float32 as the network sees it: decibels as 0..1 below the window's peak, or unchanged.

    floor: least magnitude that may count as a window's peak.
    """
    if not corrections.log_magnitude:
        return magnitude.astype(np.float32)
    values = magnitude.astype(np.float32)
    peak = np.maximum(values.max(axis=(-2, -1), keepdims=True), floor)
    decibels = 20 * np.log10(np.maximum(values / peak, 1e-10))
    return np.clip(1 + decibels / RANGE_DB, 0, 1).astype(np.float32)
