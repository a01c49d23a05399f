"""The one file a model lives in: an ONNX graph whose metadata holds the manifest.

Only the outermost layer of the ONNX message is walked (protobuf fields of ModelProto), so that reading a manifest
needs neither onnx nor ONNX Runtime and takes no time. Field numbers: onnx.proto, message ModelProto.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from models.manifest import Manifest, ManifestError, parse_manifest

METADATA_FIELD = 14  # ModelProto.metadata_props, entries of (key = 1, value = 2)
GRAPH_FIELD = 7  # ModelProto.graph
METADATA_KEY = "backline"


class ModelFileError(ValueError):
    """The file is no model that Backline can serve; the message says why."""


def read_manifest(path: Path) -> Manifest:
    """Return the checked manifest of the model file at `path`.

    Raises ModelFileError where the file is unreadable, not ONNX, foreign, changed since export or breaks the format.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"cannot read model file {path}: {error.strerror}") from error
    try:
        fields = list(_fields(data))
    except (IndexError, ValueError) as error:
        raise ModelFileError(f"{path} is not an ONNX file, or it is cut off") from error
    if GRAPH_FIELD not in {number for number, _, _ in fields}:
        raise ModelFileError(f"{path} is not an ONNX file")
    text = _metadata(data, fields)
    if text is None:
        raise ModelFileError(f"{path} has no Backline manifest; `backline export` writes one (docs/model-file.md)")
    try:
        manifest = parse_manifest(text)
    except ManifestError as error:
        raise ModelFileError(f"{path}: {error}") from error
    if manifest.checksum != graph_checksum(data):
        raise ModelFileError(f"{path} is damaged: its graph does not match the manifest's checksum")
    return manifest


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
