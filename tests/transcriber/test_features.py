"""What the network eats: a sine at the bin where the keyboard has it, the same in steps and whole, in tune or brought there."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.transcriber.config import LOWEST_PITCH, TranscriberConfig
from models.transcriber.features import TAP_GROUPS, LogFrequencySpectrum
from models.transcriber.tuning import TUNING_TAPS, tuning_taps

CONFIG = TranscriberConfig()
HOPS = 65  # two windows of the longest, and one
IN_TUNE = torch.from_numpy(tuning_taps(0.0, CONFIG.bins_per_semitone))[None]


@pytest.fixture(scope="module")
def features() -> LogFrequencySpectrum:
    return LogFrequencySpectrum(CONFIG)


def sine(pitch: float, count: int = HOPS * CONFIG.hop) -> np.ndarray:
    frequency = 440 * 2 ** ((pitch - 69) / 12)
    return np.sin(2 * np.pi * frequency * np.arange(count) / CONFIG.sample_rate).astype(np.float32)


def stepped(features: LogFrequencySpectrum, audio: torch.Tensor, tuning: torch.Tensor = IN_TUNE) -> torch.Tensor:
    """(batch, samples) -> (batch, windows, hops, bins)."""
    state, steps = features.initial_state(len(audio)), []
    for hop in audio.split(CONFIG.hop, 1):
        output, state = features.step(hop, tuning.expand(len(audio), -1), state)
        steps.append(output)
    return torch.stack(steps, 2)


@pytest.mark.parametrize("pitch", [21, 25, 29, 33, 45, 57, 69, 81, 93, 105])
def test_a_keys_sine_peaks_at_its_log_frequency_bin(features, pitch):
    longest = features(torch.from_numpy(sine(pitch)[None]), CONFIG.hop)[0, -1, -1]  # (bins,)
    below_a2 = pitch < 45  # where a bin is narrower than half a Fourier bin
    assert abs(int(longest.argmax()) - CONFIG.bins_per_semitone * (pitch - LOWEST_PITCH)) <= below_a2


def test_features_of_silence_are_zero_and_of_full_scale_stay_small(features):
    assert features(torch.zeros(1, 4096), CONFIG.hop).abs().max() < 1e-6
    assert 2 < features(torch.from_numpy(sine(69)[None]), CONFIG.hop).max() < 3


@torch.no_grad()
@pytest.mark.parametrize("windows", [CONFIG.windows, (256, *CONFIG.windows), (1024,)])
def test_stepped_features_are_the_whole_ones_and_hear_no_future(windows):
    features = LogFrequencySpectrum(replace(CONFIG, windows=windows, falls=tuple(size // 4 for size in windows)))
    noise = np.random.default_rng(3).uniform(-0.3, 0.3, (2, 20 * CONFIG.hop)).astype(np.float32)
    audio = torch.from_numpy(noise)
    assert features.initial_state(2).shape == (2, max(windows) - CONFIG.hop)
    whole = features(audio, CONFIG.hop)
    assert whole.shape == (2, len(windows), 20, CONFIG.bins)
    assert (whole - stepped(features, audio)).abs().max() < 1e-5
    assert torch.equal(whole[:, :, 1::2], features(audio, CONFIG.frame)), "a frame's features are its last hop's"
    changed = audio.clone()
    changed[:, 11 * CONFIG.hop :] = 0
    assert torch.equal(features(changed, CONFIG.hop)[:, :, :11], whole[:, :, :11])


def test_every_bin_is_gathered_once_by_a_group_wide_enough_for_it(features):
    assert [width for width, _ in features.groups] == list(TAP_GROUPS)
    assert sum(bins for _, bins in features.groups) == len(CONFIG.windows) * CONFIG.bins
    parts = features.weights.split([width * bins for width, bins in features.groups])
    for weights, (width, bins) in zip(parts, features.groups, strict=True):
        assert torch.allclose(weights.reshape(width, bins).sum(0), torch.ones(bins), atol=1e-5), "a tap was cut off"
    own = features.order.reshape(TUNING_TAPS, -1)[TUNING_TAPS // 2]
    assert sorted(own.tolist()) == list(range(len(own)))


@torch.no_grad()
@pytest.mark.parametrize("pitch", [57, 69, 81])
def test_an_instrument_tuned_30_cents_sharp_is_brought_to_the_bins_of_the_tuned_one(features, pitch):
    key = CONFIG.bins_per_semitone * (pitch - LOWEST_PITCH)
    taps = torch.from_numpy(tuning_taps(0.3, CONFIG.bins_per_semitone))[None]
    tuned, brought, sharp = (
        stepped(features, torch.from_numpy(sine(heard)[None]), tuning)[0, -1, -1, key - 1 : key + 2]
        for heard, tuning in ((pitch, IN_TUNE), (pitch + 0.3, taps), (pitch + 0.3, IN_TUNE))
    )
    assert (brought / tuned - 1).abs().max() < 0.06  # measured 0.043, and 0.12 to 0.47 untouched
    assert (sharp / tuned - 1).abs().max() > 0.1, "it was in tune already"


def test_tuning_taps_share_one_between_the_two_nearest_bins_and_reach_two():
    assert tuning_taps(0.0, 3).tolist() == [0, 0, 1, 0, 0]
    assert tuning_taps(0.3, 3) == pytest.approx([0, 0, 0.1, 0.9, 0])
    assert tuning_taps(-0.5, 3) == pytest.approx([0.5, 0.5, 0, 0, 0])
    assert tuning_taps(4.0, 3).tolist() == [0, 0, 0, 0, 1]
    assert tuning_taps(0.3, 3).dtype == np.float32
