"""The files of a folder that a model can be given, and what each of them becomes."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from models.manifest import Manifest, ManifestError
from server.audio.file import AUDIO_SUFFIXES, WRITABLE_SUFFIXES
from server.batch.job import Job
from server.directions import Settings, gives, said_of, takes, turned
from server.errors import BacklineError
from server.file_job import kind_of
from server.midi.file import MIDI_SUFFIXES
from server.picture import PICTURE_SUFFIXES

OUTPUT_SUFFIXES = (*MIDI_SUFFIXES, *WRITABLE_SUFFIXES, *PICTURE_SUFFIXES)
SUFFIXES_OF = {"audio": AUDIO_SUFFIXES, "notes": MIDI_SUFFIXES}


@dataclass(frozen=True, slots=True)
class Aim:
    """What is done to all files of a kind. settings: with the direction that is meant. suffixes: of the outputs."""

    settings: Settings
    suffixes: tuple[str, ...]
    order: str


def find_aims(manifest: Manifest, settings: Settings, suffixes: Sequence[str], kinds: Sequence[str]) -> dict[str, Aim]:
    """Return kind of input -> what becomes of it, of those `kinds` that the model takes and makes all `suffixes` of.

    suffixes: none for .mid where the model gives notes and .wav where it gives audio. Raises BacklineError: a wrong setting or suffix,
    and where no kind is left.
    """
    for suffix in suffixes:
        if suffix not in OUTPUT_SUFFIXES:
            raise BacklineError(f"--suffix is '{suffix}'; allowed: {' '.join(OUTPUT_SUFFIXES)}")
    aims: dict[str, Aim] = {}
    wanted = [kind_of(Path(f"a{suffix}")) for suffix in suffixes]
    for kind in kinds:
        faced, turned_settings = turned(manifest, settings, [kind], wanted)
        made = tuple(suffixes) or tuple(s for s, k in ((".mid", "notes"), (".wav", "audio")) if gives(faced, k))
        if not takes(faced, kind) or not all(gives(faced, each) for each in wanted) or not made:
            continue
        try:
            values = faced.resolve(turned_settings)
        except ManifestError as error:
            raise BacklineError(str(error)) from error
        text = json.dumps([manifest.to_json(), sorted(values.items())])
        aims[kind] = Aim(turned_settings, made, hashlib.sha256(text.encode()).hexdigest())
    if not aims:
        into = " and ".join(suffixes) or "files"
        heard = " or ".join("MIDI" if kind == "notes" else kind for kind in kinds)
        raise BacklineError(f"{said_of(manifest)} makes no {into} of {heard}")
    return aims


def find_files(folder: Path, output: Path, patterns: Sequence[str] = ()) -> list[str]:
    """Return the names of audio and MIDI files under `folder`, with '/', in order; none that is hidden or under `output`.

    patterns: what a file's name or path in the folder must look like, one of them, for instance *bass*.wav. Raises BacklineError
    where there is none.
    """
    if not folder.is_dir():
        raise BacklineError(f"there is no folder {folder}")
    if folder.resolve().is_relative_to(output.resolve()):
        raise BacklineError(f"-o is {output}, and the files to read lie in it; name another folder for what is made")
    names = [
        name for name in _names_in(folder, output.resolve())
        if not patterns or any(fnmatchcase(name, p) or fnmatchcase(PurePosixPath(name).name, p) for p in patterns)
    ]  # fmt: skip
    if not names:
        like = f" whose name is like {' or '.join(patterns)}" if patterns else ""
        raise BacklineError(
            f"{folder} holds no audio or MIDI file{like}: {' '.join((*AUDIO_SUFFIXES, *MIDI_SUFFIXES))}"
        )
    return names


def find_jobs(folder: Path, output: Path, names: Sequence[str], aims: dict[str, Aim]) -> list[Job]:
    """Return a job for each file of a kind that is aimed at. Raises BacklineError where two would be written to one place."""
    jobs: list[Job] = []
    taken: dict[Path, str] = {}
    for name in names:
        aim = aims.get(kind_of(Path(name)))
        if aim is None:
            continue
        outputs = tuple(output / PurePosixPath(name).with_suffix(suffix) for suffix in aim.suffixes)
        for place in outputs:
            if place in taken:
                raise BacklineError(f"{taken[place]} and {name} would both become {place}; --only PATTERN chooses one")
            taken[place] = name
        jobs.append(Job(name, folder / name, outputs, aim.order))
    if not jobs:
        allowed = " ".join(suffix for kind in aims for suffix in SUFFIXES_OF[kind])
        raise BacklineError(f"{folder} holds no file that the model takes: {allowed}")
    return jobs


def _names_in(folder: Path, output: Path) -> list[str]:
    names = []
    for place, folders, files in os.walk(folder):
        # Hidden ones are what file managers leave beside music, and what is being written.
        folders[:] = [each for each in folders if not each.startswith(".") and (Path(place) / each).resolve() != output]
        names += [
            (Path(place) / each).relative_to(folder).as_posix()
            for each in files
            if not each.startswith(".") and Path(each).suffix.lower() in (*AUDIO_SUFFIXES, *MIDI_SUFFIXES)
        ]
    return sorted(names)
