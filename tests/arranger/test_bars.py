"""Bars out of a host's transport, and out of beats as they pass: where they lie, what they are called, what is missing."""

from __future__ import annotations

import numpy as np
import pytest

from models.arranger.bars import Bar, Course, Passed, divided
from models.arranger.finding import Finder
from models.arranger.hearing import HEARD_AFTER, Hearing, moment, told
from models.events import Transport

RATE = 16_000
BEAT = 8_000  # samples at 120 bpm


def course(beats_a_bar: float, position: float = 0.0, bar: int = 1, beat: float = 0.0, sample: float = 0.0) -> Course:
    return Course(Transport(sample, True, round(sample), 120.0, position, bar, beat, beats_a_bar), RATE)


@pytest.mark.parametrize(
    ("metre", "position", "number", "beats"),
    [
        (4.0, 9.5, 2, (8, 9, 10, 11, 12)),
        (3.0, 9.5, 3, (9, 10, 11, 12)),
        (2.0, 9.5, 2, (8, 9, 10, 11, 12)),
        (1.0, 9.5, 2, (8, 9, 10, 11, 12)),
        (3.5, 3.2, 0, (0, 1, 2, 3, 3.5)),
        (5.0, 3.5, 1, (3, 4, 5)),
        (6.0, 10.0, 3, (9, 10, 11, 12)),
        (7.0, 8.0, 2, (7, 8, 9, 10, 11)),
    ],
)
def test_a_position_lies_in_a_bar_of_at_most_four_beats(metre, position, number, beats):
    bar = course(metre).bar(position)
    assert (bar.number, bar.beats) == (number, pytest.approx(beats))


def test_bars_follow_each_other_without_a_gap_in_every_metre():
    for metre in (1.0, 2.0, 3.0, 3.5, 4.0, 5.0, 6.0, 7.0, 9.0, 11.5, 64.0):
        line, position, numbers = course(metre, -3.0), -7.0, []
        for _ in range(40):
            bar = line.bar(position)
            assert bar.beats[0] <= position + 1e-6
            numbers.append(bar.number)
            position = bar.beats[-1]
            assert 1 <= len(bar.beats) - 1 <= 4
        assert numbers == list(range(numbers[0], numbers[0] + 40))


def test_two_bars_of_two_are_one_wherever_the_transport_was_told():
    for position, bar, beat in ((0.0, 1, 0.0), (2.0, 2, 0.0), (7.0, 4, 1.0)):
        assert course(2.0, position, bar, beat).bar(5.0) == Bar(2, 1, (4, 5, 6, 7, 8))


def test_long_bars_are_divided_evenly():
    assert [divided(beats) for beats in (1, 4, 5, 6, 7, 8, 9)] == [
        (1,),
        (4,),
        (3, 2),
        (3, 3),
        (4, 3),
        (4, 4),
        (3, 3, 3),
    ]


def test_a_hosts_nonsense_is_bounded():
    line = Course(Transport(0, True, 0, 1e12, 0.0, 1, 0.0, 1e9), RATE)
    assert line.samples_a_beat == pytest.approx(RATE * 60 / 1000)
    assert len(line.bar(1.0).beats) <= 5


def test_steps_lie_evenly_between_beats_and_go_on_behind_the_bar():
    bar = Bar(4, 0, (0.0, 4.0, 12.0, 16.0, 20.0))
    assert [bar.place(step) for step in (0, 2, 6, 16, 18, 2.5)] == [0, 2, 8, 20, 22, 2.5]
    assert bar.places().tolist() == [bar.place(step) for step in range(17)]


def pass_bar(passed: Passed, first: float, number: int, places: range = range(4), beat: float = BEAT) -> None:
    for place in places:
        passed.beat(first + place * beat, 4, number, place, 4)


def test_a_bar_is_over_with_the_first_beat_of_the_next():
    passed = Passed()
    pass_bar(passed, 0, 0)
    assert not list(passed.take())
    pass_bar(passed, 4 * BEAT, 1, range(1))
    assert list(passed.take()) == [Bar(4, 0, (0, BEAT, 2 * BEAT, 3 * BEAT, 4 * BEAT))]
    assert not list(passed.take())


