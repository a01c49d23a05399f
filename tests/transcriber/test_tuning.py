"""How high an instrument is tuned, on tones made here."""

import numpy as np
import pytest

from models.transcriber.tuning import TuningFinder

RATE, HOP = 16_000, 128
SCALE = (60, 62, 64, 65, 67, 69, 71, 72)


def listened(audio: np.ndarray) -> float:
    """Return the semitones found in (n,) samples."""
    finder = TuningFinder(RATE)
    for start in range(0, len(audio) - HOP + 1, HOP):
        finder.listen(audio[start : start + HOP].astype(np.float32))
    return finder.semitones


def tones(a4: float, seconds_each: float = 0.5, vibrato: float = 0.0) -> np.ndarray:
    """A major scale of decaying tones with four partials; vibrato: semitones either way, 6 a second."""
    time = np.arange(round(seconds_each * RATE)) / RATE
    pieces = []
    for pitch in SCALE:
        frequency = a4 * 2 ** ((pitch - 69 + vibrato * np.sin(2 * np.pi * 6 * time)) / 12)
        phase = 2 * np.pi * np.cumsum(frequency) / RATE
        pieces.append(0.2 * np.exp(-3 * time) * sum(np.sin(k * phase) / k for k in range(1, 5)))
    return np.concatenate(pieces)


@pytest.mark.parametrize("a4", [446.0, 432.0, 452.0])
def test_the_tuning_of_a_scale_is_found_within_3_cents(a4):
    assert listened(tones(a4)) == pytest.approx(12 * np.log2(a4 / 440), abs=0.03)  # semitones


def test_a_tuned_instrument_is_left_alone():
    assert listened(tones(440.0)) == listened(tones(441.0)) == 0.0


def test_a_wide_vibrato_in_tune_corrects_nothing():
    assert listened(tones(440.0, vibrato=0.5)) == 0.0


@pytest.mark.parametrize("seed", range(3))
def test_noise_corrects_nothing(seed):
    assert listened(np.random.default_rng(seed).normal(0, 0.1, 5 * RATE)) == 0.0


def test_silence_and_less_than_two_seconds_correct_nothing():
    assert listened(np.zeros(5 * RATE)) == 0.0
    assert listened(tones(446.0)[: 2 * RATE - 2000]) == 0.0


def test_what_was_found_stays_while_nobody_plays():
    played = tones(446.0)
    assert listened(np.concatenate([played, np.zeros(10 * RATE)])) == pytest.approx(listened(played), abs=0.01)
