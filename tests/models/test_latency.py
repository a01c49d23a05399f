"""The latency formula, against numbers worked out by hand and against the stream that must keep them."""

import pytest

from models.latency import FILTER_HALF_WIDTH, Latency, declare_latency, live_delay, resampler_reach
from models.stream import StreamSpec


def spec(rate=16_000, hop=256, look_ahead=768, out=0, kind="commit", delay=0) -> StreamSpec:
    return StreamSpec(rate, hop, 1, out, look_ahead, kind, delay)


def test_at_the_models_own_rate_it_is_a_hop_less_one_and_the_look_ahead():
    assert declare_latency(spec(), 16_000) == Latency(255, 768, 0, 0)
    assert declare_latency(spec(), 16_000).total == 1023


def test_a_hop_of_one_sample_without_look_ahead_is_no_latency_at_all():
    assert declare_latency(spec(hop=1, look_ahead=0), 16_000).total == 0


def test_at_three_times_the_rate_all_parts_are_three_times_as_long_and_the_filter_is_added():
    # The filter reaches 32 crossings of the lower rate: 96 samples of 48 kHz, and one for rounding the place.
    assert declare_latency(spec(), 48_000) == Latency(765, 2304, 97, 0)


def test_audio_out_passes_a_second_filter():
    one, two = (declare_latency(spec(out=channels), 48_000).resampler for channels in (0, 2))
    assert two == 2 * one


def test_parts_of_samples_are_rounded_up():
    latency = declare_latency(spec(hop=2, look_ahead=1), 44_100)
    assert (latency.adaptation, latency.look_ahead) == (3, 3)  # 2.76 each


def test_the_bridge_is_added_as_it_is():
    for rate in (16_000, 44_100):
        assert declare_latency(spec(), rate, bridge=512).total == declare_latency(spec(), rate).total + 512


@pytest.mark.parametrize(
    ("host", "model", "reach"),
    [
        (48_000, 48_000, 0),
        (48_000, 16_000, 3 * FILTER_HALF_WIDTH),
        (8_000, 16_000, FILTER_HALF_WIDTH),
        (44_100, 16_000, 89),
    ],
)
def test_the_filter_reaches_its_crossings_of_the_lower_rate(host, model, reach):
    assert resampler_reach(host, model) == reach


def test_a_live_event_is_placed_back_by_its_usual_delay_in_host_samples():
    assert live_delay(spec(kind="live", delay=896), 16_000) == 896
    assert live_delay(spec(kind="live", delay=896), 48_000) == 2688 + 96


def test_an_event_may_lie_as_far_back_as_hop_and_look_ahead():
    assert spec().earliest == 1023
