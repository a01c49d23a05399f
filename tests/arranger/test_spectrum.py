"""Spectra: streamed equals whole, a tone lies in its band at its level, and a frame is about the sample that is said."""

import numpy as np
import pytest

from models.arranger.config import BANDS, BANDS_A_SEMITONE, HOP, LOWEST, MEL_BANDS, PITCHES, SAMPLE_RATE
from models.arranger.spectrum import FLOOR_DB, LATENCY, Spectrum, spectra


def test_streamed_equals_whole():
    audio = np.random.default_rng(0).normal(0, 0.1, 40 * HOP + 7).astype(np.float32)
    stream = Spectrum()
    streamed = np.stack([stream.hop(audio[n * HOP : (n + 1) * HOP]) for n in range(40)])
    np.testing.assert_allclose(streamed, spectra(audio), atol=1e-4)  # measured 8e-6
    stream.reset()
    np.testing.assert_array_equal(stream.hop(audio[:HOP]), streamed[0])


@pytest.mark.parametrize("pitch", [40, 57, 69, 88, 105])
def test_a_tone_lies_in_its_band(pitch):
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    seen = spectra(np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * time).astype(np.float32))[40]
    levels = seen[: BANDS - MEL_BANDS].reshape(PITCHES, BANDS_A_SEMITONE).max(1)
    assert levels.argmax() + LOWEST == pitch
    assert abs(levels.max()) < 2  # a full-scale sine is 0 dB, less what falls between two bands


def test_a_frame_is_about_the_sample_that_is_said():
    audio = np.zeros(60 * HOP, np.float32)
    audio[30 * HOP + HOP // 2] = 1.0
    strokes = spectra(audio)[:, -MEL_BANDS:].mean(1)
    middle = (np.flatnonzero(strokes > strokes.max() - 6).mean() + 1) * HOP - LATENCY
    assert abs(middle - (30 * HOP + HOP // 2)) <= HOP


def test_silence_noughts_and_infinities_are_the_floor():
    audio = np.zeros(5 * HOP, np.float32)
    audio[[3, 400, 900]] = np.nan, np.inf, -np.inf
    assert (spectra(audio) == FLOOR_DB).all()
    assert spectra(audio[:3]).shape == (0, BANDS)
