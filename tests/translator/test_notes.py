"""Where single notes come from, what their names say, and which side of the split they are on."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from models.translator.notes import (
    DYNAMICS,
    INSTRUMENTS,
    SPLIT,
    Note,
    draw_split,
    find_notes,
    on_side,
    pitch_of,
    read_audio,
    read_studio_on_line,
    read_table,
)

HEADER = "instrument,file,midi,pitch_name,duration_class,dynamic,articulation,midi_measured,peak_db,seconds,pitch_ok"
NOTE = Note("philharmonia", "cello", 45, "f", Path("x.wav"))


@pytest.fixture
def data(tmp_path):
    orchestra, piano = tmp_path / "notes_philharmonia", tmp_path / "notes_salamander_piano"
    orchestra.mkdir()
    piano.mkdir()
    rows = [
        "cello,a.mp3,45,A2,05,forte,arco-normal,44.9,-13,0.7,True",
        "cello,b.mp3,46,As2,05,mezzo-piano,arco-normal,46.7,-13,0.7,True",
        "flute,c.mp3,60,C4,1,cresc-decresc,normal,60.0,-13,0.7,True",
        "flute,d.mp3,61,Cs4,1,piano,normal,72.9,-13,0.7,False",
        "trombone,e.mp3,50,D3,1,piano,normal,50.0,-13,0.7,True",
    ]
    (orchestra / "index.csv").write_text("\n".join([HEADER, *rows]))
    for name in ("A0v2", "Ds4v10", "Fs7v16", "notanote"):
        (piano / f"{name}.ogg").touch()
    return tmp_path


def test_the_orchestra_and_the_piano_are_found_and_what_was_heard_wrongly_is_left_out(data):
    notes = {note.path.name: note for note in find_notes(data)}
    assert set(notes) == {"a.mp3", "b.mp3", "c.mp3", "A0v2.ogg", "Ds4v10.ogg", "Fs7v16.ogg"}
    assert notes["a.mp3"].symbols == (9, 2, DYNAMICS.index("f"))
    assert notes["c.mp3"].dynamic == ""
    assert notes["c.mp3"].symbols[2] == -1
    assert not notes["b.mp3"].in_tune
    assert [(notes[f"{name}.ogg"].pitch, notes[f"{name}.ogg"].dynamic) for name in ("A0v2", "Ds4v10", "Fs7v16")] == [
        (21, "pp"), (63, "mf"), (102, "ff"),
    ]  # fmt: skip


def test_a_folder_without_notes_is_refused_with_a_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no notes"):
        find_notes(tmp_path)


def test_studio_on_line_is_read_by_its_file_names(tmp_path):
    folder = tmp_path / "TinySOL" / "Strings" / "Violin" / "ordinario"
    folder.mkdir(parents=True)
    for name in ("Vn-ord-A#3-ff-4c-N.wav", "Vn-ord-G5-mp-1c-R100u.wav", "Acc-ord-A3-ff-N-N.wav", "readme.txt"):
        (folder / name).touch()
    notes = sorted(
        (n.instrument, n.pitch, n.dynamic, n.articulation) for n in read_studio_on_line(tmp_path / "TinySOL")
    )
    assert notes == [("violin", 58, "ff", "ord"), ("violin", 79, "mf", "ord")]


def test_a_table_may_have_any_labels(tmp_path):
    table = tmp_path / "notes.csv"
    table.write_text("file,pitch,instrument,dynamic,vowel,bow\na.wav,A#3,violin,ff,ah,up\nb.wav,,voice,,oh,\n")
    first, second = read_table(table)
    assert (first.pitch, first.instrument, dict(first.labels)) == (58, "violin", {"vowel": "ah", "bow": "up"})
    assert second.labels["vowel"] == "oh"
    assert first.path == tmp_path / "a.wav"


@pytest.mark.parametrize(("row", "said"), [("a.wav,H3", "line 2: pitch is 'H3'"), (",60", "line 2: no file is named")])
def test_a_table_that_cannot_be_read_says_where(tmp_path, row, said):
    table = tmp_path / "notes.csv"
    table.write_text(f"file,pitch\n{row}\n")
    with pytest.raises(ValueError, match=said):
        read_table(table)


def test_pitches_have_names_and_numbers():
    assert [pitch_of(name) for name in ("C4", "A#3", "C0", "58", "A-1")] == [60, 58, 12, 58, 9]


def test_whole_cells_are_kept_aside_in_every_source():
    for instrument, sides in json.loads(SPLIT.read_text())["cells"].items():
        test, validation = ({tuple(cell) for cell in sides[side]} for side in ("test", "validation"))
        assert len(test) >= 10
        assert not test & validation
        for pitch, dynamic in test:
            for source in ("philharmonia", "salamander", "fluidr3", "own"):
                assert replace(NOTE, instrument=instrument, pitch=pitch, dynamic=dynamic, source=source).side == "test"
    assert set(json.loads(SPLIT.read_text())["cells"]) == set(INSTRUMENTS)


def test_the_other_source_is_never_trained_on():
    cells = [replace(NOTE, source="timgm6mb", pitch=pitch, dynamic=d) for pitch in range(36, 80) for d in DYNAMICS]
    assert {note.side for note in cells} == {"other"}
    assert not on_side(cells, "train")
    with pytest.raises(ValueError, match="no side 'training'; allowed: train"):
        on_side(cells, "training")


def test_a_split_is_drawn_by_cell():
    notes = [replace(NOTE, pitch=pitch, dynamic=d) for pitch in range(40, 60) for d in DYNAMICS for _ in range(3)]
    drawn = draw_split(notes, seed=5)["cello"]
    assert (len(drawn["test"]), len(drawn["validation"])) == (12, 8)
    assert drawn == draw_split(notes, seed=5)["cello"] != draw_split(notes, seed=6)["cello"]


def test_a_note_is_heard_from_its_attack_on_at_its_own_level(tmp_path, tone):
    path = tmp_path / "late.wav"
    sound = tone(69, 0.5, level=0.2)
    soundfile.write(path, np.concatenate([np.zeros(1440), sound]), 32_000, subtype="FLOAT")
    note = Note("own", "flute", 69, "f", path, tuning=0.4)
    heard = read_audio(note, 32_000)
    assert 0 <= len(heard) - len(sound) <= 64
    assert np.abs(heard).max() == pytest.approx(np.abs(sound).max(), rel=1e-3)
    assert len(read_audio(note, 32_000, tuned=True)) == pytest.approx(len(heard) * 2 ** (0.4 / 12), rel=0.01)
    assert len(read_audio(replace(note, span=(0.1, 0.2)), 32_000)) == pytest.approx(3200, abs=64)
