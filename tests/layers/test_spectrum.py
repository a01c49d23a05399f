"""The spectrum against NumPy's, whole and for the newest samples alone."""

import numpy as np
import pytest
import torch

from models.layers.spectrum import CausalSpectrum, JointSpectra, asymmetric_window

SIZES = [(64, 16, 16), (512, 63, 100), (1024, 128, 256), (2048, 256, 512), (4096, 128, 1024)]  # size, hop, fall
TOGETHER = [(4096, 512), (64, 16), (256, 32), (256, 128), (1024, 256)]  # size, fall; in no order


def noise(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, count).astype(np.float32)


def magnitudes(window: np.ndarray, fall: int) -> np.ndarray:
    """Return (size // 2,), NumPy's."""
    shape = asymmetric_window(len(window), fall).astype(float)
    return np.abs(np.fft.rfft(window * shape * 2 / shape.sum()))[: len(window) // 2]


@pytest.mark.parametrize(("size", "hop", "fall"), SIZES)
def test_windows_end_at_their_hop_and_are_numpys(size, hop, fall):
    audio = noise(12 * hop, seed=1)
    padded = np.concatenate([np.zeros(size - hop, np.float32), audio])
    expected = np.stack([magnitudes(padded[hop * k : hop * k + size], fall) for k in range(12)])
    whole = CausalSpectrum(size, fall)(torch.from_numpy(audio[None]), hop)
    assert whole.shape == (1, 12, size // 2)
    assert np.abs(whole[0].numpy() - expected).max() < 2e-7  # measured 6e-8


@pytest.mark.parametrize("sizes", [TOGETHER, [(4096, 1024)], [(64, 16)], [(256, 32), (512, 64), (1024, 256)]])
def test_joint_spectra_of_the_newest_samples_are_each_windows_own(sizes):
    joint = JointSpectra([CausalSpectrum(size, fall) for size, fall in sizes])
    longest = max(size for size, _ in sizes)
    heard = np.stack([noise(longest, seed) for seed in (2, 3)])
    found = joint(torch.from_numpy(heard))
    assert found.shape == (2, joint.size)
    for (size, fall), places in zip(sizes, joint.places, strict=True):
        assert len(set(places)) == size // 2, "every bin has a place of its own"
        for stream in range(2):
            expected = magnitudes(heard[stream, -size:], fall)
            assert np.abs(found[stream].numpy()[places] - expected).max() < 2e-7  # measured 4e-8


def test_a_full_scale_sine_has_magnitude_one():
    sine = np.sin(2 * np.pi * 100 / 2048 * np.arange(2048)).astype(np.float32)
    magnitude = CausalSpectrum(2048, 512)(torch.from_numpy(sine[None]), 2048)[0, 0]
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
