"""What a job of a batch is, and how it is done, wherever that is: in a process of this machine or on a node of a cluster.

A job never writes to its outputs' places: it fills `parts`, and who gave it moves them there.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from server.directions import Settings
from server.errors import BacklineError
from server.file_job import FileJob, do_job
from server.model_store import find_model


@dataclass(frozen=True, slots=True)
class Work:
    """What is the same for all files. model: path of its file or folder. settings: NAME -> value, as they were given."""

    model: str
    settings: Settings
    provider: str


@dataclass(frozen=True, slots=True)
class Job:
    """One file of a batch.

    name: the file in its folder, with '/'. source: its path. outputs: where what it becomes shall lie. order: what is done to it, as a
    checksum of the model and of all settings.
    """

    name: str
    source: Path
    outputs: tuple[Path, ...]
    order: str


@dataclass(frozen=True, slots=True)
class Stamp:
    """How a file looks from outside: bytes, and nanoseconds of the last change of what is in it and of anything about it."""

    size: int
    changed_ns: int
    touched_ns: int


@dataclass(frozen=True, slots=True)
class Task:
    """A job that is given out. parts: the files to fill, one an output. stamp: how the source looked before it was read."""

    job: Job
    parts: tuple[Path, ...]
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended. problem: a sentence where it failed. said: remarks. sha256: of the file that was read. node: who did it."""

    problem: str = ""
    said: tuple[str, ...] = ()
    sha256: str = ""
    node: str = ""


def do(work: Work, source: Path, parts: tuple[Path, ...], names: dict[str, str]) -> Outcome:
    """Put `source` through the model into `parts`; never raises. names: path -> what sentences call it instead."""
    said: list[str] = []
    try:
        with source.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        do_job(
            FileJob(source, parts), find_model(work.model), work.settings, work.provider, said.append, lambda _: None
        )
    except BacklineError as error:
        return Outcome(_called(str(error), names))
    except Exception as error:  # a defect, or no memory left: this file's own, and the other files are done
        return Outcome(_called(f"{source}: {error!r}", names))
    return Outcome("", tuple(_called(line.removeprefix("backline: "), names) for line in said), digest)


def _called(text: str, names: dict[str, str]) -> str:
    for path, name in names.items():
        text = text.replace(path, name)
    return text
