"""A model of several parts, in a folder or a .zip: read where it is, and refused with a sentence where a part is not right."""

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.manifest import GraphSpec, Head, Manifest, Parameter, Port, TensorSpec
from models.model_file import graph_checksum, read_manifest
from models.model_parts import ModelFileError, read_part, size_of

NAMES = ("listen", "play")
SIGNAL = (TensorSpec("audio", (128,)),)


def graph(name: str) -> bytes:
    """Return the bytes of an ONNX file as far as it is looked at: a graph field, which holds `name`."""
    return b"\x3a" + bytes([len(name)]) + name.encode()


MANIFEST = Manifest(
    name="both", title="Both ways", licence="none", sample_rate=32_000, hop=128, decoder="probe",
    graphs=tuple(GraphSpec(name, "hop", SIGNAL, SIGNAL, (), f"{name}.onnx", graph_checksum(graph(name)), (name,)) for name in NAMES),
    inputs=(Port("audio", "audio", 1),), outputs=(Port("audio", "audio", 1),), heads=(Head(0.0, 0),),
    parameters=(Parameter("direction", "listen", choices=NAMES, fixed=True),),
)  # fmt: skip
PARTS = {"manifest.json": MANIFEST.to_json().encode()} | {f"{name}.onnx": graph(name) for name in NAMES}
Write = Callable[[dict[str, bytes]], Path]


def as_folder(parts: dict[str, bytes], path: Path) -> Path:
    path.mkdir()
    for name, data in parts.items():
        (path / name).write_bytes(data)
    return path


