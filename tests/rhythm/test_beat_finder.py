"""The beat found in onsets alone: soon, in phase, in bars, through mistakes and changes, and not where there is none."""

import numpy as np
import pytest

from models.rhythm.beat_finder import BeatFinder

RATE = 16_000
WALKING = np.array([0.0, 1.0, 2.0, 3.0])
RIFF = np.array([0.0, 0.75, 1.5, 2.5, 3.0])
EIGHTHS = np.arange(0, 4, 0.5)


def play(finder: BeatFinder, times: np.ndarray, until: float, strengths=None, pitches=None):
    """Feed onsets in hops; return (seconds, what it says) for every hop in which it is locked."""
    said, ahead = [], 0
    order = np.argsort(times)
    for hop in range(round(until * 125)):
        now = (hop + 1) * 128
        while ahead < len(order) and times[order[ahead]] * RATE < now:
            one = order[ahead]
            finder.hear(
                times[one] * RATE,
                0.8 if strengths is None else strengths[one],
                0.0 if pitches is None else pitches[one],
            )
            ahead += 1
        finder.think(now)
        if finder.locked:
            said.append((now / RATE, finder.transport(now)))
    return said


def bars(pattern: np.ndarray, count: int, tempo: float, offset: float = 0.4) -> np.ndarray:
    return offset + np.concatenate([4 * bar + pattern for bar in range(count)]) * 60 / tempo


@pytest.mark.parametrize("tempo", [66.0, 92.0, 120.0, 151.0])
@pytest.mark.parametrize("pattern", [WALKING, RIFF, EIGHTHS], ids=["walking", "riff", "eighths"])
def test_it_locks_within_sixteen_beats_and_is_in_phase(tempo, pattern):
    noise = np.random.default_rng(3)
    times = bars(pattern, 12, tempo)
    said = play(BeatFinder(RATE), times + noise.normal(0, 0.006, len(times)), 40 * 60 / tempo)
    assert said[0][0] < 0.4 + 16 * 60 / tempo
    octave = np.array([t.tempo_bpm / tempo for _, t in said])
    assert np.abs(np.log2(octave) - np.round(np.log2(octave))).max() < 0.03
    errors = [(t.position * tempo / t.tempo_bpm, (now - 0.4) * tempo / 60) for now, t in said]
    apart = np.array([(a - b + 0.25) % 0.5 - 0.25 for a, b in errors]) * 60 / tempo
    assert np.percentile(np.abs(apart), 95) < 0.03 or np.median(octave) != 1


def test_a_bar_begins_where_the_bass_is_loud_and_changes():
    times = bars(EIGHTHS, 12, 100.0, 0.4 - 1.2)  # the first bar began two beats before the first onset
    times, place = times[times > 0.3], (np.arange(96) % 8)[-len(times[times > 0.3]) :]
    strengths, pitches = np.where(place == 0, 1.0, 0.4), 30.0 + 2 * (np.cumsum(place == 0) % 3)
    _, told = play(BeatFinder(RATE), times, 22.0, strengths, pitches)[-1]
    said = (22.0 - 0.4 + 1.2) * 100 / 60 % 4
    assert abs((told.beat - said + 2) % 4 - 2) < 0.15


def test_a_waltz_is_counted_in_threes():
    place = np.arange(60)
    pitches = np.where(place % 3 == 0, 30.0 + place // 3 % 4, 42.0)
    strengths = np.where(place % 3 == 0, 1.0, 0.5)
    said = play(BeatFinder(RATE), 0.4 + place * 60 / 108, 33.0, strengths, pitches)
    assert abs(said[-1][1].tempo_bpm / 108 - 1) < 0.02
    assert said[-1][1].beats_a_bar == 3
    assert abs((said[-1][1].beat - (33.0 - 0.4) * 108 / 60 + 1.5) % 3 - 1.5) < 0.15


def test_missing_and_false_onsets_do_not_shake_it():
    noise = np.random.default_rng(4)
    times = bars(EIGHTHS, 16, 110.0)
    times = np.concatenate([times[noise.random(len(times)) > 0.3], noise.uniform(1, 30, 15)])
    said = play(BeatFinder(RATE), times, 30.0)
    tempi = np.array([told.tempo_bpm for now, told in said if now > 10])
    assert np.percentile(np.abs(tempi / 110 - 1), 90) < 0.03


def test_it_takes_another_tempo_where_there_is_one():
    first, later = bars(EIGHTHS, 8, 100.0), bars(EIGHTHS, 16, 134.0, 19.6)
    said = play(BeatFinder(RATE), np.concatenate([first, later]), 40.0)
    assert abs(next(t.tempo_bpm for now, t in said if now > 18) / 100 - 1) < 0.02
    assert abs(said[-1][1].tempo_bpm / 134 - 1) < 0.02


def test_it_goes_on_through_silence_and_says_nothing_before_it_knows():
    finder = BeatFinder(RATE)
    assert not play(finder, np.array([0.4, 1.1, 3.0]), 10.0)
    finder.reset()
    said = play(finder, bars(EIGHTHS, 6, 120.0), 30.0)
    assert abs((said[-1][1].position - (30 - 0.4) * 2 + 0.5) % 1 - 0.5) < 0.2
    positions = np.array([told.position for _, told in said])
    assert (np.diff(positions) > -0.1).all()


@pytest.mark.parametrize("tempo", [62.0, 70.0, 96.0])
def test_beats_of_three_parts_are_found_where_they_are_told(tempo):
    pattern = np.array([0, 2 / 3, 1, 4 / 3, 5 / 3])
    times = 0.4 + np.concatenate([2 * bar + pattern for bar in range(12)]) * 60 / tempo
    strengths = np.tile([1.0, 0.4, 0.7, 0.4, 0.4], 12)
    said = play(BeatFinder(RATE, (2,), ternary=True), times, 24 * 60 / tempo, strengths)
    assert said[0][0] < 0.4 + 16 * 60 / tempo
    now, told = said[-1]
    assert told.tempo_bpm == pytest.approx(tempo, rel=0.01)
    assert told.beats_a_bar == 2
    assert abs((told.beat - (now - 0.4) * tempo / 60 + 1) % 2 - 1) < 0.1
