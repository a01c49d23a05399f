"""MAESTRO and MAPS as they are published: notes, pedal, splits, and where a note ends."""

import json

import pytest

from models.sound.datasets.maestro import maestro
from models.sound.datasets.maps import maps

TICK = 1e-3  # s; the MIDI files count 960 ticks a quarter of 0.5 s


def test_maestro_has_velocities_key_releases_and_pedal(maestro_folder, named, assert_notes, notes):
    recordings = list(maestro(maestro_folder))
    one = named(recordings, "one")
    assert (one.piece, one.instrument) == ("franz liszt: sonata, b minor", "piano")
    assert one.audio == maestro_folder / "2004" / "one.wav"
    assert_notes(one.performance(), notes)
    assert one.performance().pedal.ravel().tolist() == pytest.approx([0.6, 1.75], abs=TICK)


def test_maestro_is_split_by_its_table_and_a_piece_under_test_is_not_trained_on(maestro_folder, by_split):
    assert by_split(maestro(maestro_folder)) == {"train": ["one"], "validation": ["two"], "test": ["three"]}


@pytest.mark.parametrize("columns", [True, False], ids=["version 3", "version 2"])
def test_maestros_json_tells_the_same_as_its_table(maestro_folder, columns, write, maestro_rows):
    expected = list(maestro(maestro_folder))
    (maestro_folder / "maestro-v3.0.0.csv").unlink()
    names = ("canonical_composer", "canonical_title", "split", "year")
    rows = [
        dict(zip(names, row[:4], strict=True)) | {"midi_filename": f"{row[4]}.midi", "audio_filename": f"{row[4]}.wav"}
        for row in maestro_rows
    ]
    table = {name: {str(number): row[name] for number, row in enumerate(rows)} for name in rows[0]} if columns else rows
    write(maestro_folder / "maestro-v3.0.0.json", json.dumps(table))
    found = list(maestro(maestro_folder))
    assert [(r.name, r.piece, r.split, r.audio) for r in found] == [
        (r.name, r.piece, r.split, r.audio) for r in expected
    ]


def test_maestro_without_any_audio_is_midi_alone(maestro_folder):
    for path in maestro_folder.glob("*/*.wav"):
        path.unlink()
    assert {recording.audio for recording in maestro(maestro_folder)} == {None}


def test_maps_trains_on_software_and_tests_on_the_disklavier(maps_folder, by_split):
    assert by_split(maps(maps_folder)) == {
        "test": ["MAPS_MUS-bach_846_ENSTDkCl"],
        "train": ["MAPS_MUS-chpn_op25_e3_AkPnBcht", "MAPS_MUS-liz_et1_SptkBGCl"],
    }


def test_maps_keeps_single_notes_and_chords_of_all_pianos(maps_folder, by_split):
    found = by_split(maps(maps_folder, ("ISOL", "RAND", "UCHO")))
    assert found["test"] == ["MAPS_ISOL_NO_F_S0_M60_ENSTDkCl"]
    assert len(found["train"]) == 3
    with pytest.raises(ValueError, match="MAPS has no recordings 'SOLO'; allowed are MUS, ISOL, RAND, UCHO"):
        next(maps(maps_folder, ("SOLO",)))


def test_maps_ends_notes_at_the_key_and_not_where_the_pedal_lets_them_ring(maps_folder, assert_notes, notes):
    recording = next(maps(maps_folder))
    assert recording.piece == "bach_846"
    assert_notes(recording.performance(), notes)
    assert recording.performance().pedal.shape == (1, 2)
    recording.audio.with_suffix(".mid").unlink()
    ringing = [(onset, 3.0, pitch, 64) for onset, _, pitch, _ in notes]
    assert_notes(recording.performance(), ringing)
    assert recording.performance().pedal.shape == (0, 2)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",train,", ",training,", "names a split 'training'; allowed are train, validation, test"),
        ("Franz Liszt", "", "line 2, has no canonical_composer; needed are the columns canonical_composer, "),
        ("midi_filename", "midi", "has no midi_filename"),
    ],
)
def test_a_table_that_lacks_something_is_refused_with_the_line(maestro_folder, old, new, message, write):
    table = maestro_folder / "maestro-v3.0.0.csv"
    write(table, table.read_text(encoding="utf-8").replace(old, new))
    with pytest.raises(ValueError, match=message):
        list(maestro(maestro_folder))
