"""What a window hears of what sounds now."""

import numpy as np
import pytest
import torch

from models.performer.config import PerformerConfig
from models.performer.loudness import as_range, range_of
from models.performer.measures import heard_power, recorded_power

CONFIG = PerformerConfig()
NOTHING = torch.zeros(1, 40, CONFIG.bins)


def test_what_does_not_move_is_heard_as_it_is():
    steady = torch.full_like(NOTHING, 0.25)
    assert torch.allclose(heard_power(steady, NOTHING, CONFIG), steady, rtol=1e-4)
    assert torch.allclose(heard_power(NOTHING, steady, CONFIG), steady, rtol=1e-4)


def test_a_partial_that_begins_is_heard_as_a_window_hears_it():
    """Frames of a sinusoid that begins in the middle of frame 20, beside what is said of it: 1 from there on."""
    bin_, onset = 64, 20 * CONFIG.hop + CONFIG.n_fft // 2
    time = np.arange(39 * CONFIG.hop + CONFIG.n_fft)
    audio = np.where(time >= onset, np.cos(2 * np.pi * bin_ / CONFIG.n_fft * time), 0).astype(np.float32)
    said = NOTHING.clone()
    said[0, 20, bin_], said[0, 21:, bin_] = 0.25, 1.0
    heard = heard_power(said, NOTHING, CONFIG)[0, :, bin_]
    recorded = recorded_power(torch.from_numpy(audio)[None], CONFIG)[0, :, bin_]
    clear = recorded > 1e-3
    assert clear.sum() > 18
    assert (10 * torch.log10(heard[clear] / recorded[clear])).abs().max() < 1.0


def test_ranges_are_decibels_of_a_hundred_velocities():
    velocity = np.array([20.0, 70.0, 120.0])
    assert range_of(0.24 * velocity - 50, velocity) == pytest.approx(24)
    assert range_of(-velocity, velocity) == 0
    assert range_of(np.zeros(3), np.full(3, 64.0)) == 20
    assert as_range(70, 35.0) == 70
    assert as_range(120, 30.0) == 145
