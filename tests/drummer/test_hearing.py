"""What is heard of a bass on the grid, and that training and playing hear the same."""

import numpy as np

from models.drummer.config import HEARD, LONGEST_BAR, SIXTEENTHS
from models.drummer.hearing import BassLine, BassNote, bass_grid, heard_for
from models.drummer.mishearing import misheard
from models.drummer.training import hear

NOTES = np.array([[0, 1, 28, 100], [1.02, 0.5, 28, 64], [1.75, 0.25, 40, 127], [3.0, 2.0, 33, 80], [5.5, 0.4, 35, 90]])


def test_notes_lie_on_their_sixteenths():
    grid = bass_grid(NOTES, 6)
    assert grid.shape == (6, SIXTEENTHS, len(HEARD))
    began = np.argwhere(grid[..., 0] > 0).tolist()
    assert began == [[0, 0], [1, 0], [1, 3], [3, 0], [5, 2]]
    assert grid[1, 0, 2] == np.float32(0.02 * SIXTEENTHS)  # late by two hundredths of a beat
    assert grid[1, 0, 3] == 1  # the pitch again
    assert grid[1, 3, 4] == 1  # an octave up
    assert grid[3:5, :, 1].all()  # two beats long


def test_of_two_notes_on_a_sixteenth_the_louder_strength_stays():
    line = BassLine()
    line.hear(BassNote(2.0, 0.1, 40, 0.9))
    line.hear(BassNote(2.05, 0.1, 45, 0.4))
    assert line.beat(2)[0, 0] == np.float32(0.9)


def test_a_line_forgets_what_is_no_longer_asked_for():
    line = BassLine()
    for beat in range(8):
        line.hear(BassNote(beat, 0.5, 40, 0.5))
    line.forget_before(5)
    assert not line.beat(4).any()
    assert line.beat(5).any()


def test_playing_hears_what_training_heard():
    for bar, known, first in ((4, 2, 0), (3, 4, 0), (LONGEST_BAR, 0, 2)):
        grid, line = bass_grid(NOTES, 6), BassLine()
        whole = hear(grid, bar, 97.0, known, first)
        for place, length, pitch, velocity in NOTES:
            line.hear(BassNote(place, length, pitch, velocity / 127))
        for beat in range(6):
            live = heard_for(line, beat, (beat + first) % bar, bar, 97.0, known)
            for name, values in zip(whole._fields, whole, strict=True):
                np.testing.assert_array_equal(live[name][0], values[beat].numpy(), name)


def test_an_ear_that_mishears_changes_some_and_not_all():
    grid, rng = np.tile(bass_grid(NOTES, 6), (8, 1, 1)), np.random.default_rng(1)
    other = [misheard(grid, rng) for _ in range(8)]
    assert all(one.shape == grid.shape and np.isfinite(one).all() for one in other)
    kept = np.mean([((one[..., 0] > 0) == (grid[..., 0] > 0)).mean() for one in other])
    assert 0.85 < kept < 1
    assert (np.stack(other)[..., 0] <= 1).all()
