"""Notes and pedal are read from MIDI as they stand, and stay playable however they are cut, varied or made up."""

from pathlib import Path

import numpy as np
import pretty_midi
import pytest

from models.sound.exercises import EXERCISES, FAST_KEYS, exercise
from models.sound.performance import excerpt, read_performance, tidy, vary
from models.sound.take import prelude

TAKE = Path(__file__).parents[2] / "server" / "takes" / "take.mid"


@pytest.fixture
def midi_file(tmp_path: Path) -> Path:
    """A melody, an accompaniment with pedal, and a drum."""
    file = pretty_midi.PrettyMIDI(resolution=960)
    for name, notes, drum in (
        ("MELODY", [(0.5, 1.0, 72), (1.0, 1.5, 74), (1.2, 2.5, 74)], False),
        ("PIANO", [(0.5, 2.0, 48), (1.0, 3.0, 52)], False),
        ("DRUMS", [(0.0, 0.1, 36)], True),
    ):
        instrument = pretty_midi.Instrument(0, drum, name)
        instrument.notes = [pretty_midi.Note(80, pitch, start, end) for start, end, pitch in notes]
        file.instruments.append(instrument)
    changes = [(0.6, 127), (0.7, 100), (0.9, 30), (1.1, 64), (2.0, 0), (2.5, 90)]
    file.instruments[1].control_changes = [pretty_midi.ControlChange(64, value, time) for time, value in changes]
    file.write(str(tmp_path / "piece.mid"))
    return tmp_path / "piece.mid"


def test_a_midi_file_is_read_without_its_drums_and_without_overlaps(midi_file, assert_playable):
    played = read_performance(midi_file)
    assert_playable(played)
    assert played.notes[:, 2].tolist() == [48, 72, 52, 74, 74]
    assert played.notes[:, 0].tolist() == pytest.approx([0.5, 0.5, 1.0, 1.0, 1.2], abs=1e-3)
    assert played.notes[3, 1] == pytest.approx(1.2, abs=1e-3), "the key was struck again"


def test_a_pedal_is_down_from_64_and_one_left_down_comes_up_with_the_last_note(midi_file):
    spans = read_performance(midi_file).pedal
    assert spans.ravel().tolist() == pytest.approx([0.6, 0.9, 1.1, 2.0, 2.5, 3.0], abs=1e-3)


def test_tracks_are_chosen_by_name(midi_file):
    assert read_performance(midi_file, ("PIANO",)).notes[:, 2].tolist() == [48, 52]
    assert read_performance(midi_file, ("NOBODY",)).notes.shape == (0, 4)


def test_an_excerpt_holds_what_is_struck_in_it_from_time_zero(performance, assert_playable):
    whole = performance([(k, k + 1.5, 40 + k, 80) for k in range(10)], [(0.5, 2.5), (3.1, 3.9), (4.5, 9)])
    cut = excerpt(whole, 2.0, 4.0)
    assert_playable(cut)
    assert cut.notes[:, [0, 2]].tolist() == [[0, 42], [1, 43], [2, 44], [3, 45]]
    assert cut.notes[:, 1].tolist() == [1.5, 2.5, 3.5, 4.0], "what outlasts the excerpt ends with it"
    assert np.allclose(cut.pedal, [(0, 0.5), (1.1, 1.9), (2.5, 4.0)])


def test_nothing_is_struck_in_the_last_half_second_of_an_excerpt(performance):
    cut = excerpt(performance([(k / 10, k / 10 + 0.1, 60, 80) for k in range(100)]), 0, 4.0)
    assert cut.notes[:, 0].max() == pytest.approx(3.4)


@pytest.mark.parametrize("mechanical", [True, False])
def test_a_varied_piece_stays_playable(mechanical, assert_playable):
    whole = prelude()
    for seed in range(40):
        rng = np.random.default_rng(seed)
        varied = vary(whole, rng, mechanical=mechanical)
        assert_playable(varied)
        assert 0.95 * len(whole.notes) <= len(varied.notes) <= len(whole.notes)
        assert_playable(excerpt(varied, float(rng.uniform(0, 20)), 10.0))


