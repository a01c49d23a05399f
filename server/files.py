"""Files that are either whole or not there: written beside their place and renamed into it."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from pathlib import Path
from typing import BinaryIO, cast

from server.errors import BacklineError


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a new file and move it to `path`. Raises BacklineError; then nothing is left behind."""
    if path.exists() and not path.is_file():  # a device or a pipe: renaming would put a file in its place
        _write(path, path, write)
        return
    partial = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        _write(path, partial, write)
        _write(path, partial, lambda whole: whole.replace(path))
    finally:
        partial.unlink(missing_ok=True)


def write_text_whole(path: Path, text: str) -> None:
    """Write `text` as UTF-8; see write_whole."""
    write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def free_stem(stem: Path, suffixes: Iterable[str]) -> Path:
    """Return `stem`, or the first of stem-2, stem-3 and so on of which no file with one of the suffixes is there."""
    ends = tuple(suffixes)
    for number in count(1):
        free = stem if number == 1 else stem.with_name(f"{stem.name}-{number}")
        if not any(free.with_name(free.name + end).exists() for end in ends):
            return free
    raise AssertionError("unreachable: numbers do not end")


def move_files(paths: Sequence[Path], folder: Path) -> list[Path]:
    """Move files of one stem to a folder, each whole or not at all; none there is overwritten: see free_stem.

    Raises BacklineError.
    """
    for path in paths:
        if not path.is_file():
            raise BacklineError(f"{path} is not on this machine; leave the folder out, and it stays there")
    stem = free_stem(folder / paths[0].stem, [path.suffix for path in paths])
    places = [stem.with_name(stem.name + path.suffix) for path in paths]
    for path, place in zip(paths, places, strict=True):
        write_whole(place, lambda partial, path=path: shutil.copyfile(path, partial))  # type: ignore[misc]  # bound now
        path.unlink(missing_ok=True)
    return places


class WholeFile:
    """A file that is filled bit by bit, unbuffered: `finish` puts it into its place, `discard` leaves nothing of it.

    file: what is written to. Raises BacklineError.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._device = path.exists() and not path.is_file()  # it gets the bytes at the end, in order
        self._partial = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
        try:
            opened = tempfile.TemporaryFile(buffering=0) if self._device else self._partial.open("w+b", buffering=0)  # noqa: SIM115
        except OSError as error:
            raise BacklineError(f"cannot write {path}: {error.strerror or error}") from error
        self.file = cast(BinaryIO, opened)

    def finish(self) -> None:
        """Put what was written into its place."""
        try:
            if self._device:
                self.file.seek(0)
                with self._path.open("wb") as device:
                    shutil.copyfileobj(self.file, device)
            else:
                self._partial.replace(self._path)
        except OSError as error:
            raise BacklineError(f"cannot write {self._path}: {error.strerror or error}") from error
        finally:
            self.discard()

    def discard(self) -> None:
        """Let go of it; after `finish` there is nothing to do."""
        self.file.close()
        if not self._device:
            self._partial.unlink(missing_ok=True)


def _write(path: Path, place: Path, write: Callable[[Path], object]) -> None:
    try:
        write(place)
    except OSError as error:
        raise BacklineError(f"cannot write {path}: {error.strerror or error}") from error


def require_folder(path: Path) -> None:
    """Raise BacklineError where the folder that `path` shall lie in is missing: said before work, not after."""
    if not path.parent.is_dir():
        raise BacklineError(f"cannot write {path}: there is no folder {path.parent}")
    if path.is_dir():
        raise BacklineError(f"cannot write {path}: it is a folder")
