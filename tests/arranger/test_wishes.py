"""Chords that are asked for in words: what they are, how long they last, and what is none."""

from __future__ import annotations

import pytest

from models.arranger.chords import KINDS, PITCH_CLASSES, Chord, names
from models.arranger.config import ROOTS
from models.arranger.wishes import Progression, chord_of, read_texture
from models.manifest import ManifestError


def named(row) -> tuple[int, set[int], int]:
    return (
        int(row[:ROOTS].argmax()),
        {int(tone) for tone in row[ROOTS : ROOTS + 12].nonzero()[0]},
        int(row[ROOTS + 12 :].argmax()),
    )


@pytest.mark.parametrize(
    ("name", "root", "tones", "bass"),
    [
        ("C", 0, {0, 4, 7}, 0),
        ("Am", 9, {9, 0, 4}, 9),
        ("F#m7", 6, {6, 9, 1, 4}, 6),
        ("Bbmaj7", 10, {10, 2, 5, 9}, 10),
        ("G/B", 7, {7, 11, 2}, 11),
        ("Cb", 11, {11, 3, 6}, 11),
        ("N", 12, set(), 12),
    ],
)
def test_a_chord_is_a_root_its_tones_and_a_bass(name, root, tones, bass):
    assert named(chord_of(name)) == (root, tones, bass)


def test_every_chord_that_is_found_can_be_asked_for():
    for root in range(12):
        for kind in KINDS:
            chord = Chord(root, kind, (root + 4) % 12)
            assert (chord_of(chord.name) == chord.row()).all()
    assert Progression(names([Chord(9, "m", 9)] * 3 + [Chord(5, "", 0)])).bar(0, 4)[3, 5] == 1
    assert len(PITCH_CLASSES) == 12


def test_a_chord_lasts_a_bar_or_so_many_beats_and_they_come_again():
    bars = Progression("Am F:2 G:2")
    roots = [[named(row)[0] for row in bars.bar(number, 4)] for number in range(3)]
    assert roots == [[9, 9, 9, 9], [5, 5, 7, 7], [9, 9, 9, 9]]
    three = Progression("Am F").bar(1, 3)
    assert [named(row)[0] for row in three[:3]] == [5, 5, 5]
    assert not three[3].any()
    assert [named(row)[0] for row in Progression("C:3 D:2").bar(-1, 4)] == [0, 0, 2, 2]


@pytest.mark.parametrize(
    "words", ["H", "Amoll", "A m", "am", "C/H", "Am:", "Am:0", "Am:17", "Am:x", "Am:2:3", "/C", "Am:²"]
)
def test_what_is_no_chord_is_named(words):
    with pytest.raises(ManifestError, match="chords has '"):
        Progression(words)


def test_nothing_is_asked_for_by_an_empty_text():
    assert not Progression("")
    assert read_texture("") is None
