"""The spectrum against NumPy's, and streamed against whole."""

import numpy as np
import pytest
import torch

from models.layers.spectrum import CausalSpectrum, asymmetric_window

SIZES = [(64, 16, 16), (512, 63, 100), (1024, 128, 256), (2048, 256, 512), (4096, 128, 1024)]  # size, hop, fall


def noise(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, count).astype(np.float32)


def stepped(spectrum: CausalSpectrum, window: np.ndarray) -> np.ndarray:
    """Return (size // 2,) magnitudes of one window, lowest bin first."""
    return spectrum.step(torch.from_numpy(window[None]))[0].sqrt().numpy()[spectrum.places]


@pytest.mark.parametrize(("size", "hop", "fall"), SIZES)
def test_a_steps_squares_in_the_order_of_places_are_numpys_magnitudes(size, hop, fall):
    audio, window = noise(size), asymmetric_window(size, fall).astype(float)
    expected = np.abs(np.fft.rfft(audio * window * 2 / window.sum()))[: size // 2]
    spectrum = CausalSpectrum(size, fall)
    assert sorted(spectrum.places) == list(range(size // 2)), "every bin has a place of its own"
    assert np.abs(stepped(spectrum, audio) - expected).max() < 2e-7  # measured 2.3e-8


@pytest.mark.parametrize(("size", "hop", "fall"), SIZES)
def test_windows_end_at_their_hop_whether_stepped_or_whole(size, hop, fall):
    spectrum, audio = CausalSpectrum(size, fall), noise(12 * hop, seed=1)
    padded = np.concatenate([np.zeros(size - hop, np.float32), audio])
    steps = np.stack([stepped(spectrum, padded[hop * k : hop * k + size]) for k in range(12)])
    whole = spectrum(torch.from_numpy(audio[None]), hop)
    assert whole.shape == (1, 12, size // 2)
    assert np.abs(whole[0].numpy() - steps).max() < 5e-7  # measured 6e-8


def test_a_full_scale_sine_has_magnitude_one():
    magnitude = stepped(CausalSpectrum(2048, 512), np.sin(2 * np.pi * 100 / 2048 * np.arange(2048)).astype(np.float32))
    assert magnitude.argmax() == 100
    assert magnitude[100] == pytest.approx(1, abs=1e-5)


def test_the_window_rises_long_and_falls_short():
    window = asymmetric_window(1024, 256)
    assert window.shape == (1024,)
    assert window.dtype == np.float32
    assert (np.diff(window[:768]) > 0).all()
    assert (np.diff(window[768:]) < 0).all()
    assert window.min() >= 0
    assert window.max() <= 1
