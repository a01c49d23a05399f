"""The paper's scores on notes made by hand: what counts, what does not, and what its sigmoid does to the reference."""

from dataclasses import replace

import numpy as np
import pytest

from models.transcriber.published.corrections import Corrections
from models.transcriber.published.decode import Thresholds, runs
from models.transcriber.published.features import ROWS
from models.transcriber.published.metric import (
    Counts,
    released_reference,
    score_bins,
    score_notes,
    standard_counts,
    total,
)  # fmt: skip
from models.transcriber.published.validation import Heard, calibrate, measure

ALL = Corrections.all()
FRAMES = 60


def roll(*spans: tuple[int, int, int]) -> np.ndarray:
    """A roll with these (row, first, last) sounding."""
    made = np.zeros((ROWS, FRAMES), bool)
    for row, first, last in spans:
        made[row, first:last] = True
    return made


def notes(*spans: tuple[int, int, int]) -> np.ndarray:
    """Notes as the decoder gives them."""
    return np.array(spans, np.int64).reshape(-1, 3)


def test_runs_are_the_notes_of_a_roll():
    assert runs(roll((5, 0, 3), (5, 4, 9), (2, 50, 60))).tolist() == [[2, 50, 60], [5, 0, 3], [5, 4, 9]]


@pytest.mark.parametrize(
    ("found", "right"),
    [
        ((40, 10, 30), 1),
        ((40, 12, 32), 1),  # two frames late
        ((40, 13, 33), 0),
        ((40, 10, 34), 1),  # 20 % longer
        ((40, 10, 35), 0),
        ((41, 10, 30), 0),
    ],
)
def test_a_note_is_right_within_two_frames_and_a_fifth_of_its_duration(found, right):
    assert score_notes(roll((40, 10, 30)), notes(found)) == Counts(right, 1 - right, 1 - right)


def test_a_note_of_four_frames_must_be_right_to_the_frame_where_the_field_allows_50_ms():
    assert score_notes(roll((40, 10, 14)), notes((40, 10, 15))).right == 0
    seconds = [np.array([(0.232, 0.232 + frames * 0.0232, 60, 100)]) for frames in (4, 5)]
    assert standard_counts(*seconds) == {"onset": Counts(1, 0, 0), "note": Counts(1, 0, 0)}


def test_each_reference_note_is_found_once():
    assert score_notes(roll((40, 10, 30)), notes((40, 9, 29), (40, 10, 30))) == Counts(1, 1, 0)


def test_bins_and_sums():
    counts = score_bins(roll((3, 0, 10)), roll((3, 5, 12)))
    assert counts == Counts(5, 2, 5)
    assert (counts.precision, counts.recall, counts.f1) == pytest.approx((5 / 7, 5 / 10, 10 / 17))
    assert total([counts, Counts(1, 0, 0)]) == Counts(6, 2, 5)
    assert Counts().f1 == 0


def test_no_notes_are_no_error():
    none = np.zeros((0, 4))
    assert standard_counts(none, np.array([(0.0, 1.0, 60, 100)]))["note"] == Counts(0, 1, 0)
    assert score_notes(roll(), notes()) == Counts()


@pytest.mark.parametrize(("threshold", "bins"), [(0.6, 20), (0.73, 20), (0.732, 0), (0.49, ROWS * FRAMES)])
def test_through_the_sigmoid_a_high_threshold_leaves_no_reference_and_a_low_one_leaves_nothing_else(threshold, bins):
    assert released_reference(roll((40, 10, 30)), threshold).sum() == bins


@pytest.fixture
def heard() -> Heard:
    """Two crops heard without a fault; in each, a key is struck, and struck again while it sounds."""
    sounding = np.stack([roll((39, 4, 40)), roll((45, 8, 50))])
    struck = np.stack([roll((39, 4, 5), (39, 20, 21)), roll((45, 8, 9), (45, 30, 31))])
    frame = 512 / 22050
    times = (((4, 20, 60), (20, 40, 60)), ((8, 30, 66), (30, 50, 66)))
    true = tuple(np.array([((a + 0.5) * frame, (b - 0.5) * frame, p, 80) for a, b, p in crop]) for crop in times)
    return Heard(np.where(sounding, 3.0, -3.0), np.where(struck, 3.0, -3.0), sounding, true)


def test_what_is_heard_without_a_fault_scores_one(heard):
    figures = measure(heard, Thresholds(), ALL)
    assert figures["bin"]["f1"] == figures["standard_note"]["f1"] == figures["standard_onset"]["f1"] == 1
    assert figures["note"]["recall"] == 0  # the paper's reference has no notes struck again, only runs
    runs_only = measure(heard, Thresholds(), replace(ALL, onsets_used=False))
    assert runs_only["note"]["f1"] == 1
    assert runs_only["standard_onset"]["f1"] == pytest.approx(2 * 2 / 6, abs=1e-4)


def test_the_trap_reaches_the_figures_and_plain_reference_closes_it(heard):
    high = Thresholds(note=0.9)
    trapped = measure(heard, high, Corrections.as_released())
    assert trapped["note"] == trapped["bin"] == {"precision": 0, "recall": 0, "f1": 0}
    assert measure(heard, high, replace(Corrections.as_released(), plain_reference=True))["note"]["f1"] == 1


def test_the_score_compares_probabilities_even_as_released(heard):
    faint = replace(Corrections.as_released(), plain_reference=True)
    quiet = Heard(heard.note / 3 * 0.5, heard.onset, heard.sounding, heard.notes)  # logits of 0.5: 0.62
    assert measure(quiet, Thresholds(), faint)["note"]["f1"] == 1


def test_calibrated_thresholds_come_from_what_was_heard(heard):
    biased = Heard(heard.note / 3 + 1.0, heard.onset, heard.sounding, heard.notes)  # 0.88 where it sounds, else 0.5
    chosen = calibrate(biased, ALL)
    assert 0.5 <= chosen.note < 0.88
    assert measure(biased, chosen, ALL)["note"]["f1"] == 1
    assert calibrate(biased, replace(ALL, calibrated_thresholds=False)) == Thresholds()
