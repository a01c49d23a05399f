"""GuitarSet as it is published: the notes and contours of six strings, its progressions, its mistimed annotations."""

import json

import numpy as np
import pytest

from models.sound.datasets.guitarset import guitarset, read_contours


def test_guitarset_holds_a_progression_out_and_leaves_mistimed_annotations(guitarset_folder, by_split):
    assert by_split(guitarset(guitarset_folder)) == {
        "test": ["03_BN3-119-G_solo_mic"],
        "validation": ["05_Jazz2-110-Bb_solo_mic"],
        "train": ["00_BN1-129-Eb_comp_mic", "01_Rock1-90-C#_comp_mic"],
    }


def test_guitarset_gives_the_notes_of_all_strings_rounded_to_semitones(guitarset_folder, named, assert_notes):
    recording = named(guitarset(guitarset_folder), "00_BN1-129-Eb_comp_mic")
    assert (recording.piece, recording.instrument) == ("BN1", "guitar")
    assert_notes(recording.performance(), [(0.5, 1.0, 40, 64), (0.9, 1.5, 55, 64), (2.0, 2.5, 57, 64)])
    assert recording.performance().pedal.shape == (0, 2)


def test_annotations_may_be_stored_by_row_or_by_column(guitarset_folder, write, jams):
    recording = next(guitarset(guitarset_folder))
    columns = recording.performance()
    write(guitarset_folder / "annotation" / "03_BN3-119-G_solo.jams", jams(by_column=False))
    rows = recording.performance()
    assert np.array_equal(columns.notes, rows.notes)
    assert np.array_equal(columns.bend, rows.bend)


def test_guitarset_tells_the_contour_of_each_string_where_it_is_voiced(guitarset_folder):
    time, string, pitch = read_contours(guitarset_folder / "annotation" / "00_BN1-129-Eb_comp.jams").T
    assert set(string) == {0, 3}
    assert time.min() > 0.51
    assert np.allclose(pitch[string == 0], 40.25)
    assert np.allclose(pitch[(string == 3) & (time < 1.9)], 55.25)


def test_a_guitar_bends_where_one_string_sounds_and_nowhere_else(guitarset_folder, named):
    bend = named(guitarset(guitarset_folder), "00_BN1-129-Eb_comp_mic").performance().bend
    assert (np.diff(bend[:, 0]) >= 0).all()
    assert bend[[0, -1], 1].tolist() == [0, 0]

    def semitones(seconds: float) -> float:
        return float(np.interp(seconds, *bend.T))

    for alone in (0.6, 0.85, 1.05, 1.4, 2.2):
        assert semitones(alone) == pytest.approx(0.25, abs=1e-6)
    for none_or_two in (0.2, 0.95, 1.7, 2.9):
        assert semitones(none_or_two) == pytest.approx(0, abs=1e-6)


def test_guitarset_is_heard_by_microphone_or_pickup(guitarset_folder):
    assert next(guitarset(guitarset_folder, "hex_cln")).audio.name == "03_BN3-119-G_solo_hex_cln.wav"
    assert next(guitarset(guitarset_folder, "mix")).audio is None, "its folder is not there"
    with pytest.raises(ValueError, match="GuitarSet has no audio 'amp'; allowed are mic, mix, hex_cln"):
        next(guitarset(guitarset_folder, "amp"))


@pytest.mark.parametrize(
    "change",
    [
        lambda stored: stored.pop("annotations"),
        lambda stored: stored["annotations"].pop(0),
        lambda stored: stored["annotations"][4]["data"][0].pop("duration"),
        lambda stored: stored["annotations"][5]["data"][0]["value"].pop("frequency"),
        lambda stored: stored["annotations"][5]["data"][0].update(value=None),
    ],
)
def test_an_annotation_that_is_not_guitarsets_is_named(tmp_path, change, write, jams):
    stored = json.loads(jams(by_column=False))
    change(stored)
    path = write(tmp_path / "annotation" / "00_BN1-129-Eb_comp.jams", json.dumps(stored))
    with pytest.raises(ValueError, match=f"{path} is no annotation of GuitarSet"):
        next(guitarset(tmp_path)).performance()


def test_an_annotation_with_another_name_is_refused(tmp_path, write, jams):
    write(tmp_path / "annotation" / "song.jams", jams(by_column=False))
    with pytest.raises(ValueError, match="is not named as GuitarSet names its annotations"):
        next(guitarset(tmp_path))
