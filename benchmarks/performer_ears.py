"""Who listens to a rendering: distances from the recording, transcribers, a pitch detector and a classifier of instruments.

An ear takes an audio file and the score and gives figures. What it said of a file is kept by the file's content and its own
key, so that a table with one row more costs one row.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.performer_classifier import find_classifier
from benchmarks.performer_kept import digest, kept, source
from benchmarks.performer_pitch import pitch_figures
from benchmarks.record import Row
from benchmarks.render_scores import Recording, load_sound, read_recording, score_rendering
from benchmarks.transcription_programs import find_peers, head_program, missing_peers, nearest_head, peer_program
from benchmarks.transcription_scores import Part, figures, reference_part
from server.model_store import find_model

LOOK_AHEAD_MS = 160.0  # of the transcriber: its most accurate head
SCORES = source("benchmarks/transcription_scores.py", "server/evaluation.py", "server/midi")
LOADED = source("benchmarks/render_scores.py")


@dataclass(frozen=True, slots=True)
class Ear:
    """hears: (sound, score) -> figures. key: of all that these depend upon beside the two files."""

    hears: Callable[[Path, Path], Row]
    key: str

    def row(self, sound: Path, score: Path, folder: Path) -> Row:
        """Return the figures of a sound that `folder` keeps, heard now where it keeps none."""
        return kept(folder, digest(self.key, sound, score), lambda: _rounded(self.hears(sound, score)))


def ears_of(arguments: argparse.Namespace, folder: Path) -> Iterator[Ear]:
    """Yield who listens to recordings and renderings alike; say who is not there. Raises BacklineError."""
    yield transcriber_ear(arguments.transcriber, arguments.provider)
    versions = find_peers(arguments.peers_python)
    for line in missing_peers(versions, arguments.peers_python):
        print(line, file=sys.stderr)
    if "basic_pitch" in versions:
        yield basic_pitch_ear(arguments.peers_python, versions["basic_pitch"], arguments.cache)
    yield Ear(pitch_figures, digest("pitch", *LOADED, *source("benchmarks/performer_pitch.py")))
    if arguments.data_notes is None:
        print("nobody says which instrument it sounds like: no --data-notes was given", file=sys.stderr)
    else:
        yield classifier_ear(arguments.data_notes, arguments.instrument, folder)


def nearness_ear(recording: Path) -> Ear:
    """Return who holds renderings against a recording; it is read for the first one that nobody heard before."""
    read: list[Recording] = []

    def hears(sound: Path, score: Path) -> Row:
        if not read:
            read.append(read_recording(recording))
        return dict(score_rendering(read[0], load_sound(sound)).to_json())

    return Ear(hears, digest("nearness", recording, *LOADED))


def transcriber_ear(instrument: str, provider: str) -> Ear:
    """Return our transcriber: onset F1 within 50 ms."""
    transcriber = find_model("transcriber")
    head = nearest_head(transcriber.manifest, LOOK_AHEAD_MS)
    program = head_program(transcriber, head, "commit", {"instrument": instrument}, provider)
    key = digest("transcriber", transcriber.path, head, instrument, *source("models/transcriber"), *SCORES)
    return Ear(lambda sound, score: {"transcriber_f1": _onset_f1(score, program.hear(sound))}, key)


def basic_pitch_ear(python: Path, version: str, cache: Path | None) -> Ear:
    """Return Basic Pitch in the Python that has it: onset F1 within 50 ms."""

    def hears(sound: Path, score: Path) -> Row:
        heard = peer_program(python, "basic_pitch", version, [sound], cache).hear(sound)
        return {"basic_pitch_f1": _onset_f1(score, heard)}

    return Ear(hears, digest("basic_pitch", version, *source("benchmarks/peers.py"), *SCORES))


def classifier_ear(data: Path, instrument: str, folder: Path) -> Ear:
    """Return who says how probably a sound is the instrument asked for; its held-out accuracy is said."""
    classifier = find_classifier(data, folder)
    own = classifier.held_out[classifier.instruments.index(instrument)]
    all_of_them = f"{classifier.held_out.mean():.0%} of held-out windows, {own:.0%} of the {instrument}'s"
    print(f"the classifier is right about {all_of_them}", file=sys.stderr)
    key = digest("classifier", classifier.key(), instrument, *LOADED)
    return Ear(lambda sound, score: {"instrument": classifier.probability(sound, instrument)}, key)


def _onset_f1(score: Path, heard: Part) -> float:
    part = reference_part(score)
    return float(figures(part, heard, float(part.notes.intervals.max(initial=1.0)), np.inf)["onset_f1"])


def _rounded(row: Row) -> Row:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()}
