"""What a note is made of: levels that were put in come out, whatever the pitch."""

import numpy as np
import pytest

from models.translator.analysis import analyse, steady_frames
from models.translator.config import TranslatorConfig

CONFIG = TranslatorConfig()


@pytest.mark.parametrize("pitch", [28.3, 45.0, 60.2, 84.0, 96.1])
def test_the_levels_of_partials_are_found(tone, pitch):
    partials, _ = analyse(tone(pitch, 0.6, level=0.25, partials=6, fall=5), pitch, 60, CONFIG)
    assert partials[30, :6] == pytest.approx(20 * np.log10(0.25) - 5 * np.arange(6), abs=0.4)
    assert np.nanmax(partials[30, 6:20], initial=-200) < -60
    assert partials[2:, 0].min() > 20 * np.log10(0.25) - 3, "it is there from its beginning on"


def test_what_lies_beyond_half_the_rate_is_not_known(tone):
    partials, noise = analyse(tone(100, 0.3), 100, 30, CONFIG)
    assert np.isnan(partials[:, 20:]).all()
    assert np.isnan(noise[:, 0]).all()
    assert np.isfinite(partials[:, 0]).all()


@pytest.mark.parametrize("pitch", [40, 60, 80])
def test_noise_has_the_level_that_it_has_in_the_spectrum_that_is_played(pitch):
    noise = np.random.default_rng(1).normal(0, 0.01, 64_000).astype(np.float32)
    _, levels = analyse(noise, pitch, 200, CONFIG)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(CONFIG.n_fft) / CONFIG.n_fft)
    expected = 10 * np.log10(0.01**2 * np.sum(window**2) * 4 / window.sum() ** 2)
    middle = 10 * np.log10(np.mean(10 ** (levels[4:] / 10), 0))
    assert np.nanmax(np.abs(middle - expected)) < 1.5


def test_a_note_is_over_when_it_has_fallen(tone):
    sound = tone(60, 1.0) * np.exp(-np.arange(32_000) / 3200)
    assert steady_frames(sound, CONFIG, 20) * CONFIG.hop == pytest.approx(3200 * np.log(10), abs=800)
    assert steady_frames(np.zeros(0, np.float32), CONFIG, 20) == 0
