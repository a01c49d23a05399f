"""A model of several graphs from the command line: files choose its direction, and what is wrong with its parts is said."""

import json
import shutil
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile

from models.model_file import read_manifest
from server import model_store
from server.model_store import find_model, list_models, open_stream


@pytest.fixture(scope="module")
def folder(mirror_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the same model as a folder, `mirror`, and as a file, `packed.zip`."""
    folder = tmp_path_factory.mktemp("both")
    shutil.copytree(mirror_folder / "mirror", folder / "mirror")
    shutil.make_archive(str(folder / "packed"), "zip", mirror_folder / "mirror")
    return folder


@pytest.fixture
def run(backline, folder: Path, inputs: Path, tmp_path: Path):
    """A function (input, outputs..., more words) that runs the mirror on a file."""

    def run(source: str, *outputs: str, words=(), model: str = "mirror"):
        wanted = [word for output in outputs for word in ("-o", tmp_path / output)]
        return backline("run", model, inputs / source, *wanted, "--models", folder, *words)

    return run


def notes(path: Path) -> int:
    return sum(message.type == "note_on" for message in mido.MidiFile(path))


@pytest.mark.parametrize("model", ["mirror", "packed"])
def test_audio_becomes_notes_or_audio_and_notes_become_audio_as_the_files_say(run, tmp_path, clicks, model):
    assert run("good.wav", "heard.mid", model=model).out.startswith("5 notes; wrote ")
    assert notes(tmp_path / "heard.mid") == 5
    assert run("good.wav", "through.wav", model=model).code == 0
    through, rate = soundfile.read(tmp_path / "through.wav", dtype="float32")
    assert rate == 48_000
    assert np.allclose(through, clicks, atol=1e-3)
    assert run("good.mid", "played.wav", model=model).code == 0
    played, _ = soundfile.read(tmp_path / "played.wav")
    assert np.count_nonzero(np.abs(played) > 0.5) == 1


def test_a_direction_that_is_named_is_taken(run, tmp_path):
    said = run("good.wav", "a.wav", words=("--set", "direction=listen"))
    assert "model 'mirror' in direction 'listen' gives notes, so it cannot write" in said.sentence
    said = run("good.mid", "a.mid", words=("--set", "direction=listen"))
    assert "model 'mirror' in direction 'listen' takes audio, and" in said.sentence
    said = run("good.wav", "a.wav", words=("--set", "direction=play"))
    assert "model 'mirror' in direction 'play' takes MIDI, and" in said.sentence
    assert (
        "direction is 'back'; allowed: listen, play, through"
        in run("good.wav", "a.wav", words=("--set", "direction=back")).sentence
    )
    assert list(tmp_path.iterdir()) == []


def test_where_no_direction_gives_what_is_asked_for_the_first_that_hears_it_says_so(run, tmp_path):
    said = run("good.wav", "a.mid", "a.wav")
    assert "model 'mirror' in direction 'listen' gives notes, so it cannot write" in said.sentence
    assert "model 'mirror' in direction 'play' gives audio, so it cannot write" in run("good.mid", "b.mid").sentence
    assert list(tmp_path.iterdir()) == []


def test_what_belongs_to_notes_is_refused_where_there_are_none(run, tmp_path):
    said = run("good.mid", "a.wav", words=("--set", "quantise=1/8"))
    assert "model 'mirror' has no parameter 'quantise'; it has: stream, direction" in said.sentence


@pytest.mark.parametrize("name", ["mirror", "packed.zip"])
def test_a_model_is_run_by_its_path(backline, folder, inputs, tmp_path, name):
    assert backline("run", folder / name, inputs / "good.wav", "-o", tmp_path / "a.mid").code == 0
    assert notes(tmp_path / "a.mid") == 5


def test_each_direction_is_listed_with_what_it_takes_and_gives(backline, folder):
    rows = json.loads(backline("models", "--json", "--models", folder).out)
    for name in ("mirror", "packed"):
        row = rows[name]
        ways = {direction: (each["in"], each["out"]) for direction, each in row["directions"].items()}
        assert ways == {
            "listen": (["audio"], ["notes"]),
            "play": (["notes"], ["audio"]),
            "through": (["audio"], ["audio"]),
        }
        assert (row["in"], row["out"]) == ways["listen"]
        assert {each["heads"][0]["latency_samples"] for each in row["directions"].values()} == {239}
        assert "quantise" in row["parameters"]
        assert "quantise" not in row["directions"]["play"]["parameters"]
        assert row["bytes"] > 2000
    assert rows["probe"]["directions"] == {}
    words = backline("models", "--models", folder).out
    assert "direction listen: audio -> notes, 48000 Hz" in words
    assert "direction play: notes -> audio, 48000 Hz" in words


def test_only_the_graphs_of_the_direction_are_loaded(mirror_folder, monkeypatch):
    opened, files = model_store.open_session, []
    monkeypatch.setattr(model_store, "open_session", lambda *a, **k: files.append(k["file"]) or opened(*a, **k))
    model = find_model(str(mirror_folder / "mirror"))
    for direction in model.manifest.directions:
        open_stream(model, {"direction": direction}, 48_000)
    assert files == ["listen.onnx", "play.onnx", "through.onnx"]


@pytest.fixture
def broken(folder: Path, tmp_path: Path) -> Path:
    """A folder with a whole copy of the model, for a test to break."""
    shutil.copytree(folder / "mirror", tmp_path / "models" / "mirror")
    return tmp_path / "models"


BREAKS = {
    "a part that is missing": (lambda parts: (parts / "play.onnx").unlink(), "has no play.onnx, which its manifest names"),
    "a part of another model": (
        lambda parts: shutil.copy(parts / "through.onnx", parts / "play.onnx"), "play.onnx is damaged: its graph does not match",
    ),
    "a part cut off": (
        lambda parts: (parts / "play.onnx").write_bytes((parts / "play.onnx").read_bytes()[:-5]), "play.onnx is not an ONNX file",
    ),
    "a part too many": (
        lambda parts: shutil.copy(parts / "play.onnx", parts / "more.onnx"), "has more.onnx, which its manifest does not name",
    ),
    "a manifest cut off": (
        lambda parts: (parts / "manifest.json").write_bytes((parts / "manifest.json").read_bytes()[:-5]), "the manifest is not JSON",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BREAKS)
def test_a_model_with_a_broken_part_is_refused_and_listed_with_its_reason(backline, broken, inputs, tmp_path, case):
    harm, sentence = BREAKS[case]
    harm(broken / "mirror")
    (out := tmp_path / "out").mkdir()
    for words in ((broken / "mirror",), ("mirror", "--models", broken)):
        assert sentence in backline("run", *words, inputs / "good.wav", "-o", out / "a.mid").sentence
    assert sentence in json.loads(backline("models", "--json", "--models", broken).out)["mirror"]["problem"]
    assert list(out.iterdir()) == []


def test_a_graph_that_its_manifest_does_not_describe_is_named(backline, broken, inputs, tmp_path):
    parts = broken / "mirror"
    data = json.loads((parts / "manifest.json").read_text())
    data["graphs"][1]["outputs"][0]["shape"] = [129]
    (parts / "manifest.json").write_text(json.dumps(data))
    said = backline("run", parts, inputs / "good.mid", "-o", tmp_path / "a.wav")
    assert f"{parts / 'play.onnx'}: tensor 'heard' is" in said.sentence
    assert backline("run", parts, inputs / "good.wav", "-o", tmp_path / "a.mid").code == 0, "it is not needed there"


def test_two_models_of_a_name_are_refused_and_hidden_and_other_folders_are_none(broken):
    shutil.make_archive(str(broken / "mirror"), "zip", broken / "mirror")
    (broken / ".draft").mkdir()
    shutil.copy(broken / "mirror" / "manifest.json", broken / ".draft")
    (broken / "sounds").mkdir()
    found = list_models(broken)
    assert set(found) - set(list_models()) == {"mirror"}
    assert str(found["mirror"]) == f"{broken} has several models called 'mirror'; take all but one out"


def test_live_takes_the_direction_that_its_routes_mean(command_line, folder, inputs, tmp_path):
    words = ("live", "mirror", "--models", folder, "--pace", "free", "--plain")
    said = command_line(*words, "--input", inputs / "good.mid", "--output", tmp_path / "played.wav")
    assert said.returncode == 0, said.stderr
    assert np.count_nonzero(np.abs(soundfile.read(tmp_path / "played.wav")[0]) > 0.5) == 1
    said = command_line(*words, "--input", inputs / "good.wav", "--output", tmp_path / "heard.mid")
    assert said.returncode == 0, said.stderr
    assert notes(tmp_path / "heard.mid") == 5


def test_the_bundled_models_are_whole():
    for name, found in list_models().items():
        assert read_manifest(found.path) == found.manifest, name
