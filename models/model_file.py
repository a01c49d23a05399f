"""A model out of its file or files, and checked: an ONNX graph whose metadata holds the manifest, or several beside a manifest.json.

Only the outermost layer of the ONNX message is walked (protobuf fields of ModelProto), so that reading a manifest
needs neither onnx nor ONNX Runtime and takes no time. Field numbers: onnx.proto, message ModelProto.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from models.manifest import Manifest, ManifestError
from models.manifest_reading import parse_manifest
from models.model_parts import MANIFEST, ModelFileError, check_parts, has_parts, read_part

METADATA_FIELD = 14  # ModelProto.metadata_props, entries of (key = 1, value = 2)
GRAPH_FIELD = 7  # ModelProto.graph
METADATA_KEY = "backline"


def read_manifest(path: Path) -> Manifest:
    """Return the checked manifest of the model at `path`: an .onnx file, or a folder or .zip of several parts.

    Raises ModelFileError where it is unreadable, not ONNX, foreign, changed since export or breaks the format.
    """
    if has_parts(path):
        return _read_parts(path)
    data = read_part(path)
    text = _metadata(data, _checked_fields(data, path))
    if text is None:
        raise ModelFileError(f"{path} has no Backline manifest; `backline export` writes one (docs/model-file.md)")
    manifest = _parsed(text, path)
    if any(graph.file for graph in manifest.graphs):
        raise ModelFileError(f"{path} is one file, and its manifest names others; {MANIFEST} lies beside them")
    if manifest.checksum != graph_checksum(data):
        raise ModelFileError(f"{path} is damaged: its graph does not match the manifest's checksum")
    return manifest


def _read_parts(path: Path) -> Manifest:
    try:
        text = read_part(path, MANIFEST).decode()
    except UnicodeDecodeError as error:
        raise ModelFileError(f"{path / MANIFEST} is not text") from error
    manifest = _parsed(text, path / MANIFEST)
    files = {graph.file: graph.checksum for graph in manifest.graphs}
    if "" in files:
        raise ModelFileError(f"{path / MANIFEST}: graph '{manifest.graphs[0].name}' has no file")
    check_parts(path, {MANIFEST, *files})
    for file, checksum in files.items():
        data = read_part(path, file)
        _checked_fields(data, path / file)
        if checksum != graph_checksum(data):
            raise ModelFileError(f"{path / file} is damaged: its graph does not match the manifest's checksum")
    return manifest


def _parsed(text: str, place: Path) -> Manifest:
    try:
        return parse_manifest(text)
    except ManifestError as error:
        raise ModelFileError(f"{place}: {error}") from error


def _checked_fields(data: bytes, place: Path) -> list[tuple[int, bytes, bytes]]:
    """Return the fields of an ONNX file. Raises ModelFileError where it is none."""
    try:
        fields = list(_fields(data))
    except (IndexError, ValueError) as error:
        raise ModelFileError(f"{place} is not an ONNX file, or it is cut off") from error
    if GRAPH_FIELD not in {number for number, _, _ in fields}:
        raise ModelFileError(f"{place} is not an ONNX file")
    return fields


def graph_checksum(data: bytes) -> str:
    """Return sha256 of an ONNX file's fields, the metadata left out."""
    digest = hashlib.sha256()
    for number, _, raw in _fields(data):
        if number != METADATA_FIELD:
            digest.update(raw)
    return "sha256:" + digest.hexdigest()


def with_constant_set(data: bytes, name: str) -> bytes:
    """Return an ONNX file whose boolean constant `name`, one value, is true. Raises ModelFileError where it has none.

    The constant's bytes: TensorProto.data_type (2) = 9, bool; name (8); raw_data (9), a byte.
    """
    false = b"\x10\x09\x42" + bytes([len(name)]) + name.encode() + b"\x4a\x01"
    if data.count(false + b"\x00") != 1:
        raise ModelFileError(f"its graph has no boolean constant '{name}', which its manifest names")
    return data.replace(false + b"\x00", false + b"\x01")


def _metadata(data: bytes, fields: list[tuple[int, bytes, bytes]]) -> str | None:
    for number, payload, _ in fields:
        if number != METADATA_FIELD:
            continue
        try:
            entry = {key: value for key, value, _ in _fields(payload)}
            if entry.get(1) == METADATA_KEY.encode():
                return entry.get(2, b"").decode()
        except (IndexError, ValueError, UnicodeDecodeError):
            return None
    return None


def _fields(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield (field number, payload, raw bytes) of a protobuf message. Raises ValueError or IndexError where it is none."""
    place = 0
    while place < len(data):
        begin = place
        key, place = _varint(data, place)
        number, wire = key >> 3, key & 7
        if wire == 0:
            _, end = _varint(data, place)
        elif wire in (1, 5):
            end = place + (8 if wire == 1 else 4)
        elif wire == 2:
            length, place = _varint(data, place)
            end = place + length
        else:
            raise ValueError(f"wire type {wire}")
        if end > len(data) or number == 0:
            raise ValueError("cut off")
        yield number, data[place:end], data[begin:end]
        place = end


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place += 1
        if byte < 0x80:
            return value, place
        shift += 7
        if shift > 63:
            raise ValueError("varint too long")
