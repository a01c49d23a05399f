"""The sampled piano strikes on the sample, damps what is released, and holds what the pedal holds."""

import re
import shutil

import numpy as np
import pytest

from models.sound.sampler import SampledPiano

RATE = 16_000


@pytest.fixture(scope="module")
def piano(recordings) -> SampledPiano:
    return SampledPiano(recordings, RATE)


@pytest.fixture(scope="module")
def play(piano, performance):
    """A function (notes, pedal, seconds=3, seed=0) -> (samples,): the same seed is the same touch."""
    return lambda notes, pedal=(), seconds=3.0, seed=0: piano.play(
        performance(notes, pedal), seconds, np.random.default_rng(seed)
    )


def level(audio: np.ndarray, start: float, end: float) -> float:
    return float(np.sqrt(np.mean(audio[round(start * RATE) : round(end * RATE)] ** 2)))


@pytest.mark.parametrize("pitch", [36, 48, 60, 72, 84, 96])
def test_a_note_begins_where_its_label_says(play, begins_at, pitch):
    for onset in (0.1, 0.5003, 1.23456):
        error = begins_at(play([(onset, 2.5, pitch, 90)]), RATE, onset) - onset
        assert -0.0005 < error < 0.006  # measured 0 at C7, 1 ms at C4, 5 at C2: half a swing, later where it is slowed


def test_nothing_sounds_before_the_first_note(play):
    assert not play([(0.5, 1.0, 60, 90)])[: round(0.5 * RATE)].any()


def test_a_recording_is_heard_at_its_own_pitch_and_moved_to_its_neighbours(play):
    for pitch in (55, 60, 65, 76):
        spectrum = np.abs(np.fft.rfft(play([(0, 2.5, pitch, 90)], seconds=2.0) * np.hanning(2 * RATE)))
        expected = 440 * 2 ** ((pitch - 69) / 12)
        assert np.argmax(spectrum) / 2 == pytest.approx(expected, rel=0.004)


def test_a_released_note_is_damped_and_a_held_one_rings(play):
    short, held = play([(0.2, 0.8, 60, 90)]), play([(0.2, 2.5, 60, 90)])
    released = round(0.8 * RATE)
    assert np.array_equal(short[:released], held[:released])
    assert level(short, 1.2, 1.3) < 0.1 * level(held, 1.2, 1.3)  # the slowest damper falls 8.7 dB in 0.14 s
    assert not short[round((0.8 + 8 * 0.14) * RATE) :].any()


def test_a_pedal_holds_what_is_released_until_it_comes_up(play):
    pedalled, held = play([(0.2, 0.8, 60, 90)], [(0.5, 1.6)]), play([(0.2, 1.6, 60, 90)])
    assert np.array_equal(pedalled, held)
    late = play([(0.2, 0.8, 60, 90)], [(0.9, 1.6)])
    assert np.array_equal(late, play([(0.2, 0.8, 60, 90)])), "a pedal that comes after the release holds nothing"


def test_a_key_that_is_struck_again_ends_its_earlier_note_pedal_or_not(play):
    again = [(0.2, 0.6, 60, 90), (1.0, 2.0, 60, 1)]
    alone = play(again[:1], [(0.1, 2.9)])
    assert level(play(again, [(0.1, 2.9)]), 1.6, 1.9) < 0.1 * level(alone, 1.6, 1.9)


def test_the_highest_strings_have_no_dampers(play):
    for pitch, rings in ((89, False), (90, True)):
        short, held = play([(0.1, 0.2, pitch, 90)]), play([(0.1, 2.5, pitch, 90)])
        assert np.array_equal(short, held) == rings


def test_a_louder_touch_is_louder(play):
    levels = [level(play([(0, 1, 60, velocity)], seed=3), 0, 0.3) for velocity in (20, 50, 80, 127)]
    assert levels == sorted(levels)
    assert levels[-1] > 5 * levels[0]


def test_a_seed_is_a_touch(play):
    notes = [(0.1, 0.5, 60, 90), (0.4, 1.0, 67, 50)]
    assert np.array_equal(play(notes, seed=1), play(notes, seed=1))
    assert not np.array_equal(play(notes, seed=1), play(notes, seed=2))


def test_what_rings_on_is_cut_at_the_end(play):
    audio = play([(0.9, 5.0, 60, 90), (0.99999, 5.0, 64, 90)], seconds=1.0)
    assert audio.shape == (RATE,)
    assert audio.dtype == np.float32


def test_files_that_are_no_notes_are_passed_over(piano):
    assert piano.layers == (8, 16)


def test_a_folder_without_recordings_is_refused_with_a_sentence(tmp_path, recordings):
    shutil.copy(recordings / "harmonicsA0.ogg", tmp_path)
    with pytest.raises(FileNotFoundError, match=rf"{re.escape(str(tmp_path))} holds no recorded notes"):
        SampledPiano(tmp_path, RATE)
