"""A model of several graphs is written whole, as a folder or as a .zip, or not at all."""

import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from exporters.errors import ExportError
from exporters.onnx_export import describe_graph, export, export_parts
from exporters.placing import place
from models.manifest import Parameter, Port
from models.model_file import read_manifest
from models.model_parts import ModelFileError
from models.probe.manifest import probe_manifest
from models.probe.network import HOP, TAIL, ProbeNetwork
from server.onnx_step import OnnxStep, open_session

NAMES = ("listen", "play")
NETWORKS = {name: ProbeNetwork() for name in NAMES}
NAMED = {name: describe_graph(name, network, {"audio": (HOP,), "pulses": (HOP,)}) for name, network in NETWORKS.items()}
PROBE = probe_manifest(NAMED["listen"], HOP, TAIL)
MANIFEST = replace(
    PROBE,
    name="pair",
    graphs=tuple(replace(graph, directions=(name,)) for name, graph in NAMED.items()),
    outputs=(Port("notes", "notes", directions=("listen",)), Port("audio", "audio", 1, directions=("play",))),
    parameters=(*PROBE.parameters, Parameter("direction", "listen", choices=NAMES, fixed=True)),
)


class Apart(ProbeNetwork):
    """It answers otherwise when it is traced than when it is run."""

    calls = 0

    def step(self, audio, pulses, state):
        outputs, new = super().step(audio, pulses, state)
        self.calls += 1
        return {**outputs, "heard": outputs["heard"] + (0.01 if self.calls > 1 else 0.0)}, new


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pair, exported as a folder."""
    folder = tmp_path_factory.mktemp("pair") / "pair"
    assert export_parts(NETWORKS, MANIFEST, folder) == 0.0, "it only moves samples"
    return folder


def test_the_folder_holds_the_manifest_and_every_graph_with_its_checksum(folder):
    assert sorted(path.name for path in folder.iterdir()) == ["listen.onnx", "manifest.json", "play.onnx"]
    assert [path.name for path in folder.parent.iterdir()] == ["pair"], "nothing is left beside it"
    found = read_manifest(folder)
    assert [(graph.name, graph.file) for graph in found.graphs] == [("listen", "listen.onnx"), ("play", "play.onnx")]
    assert replace(found, graphs=tuple(replace(graph, file="", checksum="") for graph in found.graphs)) == MANIFEST


@pytest.mark.parametrize("name", NAMES)
def test_each_graph_is_served(folder, name):
    graph = next(graph for graph in read_manifest(folder).graphs if graph.name == name)
    step = OnnxStep(open_session(folder, file=graph.file), graph)
    audio = np.arange(HOP, dtype=np.float32)[None]
    outputs, _ = step({"audio": audio, "pulses": audio}, step.initial_state())
    assert np.array_equal(outputs["heard"][0, TAIL:], audio[0, : HOP - TAIL])


def test_a_zip_has_the_same_parts_and_the_same_bytes_again(folder, tmp_path):
    for name in ("one.zip", "two.zip"):
        place(folder, tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.zip", "two.zip"]
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    assert read_manifest(tmp_path / "one.zip") == read_manifest(folder)
    with zipfile.ZipFile(tmp_path / "one.zip") as packed:
        there = {name: packed.read(name) for name in packed.namelist()}
    assert there == {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def newer(folder, tmp_path_factory) -> Path:
    """The same parts under another title."""
    newer = shutil.copytree(folder, tmp_path_factory.mktemp("newer") / "draft")
    text = (newer / "manifest.json").read_text()
    (newer / "manifest.json").write_text(text.replace(MANIFEST.title, "newer"))
    return newer


@pytest.mark.parametrize("name", ["pair", "pair.zip"])
def test_an_older_model_is_replaced_whole(folder, newer, tmp_path, name):
    place(folder, tmp_path / name)
    place(newer, tmp_path / name)
    assert read_manifest(tmp_path / name).title == "newer"
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["pair", "pair.zip"])
def test_a_disk_that_refuses_leaves_the_older_model(folder, newer, tmp_path, monkeypatch, name):
    place(folder, tmp_path / name)
    rename = Path.replace

    def refuse(path: Path, target: Path) -> Path:
        if path.name == "new":
            raise OSError("no space")
        return rename(path, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="no space"):
        place(newer, tmp_path / name)
    assert read_manifest(tmp_path / name).title == MANIFEST.title
    assert [path.name for path in tmp_path.iterdir()] == [name]


REFUSALS = {
    "torch and ONNX that differ": ({"play": Apart()}, {}, ExportError, "torch and ONNX differ by 0.01 over 50 hops"),
    "a manifest that could not be read back": ({}, {"hop": 0}, ModelFileError, "hop is 0; allowed"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_what_breaks_its_manifest_is_refused_and_the_older_model_stays(folder, tmp_path, case):
    networks, changes, error, sentence = REFUSALS[case]
    older = shutil.copytree(folder, tmp_path / "pair")
    with pytest.raises(error, match=sentence):
        export_parts(NETWORKS | networks, replace(MANIFEST, **changes), older)
    assert [path.name for path in tmp_path.iterdir()] == ["pair"]
    for path in folder.iterdir():
        assert (older / path.name).read_bytes() == path.read_bytes()


def test_a_place_that_holds_something_else_is_left_alone(tmp_path):
    (tmp_path / "songs").mkdir()
    (tmp_path / "songs" / "song.mid").write_bytes(b"MThd")
    (tmp_path / "file").write_text("text")
    for name, sentence in (
        ("songs", "it is a folder that holds something else"),
        ("file", "it is a file, and a model of several graphs is a folder or a .zip"),
        ("pair.onnx", "a model of several graphs is a folder or a .zip"),
    ):
        with pytest.raises(ExportError, match=f"cannot write {tmp_path / name}: {sentence}"):
            export_parts(NETWORKS, MANIFEST, tmp_path / name)
    with pytest.raises(ExportError, match=r"a model of one graph is an \.onnx file"):
        export(ProbeNetwork(), PROBE, tmp_path / "songs")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "song.mid", "songs"]
