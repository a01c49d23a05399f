"""The yardstick, and how the streaming methods stand beside it on a bowed sound."""

import numpy as np
import pytest

from models.phase.frames import Frames
from models.phase.griffin_lim import griffin_lim, spectral_convergence_db
from models.phase.peaks import PeakGradient
from models.phase.rtisi import RtisiLa
from models.phase.stream import PhaseStream, run

SAMPLE_RATE = 16_000
FRAMES = Frames(1024, 128)


@pytest.fixture(scope="module")
def magnitudes() -> np.ndarray:
    """Return the spectrogram of three notes with vibrato, a bow's noise and silence around them."""
    rng, parts = np.random.default_rng(0), [np.zeros(FRAMES.n_fft)]
    for fundamental, seconds in ((294.0, 0.4), (440.0, 0.3), (587.0, 0.5)):
        time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
        cycles = np.cumsum(fundamental * 2 ** (0.012 * np.sin(2 * np.pi * 6 * time))) / SAMPLE_RATE
        sound = sum(np.cos(2 * np.pi * (h * cycles + rng.random())) / h for h in range(1, 13))
        sound += 0.03 * rng.standard_normal(len(time))
        parts.append(sound * np.clip(time / 0.03, 0, 1) * np.clip((seconds - time) / 0.05, 0, 1))
    parts.append(np.zeros(2 * FRAMES.n_fft))
    return np.abs(FRAMES.analyse(np.concatenate(parts)))


def streamed_db(stream: PhaseStream, magnitudes: np.ndarray) -> float:
    """Return the spectral convergence of a stream, over the frames whose samples it gave."""
    kept = len(magnitudes) - FRAMES.overlap - stream.latency // FRAMES.hop
    return spectral_convergence_db(run(stream, magnitudes)[stream.latency :], magnitudes[:kept], FRAMES)


def test_more_iterations_and_momentum_come_nearer(magnitudes):
    figures = [
        spectral_convergence_db(griffin_lim(magnitudes, FRAMES, iterations, momentum), magnitudes, FRAMES)
        for iterations, momentum in ((0, 0.0), (10, 0.0), (60, 0.0), (60, 0.99))
    ]
    assert figures == sorted(figures, reverse=True)
    assert figures[-1] < figures[0] - 10


def test_seeds_repeat(magnitudes):
    one, again, other = (griffin_lim(magnitudes[:40], FRAMES, 3, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert np.any(one != other)


def test_streams_stand_where_they_should(magnitudes):
    plain = spectral_convergence_db(griffin_lim(magnitudes, FRAMES, 100, 0.0), magnitudes, FRAMES)
    one_pass = streamed_db(PeakGradient(FRAMES), magnitudes)
    first_guess = streamed_db(RtisiLa(FRAMES, 0, 0), magnitudes)
    no_look_ahead, default = (streamed_db(RtisiLa(FRAMES, hops), magnitudes) for hops in (0, 2))
    assert one_pass < -15
    assert default < no_look_ahead < first_guess
    assert no_look_ahead < plain + 1
    assert default < plain - 3


def test_nothing_in_is_nothing_out():
    assert griffin_lim(np.zeros((0, FRAMES.bins)), FRAMES, 2).shape == (0,)
    assert not np.any(griffin_lim(np.zeros((5, FRAMES.bins)), FRAMES, 2))
    assert np.all(np.isfinite(griffin_lim(np.full((5, FRAMES.bins), np.nan), FRAMES, 2)))


def test_convergence_is_relative_and_in_decibels():
    sound = np.random.default_rng(0).standard_normal(4096)
    magnitudes = np.abs(FRAMES.analyse(sound))
    assert spectral_convergence_db(sound, magnitudes, FRAMES) < -200
    assert spectral_convergence_db(1.1 * sound, magnitudes, FRAMES) == pytest.approx(-20, abs=1e-6)
    assert spectral_convergence_db(np.zeros(0), magnitudes, FRAMES) == pytest.approx(0)
