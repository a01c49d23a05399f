"""The bench of what the arranger foresees: right where songs go round, and wrong of chords that were moved."""

from dataclasses import replace

import numpy as np

from benchmarks.arranger_foresight import NAME, main, measure
from models.arranger.material import write_packed
from models.arranger.moves import move_chords
from models.arranger.songs import read_split
from tests.arranger.made_songs import made_material


def going_round(bars: int = 16):
    """Return a song whose four chords come again and again, heard as they are."""
    material = made_material([read_split()["test"][0]], bars)
    return replace(material, chords=(255 * material.true_chords.astype(int)).astype(np.uint8))


def test_songs_that_go_round_are_foreseen_once_they_did():
    rows = {row["case"]: row for row in measure(going_round(), [0])}
    assert rows["heard"]["root_right"] == rows["four bars before"]["root_right"] == 1
    assert rows["the last bar again"]["root_right"] == 0
    assert rows["foreseen"]["bars"] == 12
    assert rows["foreseen"]["root_right"] > 0.7


def test_what_was_heard_wrong_is_foreseen_wrong():
    material = going_round()
    moved = replace(material, chords=move_chords(material.chords, 1))
    assert {row["root_right"] for row in measure(moved, [0]) if row["case"] in ("heard", "four bars before")} == {0}


def test_the_command_writes_a_row_for_each_guess(tmp_path, capsys):
    write_packed(going_round(), tmp_path / "material")
    assert main(["--data", str(tmp_path / "material"), "--work", str(tmp_path), "--results", str(tmp_path)]) == 0
    assert len((tmp_path / f"{NAME}.jsonl").read_text().splitlines()) == 4
    assert main(["--data", str(tmp_path / "none"), "--work", str(tmp_path / "no"), "--results", str(tmp_path)]) == 2
    assert "has no song of POP909" in capsys.readouterr().err
