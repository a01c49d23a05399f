"""Host blocks become hops: against plain lists, over any sequence of block sizes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.rebuffer import AUDIO_LIMIT, LARGEST_BLOCK, Rebuffer
from server.resample import Resampler

BLOCKS = st.lists(
    st.one_of(st.integers(1, 300), st.sampled_from([1, 63, 441, 4097, LARGEST_BLOCK])), min_size=1, max_size=25
)
RATES = st.sampled_from([(48_000, 48_000), (44_100, 16_000), (8_000, 16_000), (192_000, 48_000), (44_101, 16_000)])


def push_all(rebuffer: Rebuffer, samples: np.ndarray, blocks: list[int]) -> list[np.ndarray]:
    """Push the samples in blocks of these sizes; return the hops, each popped as soon as it can be."""
    hops, place = [], 0
    for block in blocks:
        rebuffer.push(samples[:, place : place + block])
        place += block
        while rebuffer.is_ready():
            hops.append(rebuffer.pop().copy())
    return hops


@settings(max_examples=30)
@given(blocks=BLOCKS, hop=st.sampled_from([1, 63, 128, 160, 441, 8193]), channels=st.integers(1, 2))
def test_hops_are_the_samples_in_order_each_as_soon_as_it_is_whole(blocks, hop, channels):
    rebuffer, expected, received = Rebuffer(48_000, 48_000, hop, channels), [], []
    for number, block in enumerate(blocks):
        samples = np.full((channels, block), number / 32, np.float32) + np.arange(channels, dtype=np.float32)[:, None]
        expected += samples.T.tolist()
        rebuffer.push(samples)
        while rebuffer.is_ready():
            popped = rebuffer.pop()
            assert popped.shape == (channels, hop)
            received += popped.T.tolist()
        assert len(received) == len(expected) // hop * hop
        assert rebuffer.received == len(expected)
    assert received == expected[: len(received)]


@settings(max_examples=30)
@given(blocks=BLOCKS, rates=RATES)
def test_hops_at_another_rate_do_not_depend_on_the_blocks_to_the_bit(blocks, rates):
    samples = np.random.default_rng(1).standard_normal((1, sum(blocks))).astype(np.float32)
    whole = [LARGEST_BLOCK] * (sum(blocks) // LARGEST_BLOCK) + [sum(blocks) % LARGEST_BLOCK]
    at_once = push_all(Rebuffer(*rates, 128, 1), samples, whole)
    in_blocks = push_all(Rebuffer(*rates, 128, 1), samples, blocks)
    assert len(at_once) == len(in_blocks)
    assert all(np.array_equal(a, b) for a, b in zip(at_once, in_blocks, strict=True))


@pytest.mark.parametrize("rates", [(44_100, 16_000), (8_000, 48_000), (96_000, 44_100)])
def test_hops_at_another_rate_are_the_resampler_over_the_whole_signal(rates):
    samples = np.random.default_rng(2).standard_normal((2, 9_001)).astype(np.float32)
    hops = np.concatenate(push_all(Rebuffer(*rates, 160, 2), samples, [441] * 20 + [181]), axis=1)
    resampler = Resampler(*rates)
    padded = np.concatenate([np.zeros((2, resampler.reach), np.float32), samples], axis=1)
    whole = resampler.compute(padded, -resampler.reach, 0, hops.shape[1])
    np.testing.assert_allclose(hops, whole, atol=1e-6)  # measured 0: the same sums in the same order


@settings(max_examples=30)
@given(blocks=BLOCKS, rates=RATES)
def test_needed_is_exactly_the_sample_that_completes_a_hop(blocks, rates):
    rebuffer, hops = Rebuffer(*rates, 64, 1), 0
    needs = Resampler(*rates).last_input if rates[0] != rates[1] else int
    for block in blocks:
        rebuffer.push(np.zeros((1, block), np.float32))
        while rebuffer.is_ready():
            rebuffer.pop()
            hops += 1
        assert not hops or needs(64 * hops - 1) < rebuffer.received
        assert rebuffer.received <= needs(64 * (hops + 1) - 1)
        assert rebuffer.needed == needs(64 * (hops + 1) - 1)


def test_a_single_channel_fills_all_channels():
    rebuffer = Rebuffer(48_000, 48_000, 4, 2)
    rebuffer.push(np.arange(4, dtype=np.float32)[None])
    assert rebuffer.pop().tolist() == [[0, 1, 2, 3], [0, 1, 2, 3]]


def test_nan_becomes_silence_and_infinity_full_scale_and_accidents_are_limited():
    rebuffer = Rebuffer(48_000, 48_000, 6, 1)
    rebuffer.push(np.array([[np.nan, np.inf, -np.inf, 1e30, -1e30, 0.5]], np.float32))
    assert rebuffer.pop().tolist() == [[0, 1, -1, AUDIO_LIMIT, -AUDIO_LIMIT, 0.5]]


def test_the_callers_block_is_not_changed():
    block = np.array([[np.nan, np.inf, 3.0]], np.float32)
    Rebuffer(48_000, 48_000, 4, 1).push(block)
    assert np.isnan(block[0, 0])
    assert block[0, 1:].tolist() == [np.inf, 3.0]


@pytest.mark.parametrize("rate", [48_000, 44_100])
def test_reset_equals_a_new_rebuffer(rate):
    samples = np.random.default_rng(3).standard_normal((1, 3_000)).astype(np.float32)
    used = Rebuffer(rate, 48_000, 128, 1)
    push_all(used, samples[:, ::-1], [999, 441])
    used.reset()
    again, fresh = (push_all(r, samples, [441] * 6) for r in (used, Rebuffer(rate, 48_000, 128, 1)))
    assert np.array_equal(np.concatenate(again), np.concatenate(fresh))
    assert used.received == 6 * 441
