"""Files that are either whole or not there: written beside their place and renamed into it."""

import os
from collections.abc import Callable
from pathlib import Path

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
