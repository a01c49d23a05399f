"""The border's filter against soxr at its best quality, and against its own promises."""

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from server.resample import Resampler

PAIRS = [
    (44_100, 16_000), (48_000, 16_000), (8_000, 16_000), (16_000, 48_000), (48_000, 44_100), (44_100, 48_000),
    (22_050, 16_000), (192_000, 48_000), (96_000, 44_100), (44_101, 16_000),
]  # fmt: skip


def band_limited(rate: int, edge_hz: float, count: int, seed: int = 0) -> np.ndarray:
    """Return (1, count) float32: forty sines under `edge_hz`, in a window that is silent at both ends."""
    generator, time = np.random.default_rng(seed), np.arange(count) / rate
    sines = np.sin(
        2 * np.pi * generator.uniform(20, edge_hz, 40)[:, None] * time + generator.uniform(0, 7, 40)[:, None]
    )
    return (0.1 * sines.sum(0) * np.hanning(count))[None].astype(np.float32)


def resample(rates: tuple[int, int], samples: np.ndarray) -> np.ndarray:
    """Return the whole signal at the other rate, silence before and after it."""
    resampler = Resampler(*rates)
    pad = resampler.reach + 2
    padded = np.pad(samples, ((0, 0), (pad, pad)))
    return resampler.compute(padded, -pad, 0, samples.shape[1] * rates[1] // rates[0])


def snr_db(reference: np.ndarray, found: np.ndarray) -> float:
    return float(10 * np.log10(np.sum(reference**2) / np.sum((reference - found) ** 2)))


@pytest.mark.parametrize("rates", PAIRS)
def test_the_pass_band_is_what_soxr_makes_of_it(rates):
    edge = 0.5 * 0.84 * min(rates)  # where the pass band ends, by the module's own word
    samples = band_limited(rates[0], edge, rates[0] // 4)
    found = resample(rates, samples)[0]
    reference = soxr.resample(samples[0].astype(np.float64), *rates, quality="VHQ")
    count = min(found.size, reference.size)
    assert snr_db(reference[:count], found[:count]) > 75  # measured 77.9 (22.05 to 16 kHz) to 91.6 dB


@pytest.mark.parametrize("rates", [r for r in PAIRS if r[1] < r[0]])
def test_what_the_lower_rate_cannot_hold_is_gone(rates):
    time = np.arange(rates[0] // 4) / rates[0]
    for frequency in np.linspace(0.5 * rates[1] * 1.02, min(0.49 * rates[0], 1.5 * rates[1]), 5):
        tone = (np.sin(2 * np.pi * frequency * time) * np.hanning(time.size))[None].astype(np.float32)
        level_db = 20 * np.log10(np.abs(resample(rates, tone)).max())
        assert level_db < -77  # measured -79.0 at worst (48 to 44.1 kHz)


@pytest.mark.parametrize("rates", PAIRS)
def test_a_constant_keeps_its_level(rates):
    resampler = Resampler(*rates)
    constant = np.ones((1, 4 * resampler.reach + 300), np.float32)
    found = resampler.compute(constant, -2 * resampler.reach, 0, 100)
    np.testing.assert_allclose(found, 1.0, atol=1e-6)  # measured 3e-7


@given(
    rates=st.sampled_from(PAIRS), cuts=st.lists(st.integers(1, 200), min_size=1, max_size=8), extra=st.integers(0, 50)
)
def test_outputs_do_not_depend_on_how_they_are_asked_for(rates, cuts, extra):
    resampler, count = Resampler(*rates), sum(cuts)
    last = resampler.last_input(count)
    samples = np.random.default_rng(4).standard_normal((2, last + resampler.reach + 60)).astype(np.float32)
    whole, first = resampler.compute(samples, -resampler.reach, 0, count), 0
    for cut in cuts:
        begin, end = resampler.first_input(first), resampler.last_input(first + cut - 1) + 1 + extra
        window = samples[:, begin + resampler.reach : end + resampler.reach]
        piece = resampler.compute(window, begin, first, cut)
        np.testing.assert_allclose(piece, whole[:, first : first + cut], atol=1e-6)  # measured 0
        first += cut


def test_an_output_just_before_an_input_uses_no_input_that_is_not_declared():
    resampler = Resampler(44_101, 16_000)  # more phases than the bank holds
    output = 10_099  # 15999/16000 of the way to the next input: the nearest phase would be that input's own
    assert output * 44_101 % 16_000 == 15_999
    samples = np.random.default_rng(6).standard_normal((1, resampler.last_input(output) + 50)).astype(np.float32)
    exact = samples[:, : resampler.last_input(output) + 1]
    assert np.array_equal(resampler.compute(exact, 0, output, 1), resampler.compute(samples, 0, output, 1))


@settings(max_examples=20)  # a bank of 4096 phases takes 30 ms to make
@given(rates=st.tuples(st.integers(8_000, 192_000), st.integers(8_000, 192_000)), inputs=st.integers(0, 5_000))
def test_outputs_within_is_what_the_newest_input_allows(rates, inputs):
    resampler = Resampler(*rates)
    ready = resampler.outputs_within(inputs)
    assert resampler.last_input(ready) >= inputs
    assert ready == 0 or resampler.last_input(ready - 1) < inputs


@settings(max_examples=20)  # a bank of 4096 phases takes 30 ms to make
@given(rates=st.tuples(st.integers(8_000, 192_000), st.integers(8_000, 192_000)), output=st.integers(0, 10**9))
def test_an_output_needs_the_same_reach_on_both_sides(rates, output):
    resampler = Resampler(*rates)
    centre = output * rates[0] // rates[1]
    assert resampler.last_input(output) - centre == resampler.reach
    assert centre - resampler.first_input(output) == resampler.reach - 1
