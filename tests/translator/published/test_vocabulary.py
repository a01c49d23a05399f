"""Symbols are rows of classes, of any vocabulary; what is unknown stays so."""

import numpy as np
import pytest

from models.translator.published.vocabulary import (
    Group,
    Vocabulary,
    chord_vocabulary,
    notes_vocabulary,
    vocabulary_of,
)


def test_the_papers_vocabulary_has_a_silent_class_in_each_group():
    one = notes_vocabulary()
    assert [len(group.classes) for group in one.groups] == [10, 13, 6]
    assert one.size == 29
    assert notes_vocabulary(3).size == 87
    assert [group.name for group in notes_vocabulary(2).groups][3:] == ["octave 2", "pitch 2", "dynamics 2"]


def test_a_row_and_its_labels():
    vocabulary = notes_vocabulary()
    row = vocabulary.row({"octave": "4", "pitch": "A", "dynamics": "ff"})
    assert row.sum() == 3
    assert vocabulary.labels(row) == {"octave": "4", "pitch": "A", "dynamics": "ff"}
    half = vocabulary.row({"octave": "4", "pitch": None})
    assert np.isnan(half).tolist() == [False] * 10 + [True] * 19


def test_several_classes_at_once():
    chords = chord_vocabulary(60, 71)
    row = chords.row({"pitches": ("60", "64", "67")})
    assert row.nonzero()[0].tolist() == [0, 4, 7]
    assert chords.labels(row * 0.9)["pitches"] == ("60", "64", "67")
    assert not chords.row({"pitches": ()}).any()


def test_a_users_table_is_a_vocabulary():
    rows = [{"mode": "trill", "tags": "bright|near"}, {"mode": "plain", "tags": "dark"}, {"mode": "", "tags": "near"}]
    vocabulary = vocabulary_of(rows)
    assert vocabulary == Vocabulary(
        (Group("mode", ("plain", "trill")), Group("tags", ("bright", "dark", "near"), True))
    )
    assert Vocabulary.from_json(vocabulary.to_json()) == vocabulary


def test_what_is_no_class_is_named():
    vocabulary = notes_vocabulary()
    with pytest.raises(ValueError, match="octave is 11; one of: 0, 1"):
        vocabulary.row({"octave": "11"})
    with pytest.raises(ValueError, match=r"no group tempo; there are: octave, pitch, dynamics"):
        vocabulary.row({"tempo": "fast"})
    with pytest.raises(ValueError, match="classes of mode are a, a"):
        Group("mode", ("a", "a"))
    with pytest.raises(ValueError, match="classes of mode are none"):
        vocabulary_of([{"mode": ""}])
