"""`backline train` hands its words to the training that they name, and says in one sentence why it does not."""

from pathlib import Path
from typing import Any

import pytest

from models.transcriber import training
from models.transcriber.published import experiment
from models.transcriber.training import TrainingError


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The arguments that either training was called with; neither is run."""
    seen: dict[str, Any] = {}

    def record(name: str):
        def train(data: Path, output: Path, **options: Any) -> Path:
            seen.update(options, training=name, data=data, output=output)
            return output / f"{options.get('network', name)}.safetensors"

        return train

    monkeypatch.setattr(training, "train", record("train"))
    monkeypatch.setattr(experiment, "train_published", record("published"))
    return seen


@pytest.fixture
def words(tmp_path: Path) -> list[object]:
    (tmp_path / "data").mkdir()
    return ["train", "transcriber", "--data", tmp_path / "data", "--output", tmp_path / "run"]


def test_the_piano_is_what_is_trained_if_nothing_is_said(backline, words, trained, tmp_path):
    said = backline(*words)
    assert said.code == 0
    assert trained == {
        "training": "train", "data": tmp_path / "data", "output": tmp_path / "run", "minutes": 120.0, "seed": 1,
        "hours_of_audio": 16.0, "network": "piano", "start_from": None,
    }  # fmt: skip
    assert "`backline export transcriber" in said.out


def test_all_instruments_begin_with_the_checkpoint_that_is_given(backline, words, trained):
    said = backline(*words, "--network", "general", "--from", "piano.safetensors", "--minutes", "5", "--hours", "2")
    assert said.code == 0
    assert (trained["network"], trained["start_from"]) == ("general", Path("piano.safetensors"))
    assert (trained["minutes"], trained["hours_of_audio"]) == (5.0, 2.0)
    assert "takes it along with a" in said.out


def test_the_published_network_has_a_training_of_its_own(backline, words, trained):
    said = backline(*words, "--network", "published", "--seed", "3", "--minutes", "40")
    assert (said.code, trained["training"], trained["seed"], trained["minutes"]) == (0, "published", 3, 40.0)
    assert "backline export" not in said.out


def test_what_the_published_training_cannot_do_is_refused(backline, words, trained, monkeypatch, tmp_path):
    published = (*words, "--network", "published")
    assert "is trained in one process and from the start" in backline(*published, "--from", "some.safetensors").sentence
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "resume.safetensors").touch()
    assert "holds another network's run" in backline(*published).sentence
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert "is trained in one process" in backline(*published).sentence
    assert not trained


def test_a_network_that_is_not_known_is_refused(backline, words):
    assert "invalid choice: 'drums'" in backline(*words, "--network", "drums").sentence


def test_only_the_first_of_several_processes_speaks(backline, words, monkeypatch):
    def refuse(*_: object, **__: object) -> Path:
        raise TrainingError("there is nothing to hear")

    monkeypatch.setattr(training, "train", refuse)
    assert backline(*words).sentence == "backline: there is nothing to hear\n"
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    said = backline(*words)
    assert (said.code, said.out, said.err) == (2, "", "")


def test_the_performer_has_networks_of_its_own(backline, tmp_path, monkeypatch):
    from models.performer import training as performer
    from models.performer.config import INSTRUMENTS, PerformerConfig

    seen: dict[str, Any] = {}
    monkeypatch.setattr(performer, "train", lambda data, output, **options: seen.update(options) or output / "x")
    (tmp_path / "data").mkdir()
    words = ["train", "performer", "--data", tmp_path / "data", "--output", tmp_path / "run", "--minutes", "3"]
    said = backline(*words, "--everything")
    all_of_it = {"minutes": 3.0, "seed": 1, "everything": True, "instruments": INSTRUMENTS, "config": PerformerConfig()}
    assert (said.code, seen) == (0, all_of_it)
    assert "`backline export performer" in said.out
    for part, left_out in (("on_off", {"on_off": False}), ("multi_bands", {"multi_bands": ()})):
        said = backline(*words, "--instrument", "violin", "--without", part)
        assert said.code == 0
        assert (seen["instruments"], seen["config"]) == (["violin"], PerformerConfig(**left_out))
    said = backline(*words, "--network", "piano")
    assert said.code == 2
    assert said.err == "backline: --network is 'piano'; allowed for the performer: live, published\n"


def test_the_performer_refuses_a_folder_that_holds_nothing_to_learn_from(backline, tmp_path):
    (tmp_path / "data").mkdir()
    for network in ("live", "published"):
        said = backline(
            "train", "performer", "--data", tmp_path / "data", "--output", tmp_path / "run", "--network", network
        )
        assert said.code == 2
        assert "holds no excerpts" in said.err


def test_the_drummer_is_trained_for_its_rounds_or_the_minutes(backline, tmp_path, monkeypatch):
    from models.drummer import training as drummer

    seen: dict[str, Any] = {}
    monkeypatch.setattr(drummer, "train", lambda data, output, **options: seen.update(options) or output / "x")
    (tmp_path / "data").mkdir()
    words = [
        "train",
        "drummer",
        "--data",
        tmp_path / "data",
        "--output",
        tmp_path / "run",
        "--minutes",
        "3",
        "--seed",
        "2",
    ]
    said = backline(*words)
    assert (said.code, seen) == (0, {"minutes": 3.0, "seed": 2})
    assert "`backline export drummer" in said.out
    assert "-o drummer.onnx` makes a model of it" in said.out
    said = backline(*words, "--from", "some.safetensors")
    assert "is trained in one process and from the start" in said.sentence


def test_the_drummer_refuses_a_folder_without_its_sources(backline, tmp_path):
    (tmp_path / "data").mkdir()
    said = backline("train", "drummer", "--data", tmp_path / "data", "--output", tmp_path / "run")
    assert said.sentence == f"backline: there is no folder {tmp_path / 'data' / 'midi_groove'}\n"
