"""The damper pedal: with the harmony, with the bar, and up through rests."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.arranger.config import CHORD, ROOTS
from models.arranger.pedal import CATCH, NO_CHORD, REST, Foot, harmony_of
from models.arranger.played import Pedal
from models.arranger.songs import parse_chord

ALL = [True] * 16


def rows(*names):
    return np.stack([parse_chord(name) for name in names])


def struck(*steps, length=16):
    return [step in steps for step in range(length)]


def test_a_change_of_harmony_lifts_it_and_it_catches_the_new_one():
    foot = Foot()
    moves = foot.play(ALL, struck(0, 8), rows("C", "C", "F", "F"))
    assert moves == [Pedal(CATCH, True), Pedal(8, False), Pedal(8 + CATCH, True)]


def test_it_is_struck_anew_with_a_bar_and_held_over_the_bar_line_where_nothing_is_struck():
    foot = Foot()
    foot.play(ALL, struck(0), rows("C", "C", "C", "C"))
    assert foot.play(ALL, struck(4), rows("C", "C", "C", "C")) == []
    assert foot.play(ALL, struck(0), rows("C", "C", "C", "C")) == [Pedal(0, False), Pedal(CATCH, True)]
    assert foot.play(ALL, struck(4), rows("A:min", "A:min", "A:min", "A:min"))[0] == Pedal(0, False)


def test_a_rest_is_heard_and_a_gap_between_notes_is_not():
    held = [True] * 4 + [False] * REST + [True] * 2 + [False] * (REST - 1) + [True] * 3
    foot = Foot()
    chords = rows("C", "C", "C", "C")
    assert foot.play(held, struck(0, 8, 13), chords) == [Pedal(CATCH, True), Pedal(4, False), Pedal(8 + CATCH, True)]
    assert foot.play([True] * 13 + [False] * 3, struck(), chords) == [Pedal(13, False)]
    assert foot.play([False] * 16, struck(), chords) == []


def test_where_no_chord_is_heard_or_none_is_wanted_it_stays_up():
    foot = Foot()
    assert foot.play(ALL, struck(0), rows("N", "N", "N", "N")) == []
    assert foot.play(ALL, struck(0), rows("C", "C", "C", "C"), wanted=False) == []
    foot.play(ALL, struck(0), rows("C", "C", "C", "C"))
    assert foot.play(ALL, struck(4), rows("C", "C", "C", "C"), wanted=False) == [Pedal(0, False)]
    foot.play(ALL, struck(0), rows("C", "C", "C", "C"))
    foot.reset()
    assert foot.play(ALL, struck(4), rows("C", "C", "C", "C")) == [Pedal(CATCH, True)]


@pytest.mark.parametrize(("name", "other"), [("C", "C:min"), ("C", "C/3"), ("C", "A:min"), ("C", "N")])
def test_chords_that_blur_are_two_harmonies(name, other):
    assert harmony_of(parse_chord(name)) != harmony_of(parse_chord(other))


def test_a_seventh_makes_no_other_harmony():
    assert harmony_of(parse_chord("C")) == harmony_of(parse_chord("C:maj7"))


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 2**32 - 1)), min_size=1, max_size=8))
def test_it_moves_up_and_down_in_turn_and_is_never_down_over_two_harmonies(bars):
    foot, begin, line, harmonies = Foot(), 0, [], []
    for beats, seed in bars:
        rng = np.random.default_rng(seed)
        chords = rng.random((beats, CHORD)) * (rng.random(CHORD) < 0.5)
        steps = 4 * beats
        held = rng.random(steps) < rng.choice([0.1, 0.5, 0.95])
        moves = foot.play(held.tolist(), (held & (rng.random(steps) < 0.5)).tolist(), chords)
        assert all(0 <= move.step < steps for move in moves)
        line += [(begin + move.step, move.down) for move in moves]
        harmonies += [harmony_of(chord) for chord in chords for _ in range(4)]
        begin += steps
    assert [down for _, down in line] == [number % 2 == 0 for number in range(len(line))]
    assert all(a[0] < b[0] for a, b in pairwise(line))
    for (down, _), (up, _) in zip(line[::2], [*line[1::2], (begin, False)], strict=False):
        under = harmonies[int(down) : int(np.ceil(up))]
        assert len(set(under)) == 1
        assert under[0][0] != NO_CHORD


def test_the_chord_with_the_likeliest_root_is_the_harmony():
    row = np.zeros(CHORD)
    row[[2, 9]] = 0.3, 0.6
    row[ROOTS + 12 + 4] = 0.4
    row[ROOTS + 0] = 0.9
    assert harmony_of(row) == (9, 4, True)
