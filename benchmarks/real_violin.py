"""How right are notes of a real violin, beside Basic Pitch? Excerpts of recordings with notes that players marked.

    backline bench real_violin -- --data DIR --peers-python PYTHON

DIR holds recordings and MIDI files of the same stem. Two excerpts of each are heard by the path of `backline run`, with
`instrument=strings` at the latest head, commit. Movements that the network was trained on stand apart in the means.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.record import Row
from benchmarks.transcription_beside import mean_case, run, score_files
from benchmarks.transcription_curve import Pairs, pairs_of
from benchmarks.transcription_scores import above
from server.audio.file import read_audio, write_audio
from server.errors import BacklineError
from server.evaluation import Notes, reference_notes

NAME = "real_violin"
INSTRUMENT = "strings"
STARTS = (20.0, 60.0)  # seconds
EXCERPT_SECONDS = 30.0
NO_ONSET_SECONDS = 0.5  # at the end of an excerpt, where a note that begins is not counted
TRAINED = ("john-garner_bwv1002_mov6", "john-garner_bwv1002_mov7")  # models/transcriber/README.md, "Data"


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Where it lies, of which recording it is, where it begins there, and what is played in it."""

    path: Path
    recording: str
    start: float
    notes: Notes


def measure(arguments: argparse.Namespace) -> list[Row]:
    """Score the excerpts, the recordings, all, and what was never trained on. Raises BacklineError."""
    pairs = pairs_of(arguments.data)
    with TemporaryDirectory() as folder:
        cut = list(excerpts(pairs, Path(folder)))
        if not cut:
            shortest = STARTS[0] + EXCERPT_SECONDS
            raise BacklineError(f"{arguments.data} holds no recording of {shortest:g} s, as the first excerpt needs")
        scores = score_files(arguments, INSTRUMENT, {excerpt.path: excerpt.notes for excerpt in cut})
    rows = [mean_case(f"{e.recording}, from {e.start:g} s", [scores[e.path]]) for e in cut]
    groups = {name: [e for e in cut if e.recording == name] for name in dict.fromkeys(e.recording for e in cut)}
    groups["all"] = cut
    groups["never trained on"] = [e for e in cut if e.recording not in TRAINED]
    return rows + [mean_case(name, [scores[e.path] for e in part]) for name, part in groups.items() if part]


def excerpts(pairs: Pairs, folder: Path) -> Iterator[Excerpt]:
    """Cut every recording, as far as it is long enough, into files of `folder`."""
    for audio, midi in pairs:
        samples, rate = read_audio(audio)
        whole = reference_notes(midi)
        for start in STARTS:
            first, last = round(start * rate), round((start + EXCERPT_SECONDS) * rate)
            if last > samples.shape[1]:
                continue
            path = folder / f"{audio.stem}_{start:g}.wav"
            write_audio(path, samples[:, first:last], rate)
            yield Excerpt(path, audio.stem, start, part_of(whole, start))


def part_of(whole: Notes, start: float) -> Notes:
    """Return the notes of the excerpt that begins at `start`, in its own time; they end with it."""
    notes = above(whole, 0, start, start + EXCERPT_SECONDS - NO_ONSET_SECONDS)
    intervals = np.minimum(notes.intervals - start, EXCERPT_SECONDS)
    return Notes(intervals, notes.pitches, notes.velocities, notes.out)


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog=f"backline bench {NAME} --")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="recordings, NAME.mid beside each")
    return run(NAME, parser, measure, words)


if __name__ == "__main__":
    raise SystemExit(main())
