"""`train` and `export` refuse what they cannot use with one sentence, and leave nothing behind."""

import json

import pytest

from models.model_file import read_manifest


@pytest.fixture
def data(tmp_path):
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def test_training_with_data_that_is_not_there_is_refused(backline, tmp_path):
    said = backline("train", "transcriber", "--data", tmp_path / "nowhere", "--output", tmp_path / "run")
    assert said.sentence == f"backline: there is no folder {tmp_path / 'nowhere'}\n"
    assert list(tmp_path.iterdir()) == []


def test_a_player_that_cannot_be_trained_is_refused(backline, data, tmp_path):
    for player in ("singer", "probe"):
        said = backline("train", player, "--data", data, "--output", tmp_path / "run")
        assert (
            said.sentence
            == f"backline: there is no training for '{player}'; there is for: transcriber, performer, translator, drummer, arranger\n"
        )
    assert not (tmp_path / "run").exists()


def test_an_output_must_be_named(backline, data):
    assert "--output" in backline("train", "transcriber", "--data", data).sentence


def test_training_with_an_empty_folder_is_refused(backline, data, tmp_path, monkeypatch):
    monkeypatch.setattr("models.transcriber.training._keep_freed_memory", lambda: None)  # it would bind this process
    said = backline("train", "transcriber", "--data", data, "--output", tmp_path / "run", "--hours", "0.02")
    # which is missed first depends on the sound fonts that are installed
    assert "there are no MIDI files to play" in said.sentence or "sound font" in said.sentence


def test_a_checkpoint_that_is_not_there_is_not_exported(backline, tmp_path):
    for name, words in (
        ("run/transcriber.safetensors", "there is no checkpoint"),
        ("none", "there is no checkpoint None"),
    ):
        checkpoint = name if name == "none" else tmp_path / name
        said = backline("export", "transcriber", checkpoint, "-o", tmp_path / "transcriber.onnx")
        assert words in said.sentence
        assert "`backline train transcriber` makes one" in said.sentence
    assert list(tmp_path.iterdir()) == []


def test_a_player_that_cannot_be_exported_is_refused(backline, tmp_path):
    said = backline("export", "singer", "none", "-o", tmp_path / "singer.onnx")
    players = "probe, transcriber, performer, translator, drummer, arranger"
    assert said.sentence == f"backline: there is no player 'singer' to export; there are: {players}\n"


def test_an_arranger_is_exported_from_a_folder_with_its_two_checkpoints(backline, tmp_path):
    (tmp_path / "run").mkdir()
    said = backline("export", "arranger", tmp_path / "run", "-o", tmp_path / "arranger")
    assert (
        f"there is no checkpoint {tmp_path / 'run' / 'ear.safetensors'}, {tmp_path / 'run' / 'writer.safetensors'}"
        in said.sentence
    )


def test_the_probe_has_no_checkpoint(backline, tmp_path):
    said = backline("export", "probe", tmp_path / "probe.safetensors", "-o", tmp_path / "probe.onnx")
    assert "the probe has no weights; give `none`" in said.sentence
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["probe.txt", "nowhere/probe.onnx"])
def test_a_model_is_written_as_onnx_into_a_folder_that_exists(backline, tmp_path, name):
    said = backline("export", "probe", "none", "-o", tmp_path / name)
    assert (
        "it must end in .onnx (of several graphs: .zip, or be a folder) and lie in a folder that exists"
        in said.sentence
    )
    assert list(tmp_path.iterdir()) == []


def test_the_probe_is_exported(backline, tmp_path):
    said = backline("export", "probe", "none", "-o", tmp_path / "probe.onnx")
    assert said.code == 0
    assert said.out.startswith(f"wrote {tmp_path / 'probe.onnx'}, ")
    assert read_manifest(tmp_path / "probe.onnx").name == "probe"


def test_a_file_that_is_no_checkpoint_is_not_exported(backline, tmp_path):
    garbage = tmp_path / "garbage.safetensors"
    garbage.write_bytes(bytes(range(256)) * 4)
    said = backline("export", "transcriber", garbage, "-o", tmp_path / "transcriber.onnx")
    assert "is no checkpoint of this transcriber" in said.sentence
    assert list(tmp_path.iterdir()) == [garbage]


def test_a_model_file_carries_the_figures_it_is_given(backline, tmp_path):
    (tmp_path / "scores.json").write_text(
        json.dumps({"MEAN": {"onset_f1": 0.5, "live_f1": 0.25, "note_f1": 0.125, "velocity_f1": 0.0}})
    )
    scores = f"real piano={tmp_path / 'scores.json'}"
    assert backline("export", "probe", "none", "-o", tmp_path / "probe.onnx", "--scores", scores).code == 0
    assert read_manifest(tmp_path / "probe.onnx").quality["real piano live_f1"] == 0.25


@pytest.mark.parametrize("words", ["scores.json", "real=nowhere.json", "real={folder}/empty.json"])
def test_figures_that_are_none_are_refused(backline, tmp_path, words):
    (tmp_path / "empty.json").write_text("{}")
    said = backline("export", "probe", "none", "-o", tmp_path / "p.onnx", "--scores", words.format(folder=tmp_path))
    assert "--scores" in said.sentence or "nowhere.json" in said.sentence
    assert not (tmp_path / "p.onnx").exists()
