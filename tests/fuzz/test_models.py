"""Model files, folders and .zip archives of any bytes: a manifest, or one sentence; a list of models always."""

import io
import json
import shutil
import zipfile
from pathlib import Path

from hypothesis import strategies as st

from models.manifest import Manifest
from models.model_file import read_manifest, with_constant_set
from models.model_parts import LARGEST, MANIFEST, ModelFileError
from server.errors import BacklineError
from server.model_store import Model, list_models

NAMES = st.sampled_from([MANIFEST, "listen.onnx", "play.onnx", "through.onnx", "../up.onnx", "a/b.onnx", "\\up.onnx", "/etc/x.onnx", "",
                         ".", "..", "é.onnx", "LICENSE.md", "x.py", "listen.ONNX", "a" * 300])  # fmt: skip


def packed(folder: Path, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a folder as a .zip."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as archive:
        for part in sorted(folder.iterdir()):
            archive.write(part, part.name)
    return data.getvalue()


def test_any_onnx_file_is_a_model_or_one_sentence(fuzz, spoiled, one_sentence, memory, held_folder, tmp_path):
    path, good = tmp_path / "held.onnx", (held_folder / "held.onnx").read_bytes()

    def check(data: bytes) -> None:
        path.write_bytes(data)
        try:
            manifest = read_manifest(path)
        except ModelFileError as error:
            one_sentence(error)
        else:
            assert manifest.name == "held"
        try:
            with_constant_set(data, "live")
        except ModelFileError as error:
            one_sentence(error)

    fuzz(check, spoiled(st.just(good)) | st.binary(max_size=100), examples=50)


def test_any_zip_is_a_model_or_one_sentence(fuzz, spoiled, one_sentence, memory, mirror_folder, tmp_path):
    path = tmp_path / "mirror.zip"
    whole = [packed(mirror_folder / "mirror", method) for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED)]

    def check(data: bytes) -> None:
        path.write_bytes(data)
        try:
            assert read_manifest(path).name == "mirror"
        except ModelFileError as error:
            one_sentence(error)
        assert [each.name for each in tmp_path.iterdir()] == ["mirror.zip"], "nothing is unpacked"

    def ends(data: bytes) -> bytes:
        """The directory of a .zip stands at its end: what is spoiled at the beginning there is spoiled here."""
        return data[::-1]

    fuzz(
        check,
        spoiled(st.sampled_from(whole)) | spoiled(st.sampled_from([ends(data) for data in whole])).map(ends),
        examples=50,
    )


def test_any_parts_are_a_model_or_one_sentence(fuzz, spoiled, one_sentence, mirror_folder, tmp_path):
    parts = {part.name: part.read_bytes() for part in (mirror_folder / "mirror").iterdir()}
    outside = tmp_path / "outside.onnx"
    outside.write_bytes(parts["listen.onnx"])
    strange = st.dictionaries(NAMES, spoiled(st.sampled_from(sorted(parts.values()))), max_size=3)

    def check(extra: dict[str, bytes], left_out: set[str], in_zip: bool) -> None:
        there = {name: data for name, data in parts.items() if name not in left_out} | extra
        folder = tmp_path / "models"
        folder.mkdir()
        if in_zip:
            with zipfile.ZipFile(folder / "mirror.zip", "w") as archive:
                for name, data in there.items():
                    archive.writestr(name or "x", data)
        else:
            (folder / "mirror").mkdir()
            for name, data in there.items():
                if name and name not in (".", "..") and "/" not in name and len(name) < 250:
                    (folder / "mirror" / name).write_bytes(data)
        found = list_models(folder).get("mirror")
        if isinstance(found, BacklineError):
            one_sentence(found)
        elif found is not None:
            assert isinstance(found, Model)
            assert isinstance(found.manifest, Manifest)
        shutil.rmtree(folder)
        assert [each.name for each in tmp_path.iterdir()] == ["outside.onnx"]

    fuzz(check, strange, st.sets(st.sampled_from(sorted(parts)), max_size=1), st.booleans(), examples=25)


def test_an_archive_that_unpacks_to_far_more_than_it_says_takes_no_memory(
    one_sentence, memory, mirror_folder, tmp_path
):
    huge = 300 << 20
    data = io.BytesIO()
    with (
        zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(MANIFEST, "w") as part,
    ):
        for _ in range(huge >> 20):
            part.write(b" " * (1 << 20))
    for said in (1000, LARGEST + 1):
        archive = data.getvalue().replace(huge.to_bytes(4, "little"), said.to_bytes(4, "little"))
        assert archive != data.getvalue()
        (tmp_path / "bomb.zip").write_bytes(archive)
        try:
            read_manifest(tmp_path / "bomb.zip")
        except ModelFileError as error:
            one_sentence(error)
        else:
            raise AssertionError("a bomb is no model")


def test_a_manifest_of_great_depth_or_length_is_one_sentence(one_sentence, memory, tmp_path):
    (tmp_path / "deep").mkdir()
    for text in ("[" * 100_000, '{"a":' * 100_000, json.dumps({"contract": "9" * 100_000}), "1" * 100_000):
        (tmp_path / "deep" / MANIFEST).write_text(text)
        found = list_models(tmp_path)["deep"]
        assert isinstance(found, BacklineError)
        one_sentence(found)
