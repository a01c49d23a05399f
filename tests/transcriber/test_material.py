"""What training is given to hear: renders, recordings of public data sets, both, or a reason why there is nothing."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from models.sound.datasets import Recording
from models.sound.performance import Performance
from models.sound.renders import Render, load_render, store_render
from models.transcriber import material
from models.transcriber.config import TranscriberConfig
from models.transcriber.material import TrainingError, find_datasets, folders_of, prepare_renders, segments, spread
from models.transcriber.plans import GENERAL_FOLDERS

SPLITS = ("train", "train", "validation", "test")


def recordings(folder: Path, name: str, has_audio: bool = True) -> Iterator[Recording]:
    import soundfile

    performance = Performance(np.array([(1.0, 2.0, 60, 80)]), np.zeros((0, 2)))
    for number, split in enumerate(SPLITS):
        path = folder / f"{number}.wav"
        soundfile.write(path, np.random.default_rng(number).normal(0, 0.1, 12 * 16000), 16000)
        yield Recording(
            name, str(number), str(number), split, "piano", path if has_audio else None, lambda: performance
        )


@pytest.fixture(autouse=True)
def known(monkeypatch):
    """Folders that are called as a data set are taken for one."""

    def find(folder: Path) -> str:
        if folder.name in ("maestro", "guitarset", "pop909"):
            return folder.name
        raise ValueError("no data set")

    loaders = {
        "maestro": lambda folder: recordings(folder, "maestro"),
        "guitarset": lambda folder: recordings(folder, "guitarset"),
        "pop909": lambda folder: recordings(folder, "pop909", has_audio=False),
    }
    monkeypatch.setattr(material, "find_dataset", find)
    monkeypatch.setattr(material, "DATASETS", loaders)


def folder_with(path: Path, *names: str) -> Path:
    for name in names:
        (path / name).mkdir(parents=True)
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_piano_hears_only_the_data_sets_that_know_its_pedal(tmp_path):
    data = folder_with(tmp_path, "maestro", "guitarset", "pop909", "pictures")
    assert list(find_datasets(data, "piano")) == ["maestro"]
    assert list(find_datasets(data, "general")) == ["guitarset", "maestro"]
    assert list(find_datasets(data / "maestro", "piano")) == ["maestro"]


def test_a_data_set_alone_is_heard_in_training_and_validation_by_its_own_split(tmp_path):
    data, output = folder_with(tmp_path / "maestro"), tmp_path / "run"
    data.mkdir()
    prepare_renders(data, output, 1, 1.0, 1)
    training, validation = folders_of(output, "piano")
    assert names(training) == ["render_maestro_0_0.npz", "render_maestro_1_0.npz"]
    assert names(validation) == ["render_maestro_2_0.npz"]
    assert load_render(training / "render_maestro_0_0.npz").notes.tolist() == [[16000, 32000, 60, 80]]


def test_a_data_set_is_heard_beside_the_renders(tmp_path, monkeypatch):
    data, output = folder_with(tmp_path / "data", "maestro", "midi_giantmidi56"), tmp_path / "run"

    class Plan:
        def group(self, index: int) -> str:
            return ""

        def player(self):
            return lambda index: Render(np.zeros(16000, np.int16), np.zeros((0, 4), np.int32))

    monkeypatch.setattr(
        material, "renders_of", lambda *_: [("validation", Plan(), range(1)), ("training", Plan(), range(2))]
    )
    prepare_renders(data, output, 1, 1.0, 1)
    training, validation = folders_of(output, "piano")
    assert names(training) == [
        "render_00000.npz", "render_00001.npz", "render_maestro_0_0.npz", "render_maestro_1_0.npz"
    ]  # fmt: skip
    assert names(validation) == ["render_00000.npz"]


def test_a_data_set_without_a_validation_split_is_not_enough(tmp_path, monkeypatch):
    data = folder_with(tmp_path, "maestro")
    monkeypatch.setattr(material, "DATASETS", {"maestro": lambda folder: list(recordings(folder, "maestro"))[:2]})
    with pytest.raises(TrainingError, match="holds nothing for the validation of the network 'piano'"):
        prepare_renders(data, tmp_path / "run", 1, 1.0, 1)


def test_a_broken_data_set_is_refused_in_its_own_words(tmp_path, monkeypatch):
    def broken(folder: Path) -> list[Recording]:
        raise ValueError(f"{folder} is broken")

    monkeypatch.setattr(material, "DATASETS", {"maestro": broken})
    with pytest.raises(TrainingError, match="maestro is broken"):
        prepare_renders(folder_with(tmp_path, "maestro"), tmp_path / "run", 1, 1.0, 1)


def test_renders_of_all_instruments_name_the_folder_that_is_missing(tmp_path):
    data = folder_with(tmp_path, *GENERAL_FOLDERS[:3])
    with pytest.raises(FileNotFoundError, match=f"holds no {GENERAL_FOLDERS[3]}; renders of all instruments need"):
        prepare_renders(data, tmp_path / "run", 1, 1.0, 1, "general")


def test_where_memory_holds_fewer_renders_than_there_are_all_are_heard_in_time(tmp_path, monkeypatch):
    """Each render is a level of its own, and only three are held at a time."""
    for number in range(12):
        store_render(
            Render(np.full(200_000, 1000 * (number + 1), np.int16), np.zeros((0, 4), np.int32)),
            tmp_path / f"render_{number:05d}.npz",
        )
    for name, value in {"HELD": 3, "EXCHANGED": 2, "ROUND": 5, "NOTHING_SHARE": 0.0}.items():
        monkeypatch.setattr(material, name, value)
    monkeypatch.setattr(material, "record", lambda samples, *_: samples)
    drawn = islice(segments(tmp_path, TranscriberConfig(), np.random.default_rng(1)), 200)
    levels = [round(float(samples[0]) * 32.768) for samples, _ in drawn]
    assert set(levels) == set(range(1, 13))
    assert all(len(set(levels[start : start + 5])) <= 3 for start in range(0, 200, 5))


@pytest.mark.parametrize(("there", "count", "taken"), [(5, 5, 5), (5, 24, 5), (100, 24, 20), (49, 24, 17), (0, 3, 0)])
def test_what_is_spread_comes_from_all_over(there, count, taken):
    chosen = spread(list(range(there)), count)
    assert len(chosen) == taken
    if there:
        assert (chosen[0], chosen[-1] > there - max(2, there / 5)) == (0, True)
