"""Chosen settings decode a network that knows the notes to those notes, and a live stream lets the sure heads speak early."""

import numpy as np
import pytest

from models.events import NoteOff, NoteOn
from models.transcriber.calibration import (
    LATE_SHARE,
    LOW_LATE_SHARE,
    choose_commit,
    choose_ends,
    choose_live,
    choose_pedal,
    score_live,
)
from models.transcriber.config import LOWEST_PITCH, PITCHES, TranscriberConfig
from models.transcriber.decode import Clock, DecodeSettings, NoteTracker
from models.transcriber.simulation import Heard, pair, strikes
from models.transcriber.targets import Score
from models.transcriber.validation import Excerpt

CONFIG = TranscriberConfig()
CLOCK = Clock(CONFIG.sample_rate, CONFIG.hop, CONFIG.phases, CONFIG.look_ahead)
HOPS = 300
NOTES = np.array([
    (3_012, 9_000, 60, 90), (3_396, 8_000, 64, 40), (9_156, 14_000, 60, 100), (11_204, 19_000, 30, 60), (15_044, 21_000, 33, 80),
    (17_092, 19_500, 88, 30),
], float)  # fmt: skip
"""Known 28 and 60 samples after the look-ahead of the heads below: soon enough for a hop to be awaited and be in time."""
PEDAL = np.array([(8_000.0, 20_000.0)])
EARLY, LATE = 1, 3  # heads


@pytest.fixture(scope="module")
def heard(told) -> Heard:
    """A network that knows the notes, on two excerpts; head 0 is unsure of all and sees notes where none are."""
    moved = NOTES + np.array([512, 512, 5, 0])
    scores = [Score(notes, PEDAL, np.zeros((0, 2))) for notes in (NOTES, moved)]
    outputs = [told(score, HOPS) for score in scores]
    for one in outputs:
        one["onset"] = one["onset"] * 0.9
        one["onset"][:, 0] = 0.5
    return Heard(outputs, [Excerpt(np.zeros(HOPS * CONFIG.hop, np.float32), score) for score in scores], CONFIG)


def f1(heard: Heard, found: np.ndarray) -> float:
    return 2 * len(pair(heard.truth, found, 0.05 * CONFIG.sample_rate)) / (len(heard.truth) + len(found))


def tracked(heard: Heard, settings: DecodeSettings) -> tuple[np.ndarray, np.ndarray]:
    """Return what the product's tracker finds, by column and onset: (notes, 2) column and place, and their ends (notes,)."""
    found, ends = [], []
    for number in range(len(heard.excerpts)):
        columns = slice(number * PITCHES, (number + 1) * PITCHES)
        tracker, sounding = NoteTracker(settings, CLOCK), {}
        for hop in range(HOPS):
            rolls = {name: getattr(heard, name)[hop, :, columns] for name in ("onset", "shift", "frame", "offset")}
            outputs = {name: roll[None] for name, roll in rolls.items()} | {"velocity": rolls["frame"][None]}
            for event in tracker.step((hop + 1) * CONFIG.hop, outputs):
                column = number * PITCHES + event.pitch - LOWEST_PITCH
                if isinstance(event, NoteOn):
                    sounding[column] = event.sample
                elif isinstance(event, NoteOff):
                    found.append((column, sounding.pop(column)))
                    ends.append(event.sample)
    order = np.lexsort(np.array(found).T[::-1])
    return np.array(found)[order], np.array(ends)[order]


def test_a_commit_streams_choice_decodes_to_the_notes(heard):
    votes, found = choose_commit(heard, LATE)
    assert list(votes) == [LATE]
    assert f1(heard, found) == 1.0
    ends = choose_ends(heard, found, LATE)
    assert ends["note_f1"] == 1.0
    assert ends["frame_f1"] > 0.98
    settings = DecodeSettings({LATE: votes[LATE][0]}, {LATE: votes[LATE][1]}, LATE, ends["frame"], ends["offset"])
    notes, stops = tracked(heard, settings)
    truth = heard.truth[np.lexsort((heard.truth[:, 1], heard.truth[:, 0]))]
    assert notes == pytest.approx(truth[:, :2], abs=0.01)
    assert np.abs(stops - truth[:, 2]).max() <= CONFIG.frame


def test_strikes_are_what_the_products_tracker_finds(heard):
    votes = {0: (0.4, 2.0), EARLY: (0.8, 0.7), LATE: (0.6, 0.5)}
    found = strikes(heard, votes)
    onset, low_onset = ({head: limits[register] for head, limits in votes.items()} for register in (0, 1))
    found = found[np.lexsort((found[:, 1], found[:, 0]))]
    notes, _ = tracked(heard, DecodeSettings(onset, low_onset, LATE, 0.5))
    assert found[:, :2] == pytest.approx(notes, abs=0.01)


def test_a_live_stream_lets_the_heads_vote_that_are_sure_and_not_those_that_are_not(heard):
    votes, found = choose_live(heard, EARLY)
    assert set(votes) == {0, EARLY}
    assert f1(heard, found) == 1.0
    assert min(votes[0]) > 0.5, "head 0 hears notes everywhere"
    assert max(votes[EARLY]) <= 0.9
    for low in (False, True):
        assert score_live(heard, found, CONFIG.look_ahead_ms[EARLY], low) == pytest.approx(1.0)


def test_a_note_known_too_late_counts_in_part_live_and_more_among_the_lowest_keys(heard):
    found = strikes(heard, {LATE: (0.6, 0.5)})  # 40 ms after
    assert score_live(heard, found, CONFIG.look_ahead_ms[LATE], False) == 1.0
    assert score_live(heard, found, CONFIG.look_ahead_ms[EARLY], False) == pytest.approx(LATE_SHARE)
    assert score_live(heard, found, CONFIG.look_ahead_ms[EARLY], True) == pytest.approx(LOW_LATE_SHARE)


def test_the_pedals_threshold_is_chosen_where_it_is_right(heard):
    threshold, pedal_f1 = choose_pedal(heard, LATE)
    assert 0 < threshold < 1
    assert pedal_f1 > 0.98


def test_pairs_are_of_one_column_within_the_tolerance_and_each_row_once():
    truth = np.array([(5, 100.0, 0), (5, 200.0, 0), (7, 100.0, 0)])
    found = np.array([(7, 140.0, 0, 0), (5, 110.0, 0, 0), (5, 120.0, 0, 0), (9, 100.0, 0, 0)])
    assert pair(truth, found, 50.0) == [(0, 1), (2, 0)]
    assert pair(truth, found[:0], 50.0) == pair(truth[:0], found, 50.0) == []