def test_what_is_missing_at_the_beginning_and_at_a_stop_goes_on_evenly():
    passed = Passed()
    passed.begin(10_000)
    pass_bar(passed, 0, 0, range(2, 4))
    passed.beat(4 * BEAT, 4, 1, 0, 4)
    passed.beat(5 * BEAT, 4, 1, 1, 4)
    guess = passed.open(BEAT)
    passed.end(5 * BEAT + 99, BEAT)
    first, last = passed.take()
    assert first.beats == (0, BEAT, 2 * BEAT, 3 * BEAT, 4 * BEAT)
    assert (first.since, first.until) == (10_000, np.inf)
    assert last.beats == guess.beats == tuple(BEAT * n for n in range(4, 9))
    assert last.until == 5 * BEAT + 99
    assert passed.open(BEAT) is None


def test_a_bar_that_is_cut_short_is_as_long_as_it_was():
    passed = Passed()
    pass_bar(passed, 0, 0, range(2))
    pass_bar(passed, 2 * BEAT, 1)
    assert next(iter(passed.take())).steps == 8


def test_the_ear_speaks_of_a_moment_when_it_has_heard_what_comes_after():
    assert pytest.approx(15.4) == HEARD_AFTER
    assert moment(told(np.array(12_345.0))) == pytest.approx(12_345)


def hear(hearing: Hearing, frames: int, value: float = 0.0, place: int = 32) -> None:
    heard = np.zeros((1, 5, 80), np.float32)
    heard[0, :, place] = value
    chord = np.zeros((1, 38), np.float32)
    chord[0, [9, 13 + 9, 13, 13 + 4, 25 + 9]] = 0.9
    for _ in range(frames):
        hearing.add({"heard": heard, "chord": chord, "loudness": np.full((1, 1), 0.4, np.float32)})


def test_what_is_heard_lies_on_its_sixteenth_however_long_the_stream():
    hearing = Hearing()
    hear(hearing, 12_000)
    begin = moment(hearing.frames)
    hear(hearing, 1, 0.9)
    hear(hearing, 200)
    start = begin - 5.3 * BEAT / 4
    bar = hearing.bar(Bar(4, 0, tuple(start + BEAT * n for n in range(5))))
    assert np.argwhere(bar.heard[:, 0] > 0.5).tolist() == [[5, 32]]
    assert bar.chords[:, 9] == pytest.approx(0.9)
    assert bar.decided()[:, [9, 13, 25 + 9]].tolist() == [[1, 1, 1]] * 4
    assert bar.loudness == pytest.approx(0.4)
    assert [(note.step, note.pitch) for note in bar.melody()] == [(5, 60)]


def test_what_is_not_heard_yet_is_nothing():
    hearing = Hearing()
    hear(hearing, 100, 0.9)
    end = hearing.until()
    bar = hearing.bar(Bar(4, 0, tuple(end - 2 * BEAT + BEAT * n for n in range(5))))
    assert bar.heard[:8].any(axis=(1, 2)).all()
    assert not bar.heard[9:].any()
    assert bar.chords[:, 9] == pytest.approx(0.9), "the chord that sounds is held"
    assert not bar.loudness[9:].any()


def test_beats_that_are_heard_pass_as_bars_and_are_told_as_a_transport():
    finder, passed, told_of = Finder(50.0, (4,)), Passed(), []
    for frame in range(1500):
        beat = frame % 25
        near = max(0.0, 0.9 - 0.4 * min(beat, 25 - beat))
        finder.hear(near, near if frame % 100 in (98, 99, 0, 1, 2) else 0.02)
        told_of += finder.pass_beats(passed)
    bars = list(passed.take())
    assert len(bars) >= 5
    assert {bar.steps for bar in bars[1:]} == {16}
    assert [bar.number for bar in bars] == list(range(len(bars)))
    lengths = np.diff([bar.beats[0] for bar in bars[1:]])
    assert lengths == pytest.approx(4 * BEAT, abs=320)
    assert finder.locked
    assert np.median([one.tempo_bpm for one in told_of]) == pytest.approx(120, abs=1)
    assert [one.position for one in told_of] == list(range(len(told_of)))
    assert (bars[2].beats[0] + 15.4 * 320) / 320 % 100 == pytest.approx(0, abs=1.5)
