"""`triton` writes a bundled model or a file of one's own into a repository, and refuses in a sentence."""

from models.registry import bundled_files


def test_a_model_is_written_by_name_and_by_path(backline, tmp_path):
    said = backline("triton", "probe", "-o", tmp_path / "repository")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"wrote probe to {tmp_path / 'repository'}; ")
    assert backline("triton", bundled_files()["probe"], "-o", tmp_path / "two").code == 0
    files = {path.relative_to(tmp_path / "two").as_posix() for path in (tmp_path / "two").rglob("*") if path.is_file()}
    assert files == {"probe/config.pbtxt", "probe/1/model.onnx", "probe/README.md"}


def test_what_cannot_be_written_is_refused(backline, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    for words, sentence in (
        (("nobody", "-o", tmp_path / "out"), "there is no model 'nobody'; there are: probe"),
        (("probe", "-o", tmp_path / "file"), "it must be a folder, in a folder that exists"),
        (("probe", "-o", tmp_path / "a" / "b"), "it must be a folder, in a folder that exists"),
        ((tmp_path / "broken.onnx", "-o", tmp_path / "out"), "is not an ONNX file"),
        ((tmp_path / "none.onnx", "-o", tmp_path / "out"), "No such file"),
    ):
        assert sentence in backline("triton", *words).sentence
    assert not (tmp_path / "out").exists()
