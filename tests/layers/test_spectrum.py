"""The spectrum against NumPy's, streamed against whole, and a sine at the bin where the keyboard has it."""

import numpy as np
import pytest
import torch

from models.layers.spectrum import CausalSpectrum, asymmetric_window
from models.transcriber.config import LOWEST_PITCH, TranscriberConfig
from models.transcriber.features import LogFrequencySpectrum

CONFIG = TranscriberConfig()
SIZES = [(64, 16, 16), (512, 63, 100), (1024, 256, 256), (2048, 256, 512), (4096, 256, 1024)]  # size, hop, fall


def noise(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, count).astype(np.float32)


def sine(frequency: float, count: int) -> np.ndarray:
    return np.sin(2 * np.pi * frequency * np.arange(count) / CONFIG.sample_rate).astype(np.float32)


@pytest.mark.parametrize(("size", "hop", "fall"), SIZES)
def test_the_factored_transform_is_numpys(size, hop, fall):
    audio, window = noise(size), asymmetric_window(size, fall).astype(float)
    expected = np.abs(np.fft.rfft(audio * window * 2 / window.sum()))[: size // 2]
    found = CausalSpectrum(size, hop, fall).step(torch.from_numpy(audio[None]))[0].numpy()
    assert np.abs(found - expected).max() < 2e-7  # measured 2.3e-8


@pytest.mark.parametrize(("size", "hop", "fall"), SIZES)
def test_windows_end_at_their_hop_whether_stepped_or_whole(size, hop, fall):
    spectrum, audio = CausalSpectrum(size, hop, fall), torch.from_numpy(noise(12 * hop, seed=1)[None])
    padded = torch.cat([torch.zeros(1, size - hop), audio], 1)
    steps = torch.stack([spectrum.step(padded[:, hop * k : hop * k + size]) for k in range(12)], 1)
    assert spectrum(audio).shape == (1, 12, size // 2)
    assert (spectrum(audio) - steps).abs().max() < 5e-7  # measured 6e-8


def test_a_full_scale_sine_has_magnitude_one():
    spectrum = CausalSpectrum(2048, 256, 512)
    magnitude = spectrum.step(torch.from_numpy(sine(100 * CONFIG.sample_rate / 2048, 2048)[None]))[0]
    assert magnitude.argmax() == 100
    assert magnitude[100].item() == pytest.approx(1, abs=1e-5)  # measured 0


def test_the_window_rises_long_and_falls_short():
    window = asymmetric_window(1024, 256)
    assert window.shape == (1024,)
    assert window.dtype == np.float32
    assert (np.diff(window[:768]) > 0).all()
    assert (np.diff(window[768:]) < 0).all()
    assert window.min() >= 0
    assert window.max() <= 1


@pytest.mark.parametrize("pitch", [21, 25, 29, 33, 45, 57, 69, 81, 93, 105])
def test_a_keys_sine_peaks_at_its_log_frequency_bin(pitch):
    features = LogFrequencySpectrum(CONFIG)(torch.from_numpy(sine(440 * 2 ** ((pitch - 69) / 12), 8192)[None]))
    longest = features[0, -1, -1]  # (bins,)
    expected = CONFIG.bins_per_semitone * (pitch - LOWEST_PITCH)
    assert abs(int(longest.argmax()) - expected) <= (
        1 if pitch < 45 else 0
    )  # below A2 a bin is narrower than half a Fourier bin


def test_features_of_silence_are_zero_and_of_full_scale_stay_small():
    features = LogFrequencySpectrum(CONFIG)
    assert features(torch.zeros(1, 4096)).abs().max() < 1e-6
    loud = features(torch.from_numpy(sine(440, 8192)[None]))
    assert 2 < loud.max() < 3


@torch.no_grad()
def test_stepped_features_are_the_whole_ones_and_hear_no_future():
    features, hops = LogFrequencySpectrum(CONFIG), 20
    audio = torch.from_numpy(np.stack([noise(hops * CONFIG.hop, seed) * 0.3 for seed in (3, 4)]))
    state, steps = features.initial_state(2), []
    assert state.shape == (2, max(CONFIG.windows) - CONFIG.hop)
    for hop in range(hops):
        output, state = features.step(audio[:, hop * CONFIG.hop : (hop + 1) * CONFIG.hop], state)
        steps.append(output)
    whole = features(audio)
    assert whole.shape == (2, len(CONFIG.windows), hops, CONFIG.bins)
    assert (whole - torch.stack(steps, 2)).abs().max() < 1e-5  # measured 7e-7
    changed = audio.clone()
    changed[:, 11 * CONFIG.hop :] = 0
    assert torch.equal(features(changed)[:, :, :11], whole[:, :, :11])
