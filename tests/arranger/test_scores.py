import numpy as np
import pytest

from models.arranger.config import CHORD, ROOTS, SLOTS
from models.arranger.scores import (
    bass_onset_f1,
    chord_tone_ratio,
    distance,
    groove_cosine,
    melody_onset_f1,
    notes_a_bar,
    notes_of_cells,
    onset_f1,
    ranges,
    top_line,
)  # fmt: skip

NONE = np.zeros((0, 3), int)


def notes(*rows: tuple[int, int, int]) -> np.ndarray:
    return np.array(rows, int).reshape(-1, 3)


def test_notes_come_out_of_cells_with_their_step_length_and_pitch() -> None:
    cells = np.full((3, SLOTS, 2), -1, np.int8)
    cells[1, 0], cells[1, 1] = (0, 4), (87, 16)
    assert notes_of_cells(cells).tolist() == [[1, 4, 21], [1, 16, 108]]
    assert notes_of_cells(np.full((3, SLOTS, 2), -1)).shape == (0, 3)


def test_an_onset_is_right_by_step_and_pitch_and_not_by_length() -> None:
    human = notes((0, 4, 60), (4, 4, 64))
    assert onset_f1(human, human) == 1
    assert onset_f1(human, notes((0, 1, 60), (4, 4, 65))) == pytest.approx(0.5)
    assert onset_f1(human, notes((1, 4, 60))) == 0
    assert onset_f1(human, NONE) == 0
    assert onset_f1(NONE, NONE) == 1


def test_a_bass_is_a_low_note_whatever_its_pitch() -> None:
    human = notes((0, 4, 40), (0, 4, 60), (8, 4, 56))
    assert bass_onset_f1(human, notes((0, 1, 55))) == 1
    assert bass_onset_f1(human, notes((0, 1, 40), (8, 1, 50))) == pytest.approx(2 / 3)


def test_the_top_line_leaves_out_what_a_longer_higher_note_covers() -> None:
    played = notes((0, 8, 72), (0, 8, 48), (4, 2, 67), (8, 4, 67), (12, 4, 50))
    assert top_line(played).tolist() == [0, 8]
    assert melody_onset_f1(np.array([0, 8]), played) == 1
    assert melody_onset_f1(np.array([0, 4]), played) == pytest.approx(0.5)
    assert melody_onset_f1(np.array([], int), NONE) == 1


def test_chord_tones_are_counted_where_there_is_a_chord() -> None:
    chords = np.zeros((2, CHORD))
    chords[0, [ROOTS, ROOTS + 4, ROOTS + 7]] = 1  # C on the first beat, none on the second
    assert chord_tone_ratio(notes((0, 1, 60), (2, 1, 76), (3, 1, 61), (4, 1, 61)), chords) == pytest.approx(2 / 3)
    assert np.isnan(chord_tone_ratio(notes((4, 1, 60)), chords))


def test_bars_are_compared_by_their_notes_and_their_range() -> None:
    played = notes((0, 1, 48), (15, 1, 72), (16, 1, 60))
    assert notes_a_bar(played, 3).tolist() == [2, 1, 0]
    assert ranges(played, 3).tolist() == [24, 0]
    assert distance(np.array([2, 2]), np.array([5, 5])) == 3
    assert distance(np.array([2, 4]), np.array([])) == 3


def test_a_groove_is_where_notes_begin_bar_by_bar() -> None:
    human = notes((0, 1, 60), (4, 1, 60), (16, 1, 60))
    assert groove_cosine(human, np.add(human, [0, 0, 7]), 3) == pytest.approx(1)
    assert groove_cosine(human, notes((0, 1, 60), (17, 1, 60)), 3) == pytest.approx((0.5**0.5 + 0) / 2)
    assert np.isnan(groove_cosine(NONE, human, 2))
