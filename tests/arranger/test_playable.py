"""What no two hands could play, each case by hand, and files of plain notes."""

import pytest

from models.arranger.playable import violations
from models.arranger.played import Pedal, Played, Release, joined


def chord(*pitches, onset=0.0, offset=1.0):
    return [(onset, offset, pitch) for pitch in pitches]


@pytest.mark.parametrize(
    "notes",
    [
        [],
        chord(36, 48, 60, 64, 67, 72),
        chord(30, 34, 38, 42, 46, 80, 84, 88, 92, 96),
        chord(36, offset=0.5) + chord(36, onset=0.5),
        chord(60, offset=0.08) + chord(60, onset=0.08),
        chord(21, 37) + chord(92, 108),
        chord(36, offset=0.5) + chord(60, onset=0.2) + chord(96, onset=0.5),
    ],
)
def test_what_two_hands_can_play_is_left_alone(notes):
    assert violations(notes) == []


@pytest.mark.parametrize(
    ("notes", "words"),
    [
        (chord(*range(60, 71)), "no two hands"),
        (chord(36, 60, 96), "no two hands"),
        (chord(30, 32, 34, 36, 38, 40, 96), "no two hands"),
        (chord(60, offset=0.03) + chord(60, onset=0.07), "again after 70 ms"),
        (chord(60) + chord(60, onset=0.5), "while it is held"),
        (chord(60, 60), "again after 0 ms"),
        (chord(20), "a piano has 21 to 108"),
        (chord(109), "a piano has 21 to 108"),
        ([(0, 1, pitch, "left") for pitch in (40, 42, 44, 46, 48, 50)], "left hand holds 6 keys"),
        ([(0, 1, 40, "right"), (0.5, 1, 57, "right")], "right hand spans 17 semitones"),
        ([(0, 1, 60, "left"), (0.5, 1, 55, "right")], "the hands cross"),
    ],
)
def test_what_they_cannot_is_counted_once_and_named(notes, words):
    (found,) = violations(notes)
    assert words in found


def test_notes_of_a_pianist_are_judged_by_their_steps_and_hands():
    notes = [Played(0, 4, 60, 64, "right"), Played(2, 1, 77, 64, "right")]
    assert "spans 17" in violations(notes, 0.125)[0]
    assert violations([notes[0], Played(4, 1, 60, 64, "right")], 0.125) == []
    assert "after 60 ms" in violations([Played(0, 1, 60, 64, "right"), Played(1, 1, 60, 64, "right")], 0.06)[0]


def test_a_moment_is_counted_once_however_its_chord_is_rolled_within_the_slack():
    assert len(violations([(0.0004 * n, 1, 60 + n) for n in range(11)])) == 1


def test_a_file_that_keeps_an_unplayable_chord_for_long_is_counted_at_each_key_that_is_struck_meanwhile():
    assert len(violations(chord(36, 60, 96) + chord(62, onset=0.5))) == 2


def test_bars_are_joined_with_what_was_let_go_later():
    first = (Pedal(0, True), Played(8, 16, 60, 64, "right"), Played(12, 2, 40, 64, "left"))
    second = (Played(4, 1, 60, 70, "right"), Release(4, 60))
    assert joined([(first, 16), (second, 12)]) == [
        Played(8, 12, 60, 64, "right"),
        Played(12, 2, 40, 64, "left"),
        Played(20, 1, 60, 70, "right"),
    ]