def as_zip(parts: dict[str, bytes], path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in parts.items():
            packed.writestr(name, data)
    return path


@pytest.fixture(params=["folder", "zip"])
def write(request: pytest.FixtureRequest, tmp_path: Path) -> Write:
    """A function that keeps parts as a model and returns its path."""
    return lambda parts: (
        as_folder(parts, tmp_path / "model") if request.param == "folder" else as_zip(parts, tmp_path / "model.zip")
    )


def with_manifest(**changes: Any) -> dict[str, bytes]:
    return PARTS | {"manifest.json": json.dumps(json.loads(MANIFEST.to_json()) | changes).encode()}


def without(name: str) -> dict[str, bytes]:
    return {key: data for key, data in PARTS.items() if key != name}


def test_it_is_read_and_so_is_each_of_its_graphs(write: Write):
    path = write(PARTS)
    assert read_manifest(path) == MANIFEST
    assert [read_part(path, spec.file) for spec in MANIFEST.graphs] == [graph(name) for name in NAMES]
    assert size_of(path) == (path.stat().st_size if path.is_file() else sum(map(len, PARTS.values())))


def test_a_licence_and_a_read_me_may_lie_beside_the_parts(write: Write):
    assert read_manifest(write(PARTS | {"LICENSE": b"free", "README.md": b"# Both", "notes.txt": b""})) == MANIFEST


def test_one_graph_may_lie_in_a_folder_too(write: Write):
    alone = replace(MANIFEST, graphs=(replace(MANIFEST.graphs[0], directions=()),))
    parts = {"manifest.json": alone.to_json().encode(), "listen.onnx": PARTS["listen.onnx"]}
    assert read_manifest(write(parts)) == alone


REFUSALS = {
    "nothing": ({}, r"has no manifest\.json"),
    "no manifest": (without("manifest.json"), r"has no manifest\.json"),
    "a manifest that is no text": (PARTS | {"manifest.json": b"\xff\xfe"}, r"manifest\.json is not text"),
    "a manifest that is no JSON": (PARTS | {"manifest.json": b"hello"}, r"manifest\.json: the manifest is not JSON"),
    "a manifest of another contract": (with_manifest(contract=2), r"manifest\.json: contract is 2; this Backline reads contract 1"),
    "a graph that is missing": (without("play.onnx"), r"has no play\.onnx, which its manifest names"),
    "a graph that is damaged": (
        PARTS | {"play.onnx": graph("plax")}, r"play\.onnx is damaged: its graph does not match the manifest's checksum",
    ),
    "graphs that were exchanged": (
        PARTS | {"play.onnx": PARTS["listen.onnx"], "listen.onnx": PARTS["play.onnx"]}, r"listen\.onnx is damaged",
    ),
    "a graph that is cut off": (PARTS | {"play.onnx": graph("play")[:-1]}, r"play\.onnx is not an ONNX file, or it is cut off"),
    "a graph that is none": (PARTS | {"play.onnx": b""}, r"play\.onnx is not an ONNX file"),
    "a graph of nobody": (PARTS | {"extra.onnx": graph("extra")}, r"has extra\.onnx, which its manifest does not name; take it out"),
    "a program": (PARTS | {"play.py": b"print()"}, r"has play\.py, which its manifest does not name"),
    "a graph without a file": (
        with_manifest(graphs=[json.loads(MANIFEST.to_json())["graphs"][0] | {"file": "", "directions": []}]),
        r"manifest\.json: graph 'listen' has no file",
    ),
    "a file outside": (
        with_manifest(graphs=[json.loads(MANIFEST.to_json())["graphs"][0] | {"file": "../listen.onnx", "directions": []}]),
        r"manifest\.json: graph 'listen' is in '\.\./listen\.onnx'; allowed: a plain name that ends in \.onnx",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_parts_that_are_not_right_are_refused_with_a_sentence_that_names_them(write: Write, case):
    parts, sentence = REFUSALS[case]
    path = write(parts)
    with pytest.raises(ModelFileError, match=rf"^{path}.*{sentence}"):
        read_manifest(path)


@pytest.mark.parametrize(
    "name", ["../play.onnx", "/tmp/play.onnx", "model/play.onnx", "model/", "..", "model\\play.onnx"]
)
def test_a_zip_with_a_name_that_leads_anywhere_is_refused_and_nothing_is_written(tmp_path: Path, name):
    (tmp_path / "in").mkdir()
    path = as_zip(PARTS | {name: b"x"}, tmp_path / "in" / "model.zip")
    with pytest.raises(ModelFileError, match="the parts of a model lie side by side, each once, in no folder"):
        read_manifest(path)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [path]


def test_a_zip_that_names_a_part_twice_is_refused(tmp_path: Path):
    path = as_zip(PARTS, tmp_path / "model.zip")
    with zipfile.ZipFile(path, "a") as packed, pytest.warns(UserWarning, match="Duplicate name"):
        packed.writestr("play.onnx", graph("play"))
    with pytest.raises(ModelFileError, match=r"has 'play\.onnx'; .* each once"):
        read_manifest(path)


def test_a_zip_whose_names_do_not_agree_is_refused_in_one_sentence(tmp_path: Path):
    path = as_zip(PARTS, tmp_path / "model.zip")
    data = bytearray(path.read_bytes())
    data[26:28] = (2000).to_bytes(2, "little")  # the first entry's name is so long, if its own head is asked
    path.write_bytes(data)
    with pytest.raises(
        ModelFileError, match=r"model\.zip is no \.zip that can be read, or it is cut off: File name"
    ) as said:
        read_manifest(path)
    assert len(str(said.value)) < 400 + len(str(path))


def test_a_zip_that_would_fill_the_memory_is_refused(tmp_path: Path):
    path = as_zip(PARTS, tmp_path / "model.zip")
    data = bytearray(path.read_bytes())
    place = data.rfind(b"PK\x01\x02") + 24  # the last entry's size unpacked, in the directory
    data[place : place + 4] = (0xF0000000).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match=r"model\.zip unpacks to more than 1024 MiB"):
        read_manifest(path)


def test_a_zip_that_is_packed_in_another_way_is_refused(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "model.zip", "w", zipfile.ZIP_BZIP2) as packed:
        for name, data in PARTS.items():
            packed.writestr(name, data)
    with pytest.raises(ModelFileError, match=r"model\.zip is packed in a way that is not read here"):
        read_manifest(tmp_path / "model.zip")


def test_a_part_of_a_model_is_none_by_itself(tmp_path: Path):
    folder = as_folder(PARTS, tmp_path / "model")
    with pytest.raises(ModelFileError, match=r"listen\.onnx has no Backline manifest"):
        read_manifest(folder / "listen.onnx")


def test_what_is_not_there_is_said(tmp_path: Path):
    with pytest.raises(ModelFileError, match=r"cannot read model file .*none\.zip: No such file"):
        read_manifest(tmp_path / "none.zip")


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged") / "model.zip"


WHOLE = io.BytesIO()
with zipfile.ZipFile(WHOLE, "w", zipfile.ZIP_DEFLATED) as packed_parts:
    for part, content in PARTS.items():
        packed_parts.writestr(zipfile.ZipInfo(part), content, zipfile.ZIP_DEFLATED)
SIZE = len(WHOLE.getvalue())


@given(place=st.integers(0, SIZE - 1), values=st.binary(min_size=1, max_size=4), keep=st.integers(SIZE // 2, SIZE + 5))
def test_no_damage_to_a_zip_makes_more_than_a_sentence(damaged: Path, place, values, keep):
    whole = WHOLE.getvalue()
    damaged.write_bytes((whole[:place] + values + whole[place + len(values) :])[:keep])
    with suppress(ModelFileError):
        manifest = read_manifest(damaged)
        assert [read_part(damaged, spec.file) for spec in manifest.graphs] == [graph(name) for name in NAMES]


@given(data=st.binary(max_size=200))
def test_no_bytes_at_all_make_more_than_a_sentence(damaged: Path, data):
    damaged.write_bytes(data)
    with pytest.raises(ModelFileError, match=r"model\.zip"):
        read_manifest(damaged)


def test_a_folder_that_goes_away_is_said(tmp_path: Path):
    folder = as_folder(PARTS, tmp_path / "model")
    shutil.rmtree(folder)
    with pytest.raises(ModelFileError, match=r"cannot read model file .*model: No such file"):
        read_manifest(folder)
