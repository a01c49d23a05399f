"""Other transcribers on audio files, each with its own defaults: run by the Python that has them, not by ours.

    PYTHON peers.py                          prints {"basic_pitch": "0.4.0", "aubionotes": "0.4.9"}: what it has
    PYTHON peers.py NAME OUTPUT FILE...      writes OUTPUT/FILE-STEM.json for every file

It imports nothing of Backline. A file holds {"notes": [[onset, offset, pitch, velocity, out], ...], "whole_file": bool},
times in seconds; `out` is when the note could first be had: at the file's end, or at the end of the block that gave it.
"""

import json
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any  # Any: rows are JSON

Heard = dict[str, Any]
PACKAGES = {"basic_pitch": "basic-pitch", "aubionotes": "aubio"}
AUBIO_BUFFER, AUBIO_HOP = 512, 256  # samples: what the program aubionotes takes unless told otherwise
AUBIO_LEAST_RATE = 44_100  # Hz: its blocks are meant for a sound card; at 16 kHz they would last three times as long


def found() -> dict[str, str]:
    """Return the version of every transcriber that is installed here, by name."""
    versions = {}
    for name, package in PACKAGES.items():
        try:
            versions[name] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def basic_pitch(files: list[Path]) -> Iterator[tuple[Path, Heard]]:
    """Yield (file, what was heard) by Basic Pitch's `predict`, which takes a whole file."""
    import soundfile
    from basic_pitch import ICASSP_2022_MODEL_PATH  # type: ignore[import-not-found]
    from basic_pitch.inference import Model, predict  # type: ignore[import-not-found]

    model = Model(ICASSP_2022_MODEL_PATH)
    for file in files:
        end = soundfile.info(str(file)).duration
        _, _, notes = predict(file, model)
        rows = [[float(on), float(off), int(pitch), round(127 * float(loud)), end] for on, off, pitch, loud, _ in notes]
        yield file, {"notes": sorted(rows), "whole_file": True}


def aubionotes(files: list[Path]) -> Iterator[tuple[Path, Heard]]:
    """Yield (file, what was heard) by aubio's note detector, block by block.

    As the program aubionotes does, a note is placed at the start of the block that gave it: aubio states no latency of
    its notes. It follows one voice, so a note ends where aubio says or where the next begins. Audio of a lower rate is
    brought to 44.1 kHz first.
    """
    import aubio  # type: ignore[import-not-found]
    import numpy
    import soundfile
    import soxr

    for file in files:
        samples, rate = soundfile.read(str(file), dtype="float32", always_2d=True)
        mono = samples.mean(axis=1)
        if rate < AUBIO_LEAST_RATE:
            mono, rate = soxr.resample(mono, rate, AUBIO_LEAST_RATE), AUBIO_LEAST_RATE
        mono = mono.astype(numpy.float32)
        mono = numpy.concatenate([mono, numpy.zeros(-len(mono) % AUBIO_HOP, numpy.float32)])
        detector = aubio.notes("default", AUBIO_BUFFER, AUBIO_HOP, rate)
        rows: list[list[float]] = []
        sounding: list[float] = []
        for start in range(0, len(mono), AUBIO_HOP):
            pitch, velocity, ended = (float(value) for value in detector(mono[start : start + AUBIO_HOP]))
            if sounding and (ended or pitch):
                rows.append([sounding[0], start / rate, *sounding[1:]])
                sounding = []
            if pitch:
                sounding = [start / rate, round(pitch), round(velocity), (start + AUBIO_HOP) / rate]
        if sounding:
            rows.append([sounding[0], len(mono) / rate, *sounding[1:]])
        yield file, {"notes": rows, "whole_file": False}


HEAR = {"basic_pitch": basic_pitch, "aubionotes": aubionotes}


def main(words: list[str]) -> int:
    """Run the command line."""
    if not words:
        print(json.dumps(found()))
        return 0
    name, output, *files = words
    for file, heard in HEAR[name]([Path(file) for file in files]):
        path = Path(output, file.stem + ".json")
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(heard))
        partial.replace(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
