"""What the end-to-end benchmark plays, how it judges, and when a rolling window knows a note. JACK is not needed here."""

import json
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from benchmarks.end_to_end_material import (
    APART,
    AUDIBLE,
    GROUPS,
    LEAST_INTERVAL,
    RATE,
    REST_STRIKES,
    SINGLE,
    Strike,
    make_material,
    make_strikes,
)
from benchmarks.end_to_end_scores import EARLY, Heard, Outcome, judge, judge_take, rows_of
from benchmarks.native.take import Take
from benchmarks.rolling_window import Window, basic_pitch_rows, known

ONE, TWO = Strike(48_000, (60,), 80, "middle"), Strike(72_001, (64, 67), 80, "2 notes")


def heard(frame: int, pitch: int) -> Heard:
    return Heard(frame, pitch, frame)


def test_strikes_take_turns_and_a_pitch_rests():
    strikes = make_strikes(60, seed=3)
    assert [strike.group for strike in strikes[:7]] == [*GROUPS, GROUPS[0]]
    assert all(b.frame - a.frame == APART for a, b in pairwise(strikes))
    for number, strike in enumerate(strikes):
        before = {pitch for other in strikes[max(0, number - REST_STRIKES) : number] for pitch in other.pitches}
        assert not before & set(strike.pitches)
        assert np.all(np.diff(strike.pitches) >= LEAST_INTERVAL)
    low, high = SINGLE["below E2"]
    assert all(low <= strike.pitches[0] <= high for strike in strikes if strike.group == "below E2")
    assert {strike.group: len(strike.pitches) for strike in strikes[3:6]} == {"2 notes": 2, "4 notes": 4, "6 notes": 6}
    assert len({strike.frame % 256 for strike in strikes}) > 50


def test_a_strike_sounds_from_its_frame_on():
    material = make_material(5.5, None)
    first = material.strikes[0].frame
    assert material.played_by == "modelled piano"
    assert not material.sound[:first].any()
    assert np.abs(material.sound[first]) > 0
    for strike in material.strikes:
        after = np.abs(material.sound[strike.frame : strike.frame + RATE // 20]).max()
        assert after > 10 * AUDIBLE
        assert after > 2 * np.abs(material.sound[strike.frame - RATE // 100 : strike.frame]).max()
    assert np.array_equal(make_material(5.5, None).sound, material.sound)


def test_each_key_is_answered_once_and_the_rest_is_wrong():
    outcome = judge([ONE, TWO], [heard(49_000, 60), heard(49_500, 60), heard(73_001, 67), heard(73_500, 76)])
    assert [answer.latency for answer in outcome.answers] == [1_000, None, 1_000]
    assert outcome.wrong == ("middle", "2 notes")
    rows = {row["case"]: row for row in rows_of("case", outcome)}
    assert (rows["case"]["notes"], rows["case"]["found"], rows["case"]["wrong"]) == (3, 2, 2)
    assert rows["case, 2 notes"]["latency_p95_samples"] == 1_000
    assert "latency_p50_ms" not in rows["case, high"]


@pytest.mark.parametrize(("moved", "found"), [(-EARLY - 1, False), (-EARLY, True), (APART - EARLY - 1, True)])
def test_a_note_answers_from_a_little_before_its_onset_until_the_next_strike(moved: int, found: bool):
    outcome = judge([ONE, TWO], [heard(ONE.frame + moved, 60)])
    assert outcome.answers[0].latency == (moved if found else None)
    assert len(outcome.wrong) == (not found)


def test_what_is_declared_is_taken_out_of_the_place_and_not_of_the_latency():
    take = Take(RATE, 64, began=1_000, midi=[(1_000 + 48_000 + 9_900, 0x90, 60, 80), (70_000, 0x80, 60, 0)])
    outcome = judge_take([ONE], take, declared=10_000)
    assert [answer.latency for answer in outcome.answers] == [9_900]
    assert outcome.wrong == ()


def test_notes_beside_lost_cycles_are_left_out():
    take = Take(RATE, 64, began=0, midi=[(49_000, 0x90, 60, 80), (73_000, 0x90, 64, 80)], jumps=[(48_640, 48_704)])
    outcome = judge_take([ONE, TWO], take, declared=0)
    assert (len(outcome.answers), outcome.disturbed) == (2, 1)
    assert outcome.wrong == ()
    assert rows_of("case", Outcome((), ()))[0] == {"case": "case", "notes": 0, "found": 0, "wrong": 0}


WINDOWS = [
    Window(1.0, 0.1, ((0.5, 60), (0.9, 72))),
    Window(1.5, 0.1, ((0.51, 60),)),
    Window(2.0, 0.1, ((0.52, 60), (1.7, 64))),
    Window(2.5, 0.1, ((0.53, 60), (1.7, 64), (0.55, 48))),  # 48 begins at the window's edge
]


def test_at_first_sight_a_note_is_known_when_its_first_window_was_computed():
    found = {note.pitch: note for note in known(WINDOWS, sights=1)}
    assert {pitch: note.left / RATE for pitch, note in found.items()} == {60: 1.1, 72: 1.1, 64: 2.1}
    assert found[60].placed == RATE // 2


def test_seen_twice_a_note_is_known_one_window_later_and_what_is_taken_back_never():
    assert [(note.pitch, note.left / RATE) for note in known(WINDOWS, sights=2)] == [(60, 1.6), (64, 2.6)]


def test_a_window_waits_for_the_one_before_it():
    slow = [Window(window.end, 0.8, window.notes) for window in WINDOWS]
    assert [note.left / RATE for note in known(slow, sights=1)] == pytest.approx([1.8, 1.8, 3.4], abs=1e-4)


def test_basic_pitch_is_asked_where_it_is_and_else_its_row_says_why_not(tmp_path: Path):
    material = make_material(5.5, None)
    assert basic_pitch_rows(material, None) == [{"case": "Basic Pitch", "missing": "no --peers-python was given"}]
    onset, pitch = material.strikes[0].frame / RATE, material.strikes[0].pitches[0]
    windows = [{"end": onset + 0.3 * turn, "compute": 0.02, "notes": [[onset + 0.004, pitch]]} for turn in (1, 2)]
    python = tmp_path / "python"
    python.write_text(
        f"#!{sys.executable}\n"
        "import json, sys\n"
        "if len(sys.argv) == 2:\n"
        "    print(json.dumps({'basic_pitch': '9'})); sys.exit()\n"
        f"print(json.dumps({{'version': '9', 'windows': json.loads({json.dumps(windows)!r})}}))\n"
    )
    python.chmod(0o755)
    rows = {row["case"]: row for row in basic_pitch_rows(material, python)}
    first, twice = rows["Basic Pitch, every 250 ms, at first sight"], rows["Basic Pitch, every 250 ms, seen twice"]
    assert (first["found"], first["wrong"], first["latency_p50_ms"]) == (1, 0, pytest.approx(320, abs=0.1))
    assert (twice["latency_p50_ms"], twice["compute_p50_ms"]) == (pytest.approx(620, abs=0.1), 20.0)
