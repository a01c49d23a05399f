"""What was rendered and scored before, kept by the content of all that it came from: files, programs and settings."""

import json
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path

from benchmarks.record import ROOT, Row


def digest(*parts: object) -> str:
    """Return 16 letters for some parts: a file counts by its bytes, a folder by those of its modules, all else by its text."""
    return sha256("\n".join(_part(part) for part in parts).encode()).hexdigest()[:16]


def kept(folder: Path, key: str, make: Callable[[], Row]) -> Row:
    """Return the row that `folder` keeps under that key, or make it and keep it."""
    path = folder / f"{key}.json"
    if path.exists():
        row: Row = json.loads(path.read_text(encoding="utf-8"))
        return row
    row = make()
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(row), encoding="utf-8")
    unfinished.replace(path)
    return row


def source(*names: str) -> tuple[Path, ...]:
    """Return modules or packages of this checkout by their paths, for `digest`."""
    return tuple(ROOT / name for name in names)


def _part(part: object) -> str:
    if not isinstance(part, Path):
        return str(part)
    files = sorted(part.glob("*.py")) if part.is_dir() else [part]
    return " ".join(_bytes(file, file.stat().st_mtime_ns, file.stat().st_size) for file in files)


@cache
def _bytes(file: Path, changed: int, size: int) -> str:
    with file.open("rb") as opened:
        total = sha256()
        while block := opened.read(1 << 20):
            total.update(block)
    return total.hexdigest()
