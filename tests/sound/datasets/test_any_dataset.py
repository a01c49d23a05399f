"""What holds of every data set: it is recognised, read lazily, kept apart by pieces, and refused where it is broken."""

import pytest

from models.sound.datasets import DATASETS, Recording, find_dataset
from models.sound.datasets.recording import keep_apart

FOLDERS = ("maestro_folder", "maps_folder", "slakh_folder", "musicnet_folder", "pop909_folder", "guitarset_folder")


@pytest.mark.parametrize("fixture", FOLDERS)
def test_a_layout_is_recognised_read_lazily_and_keeps_each_piece_on_one_side(fixture, request, assert_playable):
    folder = request.getfixturevalue(fixture)
    name = find_dataset(folder)
    assert name == fixture.removesuffix("_folder")
    recordings = list(DATASETS[name](folder))
    assert len({recording.name for recording in recordings}) == len(recordings) > 1
    splits: dict[str, set[str]] = {}
    for recording in recordings:
        assert recording.dataset == name
        assert recording.audio is None or recording.audio.is_file()
        splits.setdefault(recording.piece, set()).add(recording.split)
        assert_playable(recording.performance())
    assert all(len(names) == 1 for names in splits.values())


@pytest.mark.parametrize("name", DATASETS)
def test_a_loader_refuses_a_folder_of_something_else(name, tmp_path):
    with pytest.raises(ValueError, match=f"{tmp_path} is not the top folder of"):
        list(DATASETS[name](tmp_path))


def test_an_unknown_folder_is_refused_with_what_is_allowed(tmp_path):
    with pytest.raises(ValueError, match=f"{tmp_path} is not the top folder of a known data set; allowed are maestro"):
        find_dataset(tmp_path)
    with pytest.raises(ValueError, match="nowhere is no folder"):
        find_dataset(tmp_path / "nowhere")


def test_recordings_of_a_piece_that_is_held_out_are_left_out():
    def recording(name: str, piece: str, split: str) -> Recording:
        return Recording("set", name, piece, split, "piano", None, lambda: pytest.fail("read before it is needed"))

    given = [
        recording(*row)
        for row in (("a", "x", "test"), ("b", "x", "validation"), ("c", "y", "train"), ("d", "x", "test"))
    ]
    assert [kept.name for kept in keep_apart(given)] == ["a", "c", "d"]


@pytest.mark.parametrize("fixture", FOLDERS)
@pytest.mark.parametrize("content", [None, b"", b"\xff{broken"], ids=["missing", "empty", "broken"])
def test_a_file_of_notes_that_cannot_be_read_is_named(fixture, content, request):
    folder = request.getfixturevalue(fixture)
    recording = next(DATASETS[find_dataset(folder)](folder))
    files = [path for path in folder.rglob("*") if path.suffix in (".mid", ".midi", ".jams", ".csv", ".txt")]
    for path in files:
        path.unlink()
        if content is not None:
            path.write_bytes(content)
    if fixture == "musicnet_folder" and content == b"":
        assert recording.performance().notes.shape == (0, 4), "a table without rows is one without notes"
        return
    with pytest.raises(FileNotFoundError if content is None else ValueError) as refused:
        recording.performance()
    assert any(str(path) in str(refused.value) for path in files)
    assert "\n" not in str(refused.value)
