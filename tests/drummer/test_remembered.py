"""What is kept of the bass by song position, and where the beats of a transport are."""

import numpy as np
import pytest

from models.drummer.course import Course, beats_together
from models.drummer.hearing import BassNote
from models.drummer.remembered import RememberedLine
from models.events import Transport


def test_a_beat_of_an_earlier_pass_is_known_until_it_is_heard_anew():
    line = RememberedLine()
    for number in (4, 5):
        line.enter(number)
    line.hear(BassNote(4.25, 0.2, 33, 0.7))
    line.hear(BassNote(5.5, 0.2, 33, 0.5))
    line.turn(5.5)
    assert line.knows(4)
    assert not line.knows(5), "it was broken off within"
    assert line.beat(4)[1, 0] == line.earlier(4)[1, 0] == np.float32(0.7)
    assert line.earlier(5) is None
    line.enter(4)
    assert not line.beat(4).any()
    assert line.complete(4, 1) == 4
    assert line.beat(4)[1, 0] == np.float32(0.7)
    assert line.complete(9, 2) == 2
    assert not line.beat(4).any()


@pytest.mark.parametrize("beats_a_bar", [2.0, 3.0, 3.5, 4.0, 6.0, 9.0, 11.0])
def test_beats_follow_each_other_through_bars_of_any_length(beats_a_bar):
    course = Course(Transport(100, True, 0, 120.0, -2 * beats_a_bar, -1, 0.0, beats_a_bar), 48_000)
    beat = course.beat(-2 * beats_a_bar)
    first, numbers = beat.number, []
    for _ in range(40):
        assert course.beat(beat.start) == course.beat(beat.end - 0.01) == beat
        assert 0 <= beat.place < beat.bar <= 8
        assert 0.5 <= beat.end - beat.start <= 1
        numbers.append(beat.number)
        beat = course.beat(beat.end)
    assert numbers == list(range(first, first + 40))
    assert course.sample(course.position(12_345.6)) == pytest.approx(12_345.6)
    assert course.beat(0.0).place == 0


def test_a_long_bar_is_thought_of_in_equal_parts():
    assert [beats_together(beats) for beats in (1, 4, 8, 9, 12, 15, 16)] == [1, 4, 8, 3, 6, 5, 8]
