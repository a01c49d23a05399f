"""A model file that is cut off, changed, foreign or random is refused with a sentence and nothing worse."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.manifest import Manifest
from models.model_file import graph_checksum, read_manifest
from models.model_parts import ModelFileError
from models.registry import bundled_files

GOOD = bundled_files()["probe"].read_bytes()


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def entry(number: int, payload: bytes) -> bytes:
    """Return a protobuf field of bytes."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def model(metadata: bytes | None, graph: bytes = b"graph") -> bytes:
    """Return a file with a graph field and, unless None, a Backline manifest of these bytes."""
    data = entry(7, graph)
    return data if metadata is None else data + entry(14, entry(1, b"backline") + entry(2, metadata))


@pytest.fixture(scope="module")
def read_bytes(tmp_path_factory):
    """A function that reads bytes as a model file."""
    path = tmp_path_factory.mktemp("models") / "given.onnx"

    def read(data: bytes) -> Manifest:
        path.write_bytes(data)
        return read_manifest(path)

    return read


def test_the_bundled_probe_is_read(read_bytes):
    assert read_bytes(GOOD).name == "probe"


@pytest.mark.parametrize("name", bundled_files())
def test_every_bundled_file_is_whole_and_named_after_its_player(name):
    assert read_manifest(bundled_files()[name]).name == name


REFUSALS = {
    "empty": (b"", "is not an ONNX file"),
    "text": (b"hello, this is a song\n", "is not an ONNX file"),
    "a wav file": (b"RIFF\x24\x00\x00\x00WAVEfmt ", "is not an ONNX file"),
    "zeros": (bytes(1000), "is not an ONNX file"),
    "cut off": (GOOD[:-1], "is not an ONNX file, or it is cut off"),
    "half": (GOOD[: len(GOOD) // 2], "is not an ONNX file"),
    "something after it": (GOOD + b"\x00", "is not an ONNX file"),
    "an endless varint": (b"\xff" * 40, "is not an ONNX file"),
    "a graph of someone else": (model(None), "has no Backline manifest; `backline export` writes one"),
    "metadata of someone else": (
        entry(7, b"") + entry(14, entry(1, b"author") + entry(2, b"x")),
        "has no Backline manifest",
    ),
    "an empty manifest": (model(b""), "the manifest is not JSON"),
    "a manifest that is no text": (model(b"\xff\xfe"), "has no Backline manifest"),
    "a manifest of another contract": (model(b'{"contract": 2}'), "contract is 2; this Backline reads contract 1"),
    "another graph": (GOOD + entry(7, b"other"), "is damaged: its graph does not match the manifest's checksum"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_bad_file_is_refused_with_a_sentence_that_names_it(read_bytes, case):
    data, sentence = REFUSALS[case]
    with pytest.raises(ModelFileError, match=rf"given\.onnx.*{sentence}"):
        read_bytes(data)


def test_a_file_that_is_not_there_or_is_a_folder_is_refused(tmp_path: Path):
    with pytest.raises(ModelFileError, match=r"cannot read model file .*nowhere\.onnx: No such file"):
        read_manifest(tmp_path / "nowhere.onnx")
    with pytest.raises(ModelFileError, match=r"has no manifest\.json"):
        read_manifest(tmp_path)


def test_a_file_that_nobody_can_read_is_refused(tmp_path: Path):
    (tmp_path / "probe.onnx").write_bytes(GOOD)
    (tmp_path / "circle.onnx").symlink_to("circle.onnx")
    for path, reason in (
        (tmp_path / "probe.onnx" / "inside.onnx", "Not a directory"),
        (tmp_path / "circle.onnx", "Too many levels of symbolic links"),
        (Path("/proc/self/mem"), "Input/output error"),  # root may open it, and cannot read its beginning
    ):
        with pytest.raises(ModelFileError, match=rf"cannot read model file {path}: {reason}"):
            read_manifest(path)


@given(data=st.binary(max_size=400))
def test_random_bytes_are_refused(read_bytes, data):
    with pytest.raises(ModelFileError):
        read_bytes(data)


@given(metadata=st.binary(max_size=200))
def test_random_metadata_is_refused(read_bytes, metadata):
    with pytest.raises(ModelFileError):
        read_bytes(model(metadata))


@given(end=st.integers(0, len(GOOD) - 1))
def test_a_file_cut_anywhere_is_refused(read_bytes, end):
    with pytest.raises(ModelFileError):
        read_bytes(GOOD[:end])


@given(place=st.integers(0, len(GOOD) - 1), value=st.integers(1, 255))
def test_a_flipped_byte_is_seen_unless_it_lies_in_the_manifests_own_words(read_bytes, place, value):
    damaged = bytearray(GOOD)
    damaged[place] ^= value
    try:
        found = read_bytes(bytes(damaged))
    except ModelFileError:
        return
    assert found != read_bytes(GOOD), "a change passed unseen"
    assert graph_checksum(bytes(damaged)) == found.checksum
