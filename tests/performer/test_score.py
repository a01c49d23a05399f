"""From notes to what is said of each voice."""

import numpy as np
import pytest

from models.performer.config import FEATURES, PerformerConfig
from models.performer.score import RING_SECONDS, Voices, describe

CONFIG = PerformerConfig()
HOP, RATE = CONFIG.hop, CONFIG.sample_rate
COLUMN = {name: index for index, name in enumerate(FEATURES)}


def test_a_note_holds_one_voice_from_its_start_until_it_has_rung_on():
    notes = np.array([[1000.0, 9000.0, 60, 80]])
    features, pitches, playing = describe(notes, 200, CONFIG, CONFIG.look_ahead[0])
    first, last = 1000 // HOP, int((9000 + RING_SECONDS * RATE) // HOP)
    sounding = np.flatnonzero((pitches > 0).any(1))
    assert (sounding[0], sounding[-1]) == (first, last)
    assert set(pitches[sounding].max(1)) == {60.0}
    assert (playing[sounding].max(1) == 0).all()
    assert (playing.sum(1)[sounding] == -(CONFIG.voices - 1)).all()
    held = features[:, :, COLUMN["held"]].max(1)
    assert held[first : 9000 // HOP].all()
    assert not held[9000 // HOP :].any()


def test_the_onset_and_the_end_lie_inside_their_hop():
    notes = np.array([[1000.0, 9100.0, 60, 80]])
    features, _, _ = describe(notes, 60, CONFIG, 0)
    new, ended = features[:, :, COLUMN["new_place"]].max(1), features[:, :, COLUMN["ended"]].max(1)
    assert new[3] == pytest.approx((4 * HOP - 1000) / HOP)
    assert np.count_nonzero(new) == 1
    assert ended[35] == pytest.approx((36 * HOP - 9100) / HOP)
    assert np.count_nonzero(ended) == 1


def test_what_comes_is_said_within_the_look_ahead_and_not_beyond():
    notes = np.array([[0.0, 20 * HOP, 60, 80], [25 * HOP, 40 * HOP, 67, 40]])
    by_hand, _, _ = describe(notes, 50, CONFIG, 0)
    ahead, _, _ = describe(notes, 50, CONFIG, 28)
    changed = notes + np.array([[0, 0, 0, 0], [5 * HOP, 5 * HOP, 0, 0]])
    later, _, _ = describe(changed, 50, CONFIG, 0)
    assert np.array_equal(by_hand[:25], later[:25]), "by hand nothing is known before it is played"
    voice = ahead[:, 0]
    assert voice[0, COLUMN["until_next"]] == pytest.approx(24 / 28)
    assert voice[0, COLUMN["next_interval"]] == pytest.approx(7 / 12)
    assert voice[0, COLUMN["remaining"]] == pytest.approx(19 / 28)
    assert by_hand[0, 0, COLUMN["remaining"]] == pytest.approx(0)


def test_the_same_key_again_ends_the_note_before_and_takes_a_voice_of_its_own():
    voices = Voices(CONFIG, 0)
    voices.start(10.0, 60, 80)
    voices.start(300.0, 60, 90)
    voices.hop(0)
    _, pitches = voices.hop(HOP)
    assert np.count_nonzero(pitches == 60) == 2
    assert [v.offset for v in voices.slots if v] == [300.0, None]


def test_more_notes_than_voices_take_those_that_ended_first():
    voices = Voices(CONFIG, 0)
    for index in range(CONFIG.voices):
        voices.start(index, 60 + index, 80)
    voices.stop(100.0, 63)
    voices.hop(0)
    voices.start(HOP + 1.0, 90, 80)
    _, pitches = voices.hop(HOP)
    assert 90 in pitches
    assert 63 not in pitches
    assert np.count_nonzero(pitches) == CONFIG.voices


def test_a_note_off_without_its_note_is_nothing():
    voices = Voices(CONFIG, 0)
    voices.stop(5.0, 60)
    features, pitches = voices.hop(0)
    assert not features.any()
    assert not pitches.any()


def test_a_slurred_note_is_told_from_one_after_a_rest():
    slurred, _, _ = describe(np.array([[0.0, 5000.0, 60, 80], [5000.0, 9000.0, 62, 80]]), 30, CONFIG, 0)
    rested, _, _ = describe(np.array([[0.0, 1000.0, 60, 80], [5000.0, 9000.0, 62, 80]]), 30, CONFIG, 0)
    assert slurred[25, 1, COLUMN["slur"]] == pytest.approx(1.0)
    assert rested[25, 1, COLUMN["slur"]] < 0.2
