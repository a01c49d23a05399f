"""The parts that a model is kept in: one .onnx file, or manifest.json and several, in a folder or in a .zip.

A .zip is read where it is and never unpacked. Nothing here knows what a part says.
"""

import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten

FILES = (".onnx", ".zip")
"""How a model's file name ends; a model may be a folder too."""
MANIFEST = "manifest.json"
TEXTS = (".md", ".txt", "")
"""How the names end of what may lie beside the parts: a licence, a read-me."""
LARGEST = 1 << 30  # bytes that a file may have, or a .zip unpack to: they are read whole
LONGEST_REASON = 200  # characters of what a library says


class ModelFileError(ValueError):
    """The file is no model that Backline can serve; the message says why."""


def name_of(path: Path) -> str:
    """Return the name that a model is served under."""
    return path.stem if path.suffix.lower() in FILES else path.name


def paths_in(folder: Path) -> list[Path]:
    """Return what may be models in a folder: files by their ending, and folders with a manifest. Raises OSError."""
    there = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    return [path for path in there if path.suffix.lower() in FILES or (path / MANIFEST).exists()]


def check_inside(path: Path, folder: Path) -> None:
    """Raise ModelFileError where a model of `folder`, or a part of it, is a link that leads out of it, or is no file."""
    inside = folder.resolve()
    try:
        for part in (path, *(path.iterdir() if path.is_dir() else ())):
            if not part.resolve().is_relative_to(inside):
                raise ModelFileError(f"{part} is a link that leads out of {folder}; copy the file in")
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
        raise ModelFileError(f"cannot read model file {path}: {error}") from error


def has_parts(path: Path) -> bool:
    """Whether a model of this path is one of several parts."""
    return path.suffix.lower() == ".zip" or path.is_dir()


def read_part(path: Path, name: str = "") -> bytes:
    """Return a part of the model at `path`, or the model itself where it is one file. Raises ModelFileError."""
    if not name:
        with _readable(path):
            return _read_file(path)
    with _opened(path) as (names, read):
        if name not in names:
            raise ModelFileError(f"{path} has no {name}")
        return read(name)


def size_of(path: Path) -> int:
    """Return the bytes that a model takes on the disk."""
    return sum(part.stat().st_size for part in path.iterdir()) if path.is_dir() else path.stat().st_size


def check_parts(path: Path, wanted: set[str]) -> None:
    """Raise ModelFileError where a part is missing, or where there is one that nobody asks for."""
    with _opened(path) as (names, _):
        missing = sorted(wanted - set(names))
        extra = sorted(name for name in set(names) - wanted if Path(name).suffix.lower() not in TEXTS)
    if missing:
        raise ModelFileError(f"{path} has no {missing[0]}, which its manifest names")
    if extra:
        raise ModelFileError(f"{path} has {extra[0]}, which its manifest does not name; take it out")


@contextmanager
def _opened(path: Path) -> Iterator[tuple[list[str], Callable[[str], bytes]]]:
    """Give the names of the parts, and a function that reads one."""
    with _readable(path):
        if path.is_dir():
            yield [each.name for each in path.iterdir()], lambda name: _read_file(path / name)
            return
        with zipfile.ZipFile(path) as packed:
            rows = packed.infolist()
            names = Counter(row.filename for row in rows)
            for name, count in names.items():
                if "/" in name or "\\" in name or name in (".", "..") or count > 1:
                    raise ModelFileError(
                        f"{path} has '{name:.80}'; the parts of a model lie side by side, each once, in no folder"
                    )
            if any(row.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for row in rows):
                raise ModelFileError(f"{path} is packed in a way that is not read here; zip it plainly or with deflate")
            if sum(row.file_size for row in rows) > LARGEST:
                raise ModelFileError(f"{path} unpacks to more than {LARGEST >> 20} MiB")
            sizes = {row.filename: row.file_size for row in rows}
            yield list(names), lambda name: _unpack(packed, name, sizes[name])


def _read_file(path: Path) -> bytes:
    """Return a file's bytes. One that is none, a pipe say, would be waited for without end."""
    if not path.is_file() and path.exists():
        raise ModelFileError(f"{path} is no file")
    if path.stat().st_size > LARGEST:
        raise ModelFileError(f"{path} has more than {LARGEST >> 20} MiB")
    return path.read_bytes()


def _unpack(packed: zipfile.ZipFile, name: str, size: int) -> bytes:
    """Return a part, no more of it than the .zip says that it has: what it unpacks to may be a thousand times that."""
    with packed.open(name) as part:
        return part.read(size)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Say in a sentence what keeps a model from being read."""
    try:
        yield
    except (
        zipfile.BadZipFile,
        EOFError,
        zlib.error,
        RuntimeError,
        UnicodeDecodeError,
    ) as error:  # RuntimeError: encrypted
        reason = shorten(str(error), LONGEST_REASON, placeholder=" ...")  # zipfile quotes what it finds, however long
        raise ModelFileError(f"{path} is no .zip that can be read, or it is cut off: {reason}") from error
    except OSError as error:
        raise ModelFileError(f"cannot read model file {path}: {error.strerror or error}") from error
