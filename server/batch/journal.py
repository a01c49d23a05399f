"""Which files of a batch are done, in OUTPUT/.backline: a line of JSON for each, and the folder where unfinished parts lie.

A file is done while nothing about it changed: its input, the model, the settings and what it became. Lines are appended whole when the
outputs are in their places; at the start the journal is written anew, without torn lines and lines that were overtaken, and renamed.
Whoever holds it is alone in the folder.
"""

import contextlib
import fcntl
import hashlib
import json
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from server.batch.job import Job, Stamp, Task
from server.errors import BacklineError
from server.files import write_text_whole

HIDDEN = ".backline"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file that is done. sha256: of the input. outputs: name in the output folder -> bytes."""

    name: str
    order: str
    stamp: Stamp
    sha256: str
    outputs: dict[str, int]


def stamp_of(path: Path) -> Stamp:
    """Return how a file looks now. Raises OSError."""
    found = path.stat()
    return Stamp(found.st_size, found.st_mtime_ns, found.st_ctime_ns)


class Journal:
    """The journal of an output folder, which is made where it is missing. A context manager, one owner. Raises BacklineError."""

    def __init__(self, output: Path) -> None:
        self._output, self._hidden = output, output / HIDDEN
        self._path, self._parts = self._hidden / "journal.jsonl", self._hidden / "parts"
        if not output.parent.is_dir():
            raise BacklineError(f"cannot write {output}: there is no folder {output.parent}")
        try:
            self._hidden.mkdir(parents=True, exist_ok=True)
            self._lock = (self._hidden / "lock").open("w")
        except OSError as error:
            raise BacklineError(f"cannot write {output}: {error.strerror or error}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise BacklineError(f"another batch is writing to {output}; wait for it, or name another folder") from error
        self._clear()
        self._entries = _read(self._path)
        self._parts.mkdir(exist_ok=True)
        write_text_whole(self._path, "".join(map(_line, self._entries.values())))
        self._count = 0

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *problem: object) -> None:
        self._clear()
        self._lock.close()

    def is_done(self, job: Job) -> bool:
        """Whether a job was done before and nothing changed since; reads a file again only where it looks another one."""
        entry = self._entries.get(job.name)
        if entry is None or entry.order != job.order or set(entry.outputs) != set(map(self._name, job.outputs)):
            return False
        try:
            if any((self._output / name).stat().st_size != size for name, size in entry.outputs.items()):
                return False
            stamp = stamp_of(job.source)
            if stamp != entry.stamp:
                if _sha256(job.source) != entry.sha256:
                    return False
                self._write(replace(entry, stamp=stamp))
            return True
        except OSError:
            return False

    def give_out(self, job: Job) -> Task:
        """Return a job with places for its parts; nothing of it is done until they are put into theirs."""
        self._count += 1
        parts = tuple(self._parts / f"{self._count}{place.suffix}" for place in job.outputs)
        try:
            return Task(job, parts, stamp_of(job.source))
        except OSError:  # it is gone, which is said when it is read
            return Task(job, parts, Stamp(-1, 0, 0))

    def put_in_place(self, task: Task, sha256: str) -> None:
        """Move the parts to their places and write it down. sha256: of the file that was read. Raises BacklineError."""
        job = task.job
        try:
            sizes = {
                self._name(place): part.stat().st_size for part, place in zip(task.parts, job.outputs, strict=True)
            }
            for part, place in zip(task.parts, job.outputs, strict=True):
                place.parent.mkdir(parents=True, exist_ok=True)
                part.replace(place)
            entry = Entry(job.name, job.order, task.stamp, sha256, sizes)
            self._write(entry)
        except OSError as error:
            raise BacklineError(f"cannot write {job.outputs[0]}: {error.strerror or error}") from error

    def _write(self, entry: Entry) -> None:
        with self._path.open("ab", buffering=0) as file:
            file.write(_line(entry).encode())
        self._entries[entry.name] = entry

    def _name(self, place: Path) -> str:
        return place.relative_to(self._output).as_posix()

    def _clear(self) -> None:
        """Throw away what is half done, of this batch or of one that was killed."""
        with contextlib.suppress(OSError):
            shutil.rmtree(self._parts)


def _read(path: Path) -> dict[str, Entry]:
    """Return the last entry of every file; a line that is torn or of another version counts for nothing."""
    entries: dict[str, Entry] = {}
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    except OSError as error:
        raise BacklineError(f"cannot read {path}: {error.strerror or error}") from error
    for line in lines:
        with contextlib.suppress(ValueError, TypeError, KeyError):
            row = json.loads(line)
            entry = Entry(**(row | {"stamp": Stamp(**row["stamp"])}))
            entries[entry.name] = entry
    return entries


def _line(entry: Entry) -> str:
    return json.dumps(asdict(entry)) + "\n"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