def test_a_variation_transposes_within_its_range_and_loses_what_leaves_the_keyboard(performance):
    whole = performance([(k / 4, k / 4 + 0.2, 21 + k, 80) for k in range(88)])
    steps = set()
    for seed in range(60):
        moved = vary(whole, np.random.default_rng(seed), mechanical=False, transposition=(-3, 2))
        lowest, highest = moved.notes[:, 2].min() - 21, moved.notes[:, 2].max() - 108
        assert lowest == 0 or highest == 0
        assert len(moved.notes) == 88 - abs(int(lowest + highest))
        steps.add(int(lowest + highest))
    assert steps == {-3, -2, -1, 0, 1, 2}


def test_a_variation_keeps_the_order_and_the_proportions_of_what_was_played_by_hand():
    whole = prelude()
    varied = vary(whole, np.random.default_rng(4), mechanical=False)
    pace = varied.notes[:, 0] / whole.notes[:, 0]
    assert np.ptp(pace) < 1e-9
    assert 0.8 <= pace[0] <= 1.25


def test_the_same_generator_varies_alike():
    one, other = (vary(prelude(), np.random.default_rng(7), mechanical=True) for _ in range(2))
    assert np.array_equal(one.notes, other.notes)
    assert np.array_equal(one.pedal, other.pedal)


def test_tidying_ends_a_note_where_its_key_is_struck_again_and_drops_what_no_key_repeats():
    notes = np.array(
        [(1.0, 3.0, 60, 80), (0.5, 2.0, 60, 300), (1.02, 3.0, 60, 80), (0.7, 0.7, 20, 80), (0.7, 0.7, 64, -4)]
    )
    assert tidy(notes).tolist() == [[0.5, 1.0, 60, 127], [0.7, 0.73, 64, 8], [1.0, 3.0, 60, 80]]


def test_invented_exercises_are_playable_and_cover_the_keyboard(assert_playable):
    pitches: set[float] = set()
    for seed in range(80):
        played = exercise(np.random.default_rng(seed), 12.0)
        assert_playable(played)
        assert len(played.notes) > 3
        assert played.notes[:, 0].max() < 11.5
        assert played.notes[:, 1].max() <= 12.0
        assert played.pedal.max(initial=0) <= 12.0
        pitches |= set(played.notes[:, 2])
    assert len(pitches) == 88


def test_fast_keys_come_back_within_a_tenth_of_a_second_released_before_or_under_the_pedal(assert_playable):
    gaps, ups, pedalled = [], [], 0
    for seed in range(40):
        played = exercise(np.random.default_rng(seed), 20.0, FAST_KEYS)
        assert_playable(played)
        for pitch in np.unique(played.notes[:, 2]):
            notes = played.notes[played.notes[:, 2] == pitch]
            soon = np.diff(notes[:, 0]) < 0.1
            gaps += list(np.diff(notes[:, 0])[soon])
            ups += list((notes[1:, 0] - notes[:-1, 1])[soon])
            again = notes[1:, 0][soon, None]
            pedalled += int(((played.pedal[:, 0] < again) & (again < played.pedal[:, 1])).sum())
    assert len(gaps) > 1000
    assert min(gaps) > 0.04
    assert np.percentile(gaps, 25) < 0.065
    assert np.mean(np.array(ups) < 0.031) > 0.8
    assert 0.1 < pedalled / len(gaps) < 0.5


@pytest.mark.parametrize("play", EXERCISES, ids=lambda play: play.__name__.strip("_"))
def test_every_exercise_strikes_at_or_about_the_time_it_is_given(play):
    for seed in range(20):
        onsets = [row[0] for row in play(np.random.default_rng(seed), 5.0)]
        assert 4.95 < min(onsets) < 5.2  # hands are human: a few ms early is allowed


def test_the_bundled_take_is_the_prelude_as_it_is_written_here(assert_playable):
    written, stored = prelude(), read_performance(TAKE)
    assert_playable(stored)
    assert np.array_equal(written.notes[:, 2:], stored.notes[:, 2:])
    assert np.abs(written.notes[:, 0] - stored.notes[:, 0]).max() < 1e-3  # a tick is 0.5 ms
    assert np.abs(written.pedal - stored.pedal).max() < 1e-3
