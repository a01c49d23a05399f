"""A MIDI clock is followed through jitter, changes of tempo, stops and song positions."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.rhythm.clock import FASTEST_BPM, SLOWEST_BPM, TICKS_A_BEAT, ClockFollower
from server.midi.clock import hear_clock

RATE = 48_000
TEMPI = st.floats(40, 240, allow_subnormal=False)


def period(tempo: float) -> float:
    """Return the samples of a tick."""
    return RATE * 60 / tempo / TICKS_A_BEAT


def play(
    follower: ClockFollower, tempo: float, beats: float, start: float = 0.0, jitter_ms: float = 0.0, seed: int = 0
) -> float:
    """Send the ticks of some beats, each up to `jitter_ms` early or late; return where the next one belongs."""
    generator, last = np.random.default_rng(seed), -np.inf
    for tick in range(round(beats * TICKS_A_BEAT)):
        true = start + tick * period(tempo)
        last = max(last, true + generator.uniform(-jitter_ms, jitter_ms) * RATE / 1000)
        follower.clock(last)
    return start + round(beats * TICKS_A_BEAT) * period(tempo)


@given(TEMPI, st.floats(0, 4, allow_subnormal=False), st.integers(0, 99))
def test_tempo_and_place_are_found_through_jitter(tempo, jitter_ms, seed):
    follower = ClockFollower(RATE)
    follower.start()
    end = play(follower, tempo, 8, 10_000, jitter_ms, seed)
    found = follower.at(end)
    assert found.playing
    assert found.tempo_bpm == pytest.approx(tempo, rel=0.001 + 0.002 * jitter_ms * tempo / 120)
    late_ms = 1000 * (found.position - 8) * 60 / tempo
    assert abs(late_ms) < 0.1 + 0.8 * jitter_ms
    assert (found.bar, found.beats_a_bar) == ((3, 4.0) if found.position >= 8 else (2, 4.0))


@given(TEMPI, TEMPI, st.floats(0, 3, allow_subnormal=False), st.integers(0, 99))
def test_a_change_of_tempo_is_followed_within_two_beats(before, after, jitter_ms, seed):
    follower = ClockFollower(RATE)
    follower.start()
    change = play(follower, before, 6, 0, jitter_ms, seed)
    end = play(follower, after, 2, change, jitter_ms, seed + 1)
    found = follower.at(end)
    assert found.tempo_bpm == pytest.approx(after, rel=0.03)
    assert abs(found.position - 8) * 60 / after < 0.010


@given(st.lists(st.floats(-3e4, 3e5, allow_subnormal=False), max_size=60), st.data())
def test_no_sequence_of_messages_makes_nonsense(moves, data):
    follower, now = ClockFollower(RATE), 0.0
    for move in moves:
        now += max(0.0, move)
        message = data.draw(
            st.sampled_from(
                [b"\xf8", b"\xf8", b"\xf8", b"\xfa", b"\xfb", b"\xfc", b"\xf2\x08\x01", b"\xf2", b"", b"\xfe"]
            )
        )
        hear_clock(follower, now, message)
        found = follower.at(now)
        assert found.tempo_bpm == 0 or SLOWEST_BPM - 1e-6 <= found.tempo_bpm <= FASTEST_BPM + 1e-6
        assert found.position >= 0
        assert found.bar >= 1
        assert 0 <= found.beat < 4


def test_place_never_runs_backwards_while_it_plays():
    follower, places = ClockFollower(RATE), []
    follower.start()
    for tick in range(200):
        follower.clock(tick * period(120))
        places += [follower.at((tick + part / 4) * period(120)).position for part in range(4)]
    assert all(b >= a - 1e-9 for a, b in pairwise(places))


def test_start_counts_from_the_next_tick_and_continue_from_where_it_stood():
    follower = ClockFollower(RATE)
    now = play(follower, 120, 1)
    assert not follower.at(now).playing
    assert follower.at(now).tempo_bpm == pytest.approx(120)
    follower.start()
    assert not follower.at(now).playing
    now = play(follower, 120, 2, now)
    assert follower.at(now).position == pytest.approx(2)
    follower.stop()
    assert not follower.at(now).playing
    now = play(follower, 120, 1, now)  # a master that keeps its clock going
    assert follower.at(now).position == pytest.approx(2)
    follower.go_on()
    now = play(follower, 120, 1, now)
    assert follower.at(now).position == pytest.approx(3)
    follower.start()
    now = play(follower, 120, 1, now)
    assert follower.at(now).position == pytest.approx(1)
    assert (follower.at(now).bar, follower.at(now).beat) == (1, pytest.approx(1))


def test_song_position_is_where_it_plays_from():
    follower = ClockFollower(RATE)
    assert hear_clock(follower, 0, bytes([0xF2, 0x12, 0x01]))  # 146 sixteenths
    assert hear_clock(follower, 0, b"\xfb")
    now = play(follower, 90, 2)
    assert follower.at(now).position == pytest.approx(146 / 4 + 2)
    assert (follower.at(now).bar, follower.at(now).beat) == (10, pytest.approx(2.5))


def test_a_clock_that_ends_is_no_clock_and_may_come_back():
    follower = ClockFollower(RATE)
    follower.start()
    now = play(follower, 120, 4)
    assert follower.is_alive(now)
    later = now + 10 * RATE
    assert not follower.is_alive(later)
    assert follower.at(later).tempo_bpm == 0
    now = play(follower, 70, 2, later)
    assert follower.at(now).tempo_bpm == pytest.approx(70)
    assert not hear_clock(follower, now, b"\x90\x3c\x40")
