"""A transport carried on in time, and what of it is worth telling."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.events import NoteOff, Transport, moved, time_order
from models.rhythm.transport import TransportNews, TransportWatch, advanced

RATE = 48_000
ROLLS = Transport(1000, True, 5000, 120.0, 6.5, 2, 2.5, 4.0)


def test_a_playing_transport_goes_on_through_the_bar_line():
    later = advanced(ROLLS, 1000 + 2 * RATE, RATE)  # four beats
    assert later == Transport(1000 + 2 * RATE, True, 5000 + 2 * RATE, 120.0, 10.5, 3, 2.5, 4.0)
    assert advanced(later, 1000, RATE) == ROLLS


def test_a_standing_transport_stands():
    standing = replace(ROLLS, playing=False)
    assert advanced(standing, 9_000_000, RATE) == replace(standing, sample=9_000_000)


def test_one_without_tempo_has_only_its_clock():
    later = advanced(Transport(0, True, -480), 960, RATE)
    assert (later.host_sample, later.position, later.bar, later.beat) == (480, 0, 1, 0)


@given(
    st.floats(1, 1000, allow_subnormal=False),
    st.floats(-1e6, 1e6, allow_subnormal=False),
    st.integers(-1000, 100_000),
    st.floats(0.25, 32, allow_subnormal=False),
    st.integers(0, 10**9),
)
def test_the_beat_stays_in_its_bar(tempo, position, bar, beats_a_bar, passed):
    later = advanced(Transport(0, True, 0, tempo, position, bar, 0.0, beats_a_bar), passed, RATE)
    assert 0 <= later.beat <= beats_a_bar
    whole = (later.bar - bar) * beats_a_bar + later.beat
    assert whole == pytest.approx(passed / RATE * tempo / 60, rel=1e-9, abs=1e-6)


def test_the_course_of_time_is_no_news_and_every_change_is():
    news, sample = TransportNews(RATE), 1000
    assert news.is_news(ROLLS)
    for _ in range(100):
        sample += 64
        assert not news.is_news(advanced(ROLLS, sample, RATE))
    now = advanced(ROLLS, sample, RATE)
    for change in (
        {"playing": False},
        {"host_sample": 0},
        {"tempo_bpm": 121.0},
        {"position": 0.0},
        {"beats_a_bar": 3.0},
        {"bar": 9},
    ):
        assert news.is_news(replace(now, **change)), change
        assert news.is_news(now)
        assert not news.is_news(now)
    assert not news.is_news(advanced(now, sample + RATE - 1, RATE))
    assert news.is_news(advanced(now, sample + RATE, RATE))


def test_a_watch_that_forgot_sees_nothing_break_off():
    watch = TransportWatch(RATE)
    assert not watch.broke_off(True, 0, 0)
    watch.forget()
    assert not watch.broke_off(False, 90_000, 64)


def test_a_transport_moves_to_another_clock_and_comes_before_what_sounds():
    assert moved(ROLLS, 333.5) == replace(ROLLS, sample=333.5)
    assert time_order(ROLLS) < time_order(NoteOff(1000, 60))
