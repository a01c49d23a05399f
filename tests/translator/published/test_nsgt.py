"""The transform loses nothing, puts a tone where its frequency is, and its magnitudes can be drawn back into sound."""

import numpy as np
import pytest

from models.translator.published.nsgt import Nsgt, scale
from models.translator.published.synthesis import griffin_lim


@pytest.fixture(scope="module")
def transform() -> Nsgt:
    return Nsgt(44100, 22050)


def test_the_scale_is_the_papers(transform):
    frequencies = scale()
    assert len(frequencies) == transform.bands == 410
    assert frequencies[[0, -1]] == pytest.approx([30, 11000])
    steps = np.diff(np.log2(frequencies))
    assert steps == pytest.approx(1 / 48, rel=0.01)
    assert transform.coefficients / 2 == pytest.approx(313, abs=0.5)  # a second
    assert transform.frames / 2 == pytest.approx(31.3, abs=0.3)


@pytest.mark.parametrize("samples", [22050, 44100, 50000])
def test_what_goes_in_comes_back(samples):
    audio = np.random.default_rng(0).normal(0, 0.3, samples)
    transform = Nsgt(samples, 22050)
    back = transform.inverse(transform.forward(audio))
    np.testing.assert_allclose(back, audio, atol=1e-6)  # measured 1e-7


def test_a_full_scale_tone_amid_a_band_has_magnitude_one_there(transform):
    for band in (60, 200, 400):
        frequency = round(2 * transform.frequencies[band]) / 2  # whole periods
        found = np.abs(transform.forward(np.sin(2 * np.pi * frequency * np.arange(44100) / 22050)))[1:-1]
        assert found[:, 300].argmax() == band
        assert found[band, 300] == pytest.approx(1, abs=0.05)
        assert found[np.abs(np.arange(410) - band) > 2].max() < 1e-3


def test_coefficients_follow_the_signals_own_time(transform):
    audio = np.zeros(44100)
    audio[22050] = 1.0
    found = np.abs(transform.forward(audio))[-10:-1]
    assert found.argmax(1).tolist() == [transform.coefficients // 2] * 9


def test_frames_are_between_the_coefficients_that_an_image_would_be_resized_from(transform):
    ramp = np.tile(np.arange(transform.coefficients, dtype=np.complex64), (412, 1))
    both, shares = transform.at_frames(ramp, np.arange(10, 25))
    assert both.shape == (15, 2, 410)
    found = (np.abs(both) * shares[:, :, None]).sum(1)[:, 0]
    expected = (np.arange(10, 25) + 0.5) * transform.coefficients / transform.frames - 0.5
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    drawn = transform.from_frames(np.arange(63.0)[:, None])
    assert drawn.shape == (1, transform.coefficients)
    assert np.all(np.diff(drawn[0]) >= 0)


def test_magnitudes_become_a_sound_that_has_them(transform, tone):
    audio = np.pad(tone(69, seconds=2.0), (0, 0))
    both, shares = transform.at_frames(transform.forward(audio), np.arange(transform.frames))
    made = griffin_lim((np.abs(both) * shares[:, :, None]).sum(1), iterations=8)
    assert made.shape == (44100,)
    loudest = np.abs(np.fft.rfft(made[11025:33075])).argmax()
    assert loudest == pytest.approx(440, abs=2)
    assert np.abs(made).max() == pytest.approx(np.abs(audio).max(), rel=0.3)


def test_signals_that_cannot_be_transformed_are_named():
    with pytest.raises(ValueError, match="even number of samples, not 44101"):
        Nsgt(44101, 22050)
    with pytest.raises(ValueError, match="above 22000 Hz, not 16000"):
        Nsgt(44100, 16000)
