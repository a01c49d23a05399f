"""The clock of a spectrogram: analysis and overlap-add are each other's inverse at every size."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.phase.frames import Frames, OverlapAdd, hann

SIZES = st.tuples(st.integers(3, 8), st.integers(0, 3)).map(
    lambda sizes: Frames(n_fft=4 * 2 ** sizes[0], hop=max(1, 2 * 2 ** sizes[0] // 2 ** sizes[1]))
)


@settings(max_examples=40, deadline=None)
@given(SIZES, st.integers(1, 9), st.integers(0, 999))
def test_a_signal_comes_back_from_its_spectra(frames, extra, seed):
    signal = np.random.default_rng(seed).standard_normal(frames.length(frames.overlap + extra))
    spectra = frames.analyse(signal)
    assert spectra.shape == (frames.overlap + extra, frames.bins)
    covered = slice(frames.n_fft // 2, -frames.n_fft // 2)
    np.testing.assert_allclose(frames.synthesise(spectra)[covered], signal[covered], atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(SIZES, st.integers(1, 9), st.integers(1, 9), st.integers(0, 999))
def test_a_stream_of_spectra_comes_back_at_every_reach(frames, extra, hops, seed):
    reach = frames.hop * (1 + hops % (frames.overlap // 2))
    signal = np.random.default_rng(seed).standard_normal(frames.length(frames.overlap + extra))
    overlap_add = OverlapAdd(frames, reach)
    parts = np.fft.irfft(frames.analyse(signal), frames.n_fft)
    streamed = np.concatenate([overlap_add.add(part) for part in parts])
    expected = signal[overlap_add.first :][: len(streamed)]
    faded = frames.n_fft // 2
    np.testing.assert_allclose(streamed[faded:], expected[faded:], atol=1e-5)
    overlap_add.reset()
    np.testing.assert_array_equal(np.concatenate([overlap_add.add(part) for part in parts]), streamed)


def test_a_steady_sound_has_its_level_from_the_second_hop_on():
    frames = Frames()
    parts = np.fft.irfft(frames.analyse(np.ones(3 * frames.n_fft)), frames.n_fft)
    overlap_add = OverlapAdd(frames)
    streamed = np.concatenate([overlap_add.add(part) for part in parts])
    np.testing.assert_allclose(streamed[2 * frames.hop :], 1, atol=1e-5)
    assert streamed.max() < 1.00001
    assert streamed[0] == 0


def test_the_window_is_symmetrical_about_the_middle_sample():
    window = hann(64)
    np.testing.assert_allclose(window[1:], window[:0:-1], atol=1e-15)
    assert (window[0], window[32]) == (0, 1)


@settings(max_examples=40, deadline=None)
@given(SIZES, st.integers(0, 5000))
def test_frames_are_counted_as_they_fit(frames, samples):
    count = frames.count(samples)
    assert frames.length(count) <= max(samples, 0)
    assert frames.length(count + 1) > samples
    assert frames.analyse(np.zeros(samples)).shape == (count, frames.bins)


@pytest.mark.parametrize(
    ("sizes", "sentence"),
    [
        ((15, 1), "n_fft is 15; allowed: even, 16 or more"),
        ((8, 2), "n_fft is 8; allowed"),
        ((2048, 300), "hop is 300; allowed with n_fft 2048: what divides 1024"),
        ((2048, 2048), "hop is 2048"),
        ((2048, 0), "hop is 0"),
    ],
)
def test_sizes_that_do_not_overlap_evenly_are_refused(sizes, sentence):
    with pytest.raises(ValueError, match=sentence):
        Frames(*sizes)


@pytest.mark.parametrize("reach", [0, 128, 300, 1280])
def test_a_reach_off_the_hops_is_refused(reach):
    with pytest.raises(ValueError, match=f"reach is {reach}; allowed: multiples of 256 up to 1024"):
        OverlapAdd(Frames(), reach)


def test_a_magnitude_is_made_safe_or_refused():
    frames = Frames(16, 4)
    bad = np.array([np.nan, -1, np.inf, -np.inf, 1, 2, 3, 4, 1e30], np.float32)
    np.testing.assert_array_equal(frames.accept(bad), [0, 0, 1e6, 0, 1, 2, 3, 4, 1e6])
    with pytest.raises(ValueError, match=r"the magnitude is of shape \(8,\); allowed: \(9,\)"):
        frames.accept(np.zeros(8))
    with pytest.raises(ValueError, match="the magnitude is missing"):
        frames.accept(None)
