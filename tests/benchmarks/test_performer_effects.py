"""What is asked of the performer, and that the effects are measured in its sound."""

from pathlib import Path

import pytest

from benchmarks import performer_effects
from benchmarks.performer_effects import Asked, asked_for, main, markdown
from benchmarks.record import read_rows
from models.manifest import Parameter

PARAMETERS = (
    Parameter("instrument", "violin", choices=("violin",), fixed=True),
    Parameter("dynamics", 0.0, -1.0, 1.0),
    Parameter("warmth", 4.0, 0.0, 10.0),
    Parameter("gain_db", 0.0, -60.0, 24.0),
)


def test_known_parameters_have_their_values_and_new_ones_their_range():
    asked = [(one.name, one.value) for one in asked_for(PARAMETERS)]
    assert [value for name, value in asked if name == "dynamics"] == [-1, -0.5, 0.5, 1]
    assert [value for name, value in asked if name == "warmth"] == [0, 2, 4, 7, 10]
    assert {name for name, _ in asked} == {"velocity", "CC1", "CC11", "dynamics", "warmth"}


def test_effects_are_measured_and_make_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    asked = [
        Asked("velocity", 20, {}, 20),
        Asked("velocity", 120, {}, 120),
        Asked("vibrato", 0, {"vibrato": 0}),
        Asked("vibrato", 4, {"vibrato": 4}),
        Asked("room", 0, {"room": 0}),
        Asked("room", 2, {"room": 2}),
    ]
    monkeypatch.setattr(performer_effects, "asked_for", lambda parameters: iter(asked))
    assert main(["--seconds", "1", "--results", str(tmp_path)]) == 0
    rows = {row["case"]: row for row in read_rows(tmp_path)}
    assert rows["violin, velocity 20"]["level_db"] < 0 < rows["violin, velocity 120"]["level_db"]
    assert rows["violin, vibrato 0"]["pitch_cents"] < 3 < rows["violin, vibrato 4"]["pitch_cents"]
    assert rows["violin, room 0"]["after_key_db"] < rows["violin, room 2"]["after_key_db"] - 6
    table = capsys.readouterr().out
    assert "| asked for | measure | violin" in table
    assert "| `vibrato` 0 / 4 | deviation of the pitch, cents | " in table


def test_a_measure_that_nobody_has_leaves_a_hole():
    rows = [{"case": "violin, CC1 0", "pitch_cents": 1.0}, {"case": "violin, CC1 64"}]
    assert markdown(rows).splitlines()[-1] == "| `CC1` 0 / 64 | deviation of the pitch, cents | 1.0 /  |"


def test_a_model_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["--model", "nobody", "--results", str(tmp_path)]) == 2
    assert "there is no model 'nobody'" in capsys.readouterr().err
