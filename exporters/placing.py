"""Put a model of several parts where it belongs: whole, or not at all."""

import shutil
import tempfile
import zipfile
from pathlib import Path

from exporters.errors import ExportError
from models.model_parts import MANIFEST


def check_place(path: Path) -> None:
    """Raise ExportError where a model of several parts may not be written to `path`."""
    if path.suffix not in (".zip", ""):
        raise ExportError(f"cannot write {path}: a model of several graphs is a folder or a .zip")
    if path.is_file() and path.suffix != ".zip":
        raise ExportError(f"cannot write {path}: it is a file, and a model of several graphs is a folder or a .zip")
    if path.is_dir() and any(path.iterdir()) and not (path / MANIFEST).exists():
        raise ExportError(f"cannot write {path}: it is a folder that holds something else")


def place(draft: Path, path: Path) -> None:
    """Copy the folder `draft` to `path`, by its name a .zip or a folder; what was there is replaced when all of it is written."""
    with tempfile.TemporaryDirectory(prefix=".", suffix=".part", dir=path.parent) as name:
        partial, older = Path(name) / "new", Path(name) / "older"
        if path.suffix == ".zip":
            with zipfile.ZipFile(partial, "w") as packed:
                for part in sorted(draft.iterdir()):
                    packed.writestr(
                        zipfile.ZipInfo(part.name), part.read_bytes()
                    )  # without a date: the same model, the same file
            partial.replace(path)
            return
        shutil.copytree(draft, partial)
        if path.exists():
            path.replace(older)
        try:
            partial.replace(path)
        except OSError:
            if older.exists():
                older.replace(path)
            raise
