"""Does the arranger find beats, downbeats and chords, in songs by instruments that it never heard and in real ones?

    backline bench arranger_front_end -- --data DIR --bands DIR --cache DIR [--songs N] [--real DIR]

--data holds POP909's songs, --bands a generated band for each, NNN_0.mid; they are rendered once, with a font that no training used, and
kept in --cache. --real holds NAME.beats beside mix/NAME.flac. Beats are right within 70 ms, after the first 5 s, as told in time and as
decided; chords are held against the data set's by mir_eval (extra `train`), weighted by how long they last: those of a file, all known
at once, and those of a stream, beat by beat.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.arranger_hearing import Found, find, hear
from benchmarks.command import report
from benchmarks.device_step import open_step
from benchmarks.drummer_scores import read_beats
from benchmarks.record import RESULTS, Row
from models.arranger.chords import PITCH_CLASSES
from models.arranger.config import ROOTS, SAMPLE_RATE
from models.arranger.renders import read_band, sound
from models.arranger.songs import BETWEEN, FLATS, QUALITIES, notes_of
from models.step import Step
from server.errors import BacklineError
from server.model_store import find_model
from server.onnx_step import open_session

NAME = "arranger_front_end"
FIRST_SONG = 830  # those from here on were in no training
FONT = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")  # and this font was not
SKIPPED_SECONDS, NEAR_SECONDS = 5.0, 0.07
SEED = 909
HARTE = {tones: name for name, tones in reversed(QUALITIES.items())}


@dataclass(frozen=True, slots=True)
class Reference:
    """A recording and what is true of it. audio: (samples,) float32 at SAMPLE_RATE. beats: seconds; downs: which begin a bar.

    chords: (begin, end) seconds and their names as data sets write them; none where they are not known.
    """

    name: str
    audio: np.ndarray
    beats: np.ndarray
    downs: np.ndarray
    chords: tuple[np.ndarray, list[str]] | None = None


def rendered(data: Path, bands: Path, cache: Path, font: Path, songs: int) -> Iterator[Reference]:
    """Yield the first `songs` songs that no training used. Raises BacklineError where there are none."""
    folders = [path for path in sorted(data.glob("[0-9][0-9][0-9]")) if int(path.name) >= FIRST_SONG]
    folders = [path for path in folders if (bands / f"{path.name}_0.mid").exists()][:songs]
    if not folders:
        raise BacklineError(f"{data} and {bands} hold no song from {FIRST_SONG} on, as NNN/NNN.mid and NNN_0.mid")
    for folder in folders:
        with np.load(_kept(folder, bands / f"{folder.name}_0.mid", cache, font)) as kept:
            ratio, shift = float(kept["ratio"]), int(kept["shift"])
            audio = kept["audio"].astype(np.float32) / 32768
        rows = np.loadtxt(folder / "beat_midi.txt", ndmin=2)
        spans, names = read_chords(folder / "chord_midi.txt", shift)
        yield Reference(folder.name, audio, rows[:, 0] * ratio, rows[:, 2] > 0, (spans * ratio, names))


def _kept(folder: Path, band: Path, cache: Path, font: Path) -> Path:
    """Return the file with a song's sound, which is rendered where it is not there."""
    import pretty_midi

    cache.mkdir(parents=True, exist_ok=True)
    path = cache / f"{folder.name}_{font.stem}.npz"
    if not path.exists():
        parts = {
            one.name: notes_of(one) for one in pretty_midi.PrettyMIDI(str(folder / f"{folder.name}.mid")).instruments
        }
        made = sound(read_band(band), parts["MELODY"], font, np.random.default_rng([SEED, int(folder.name)]))
        partial = path.with_suffix(".part.npz")
        samples = np.round(np.clip(made.audio, -1, 1) * 32767).astype(np.int16)
        np.savez(partial, audio=samples, ratio=made.ratio, shift=made.shift)
        partial.replace(path)
    return path


def read_chords(path: Path, shift: int) -> tuple[np.ndarray, list[str]]:
    """Return spans (chords, 2) in seconds and their names, transposed by semitones."""
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    names = []
    for _, _, name in rows:
        root, colon, rest = name.partition(":")
        turned = name if name == "N" else BETWEEN[(BETWEEN.index(FLATS.get(root, root)) + shift) % 12] + colon + rest
        names.append(turned)
    return np.array([[float(begin), float(end)] for begin, end, _ in rows]), names


def real(folder: Path) -> Iterator[Reference]:
    """Yield the songs NAME.beats with the sound of mix/NAME. Raises BacklineError where there is none."""
    import soundfile
    import soxr

    paths = sorted(folder.glob("*.beats"))
    if not paths:
        raise BacklineError(f"{folder} holds no NAME.beats")
    for path in paths:
        files = sorted((folder / "mix").glob(f"{path.stem}.*"))
        if not files:
            raise BacklineError(f"{folder / 'mix'} holds no sound of {path.stem}")
        samples, rate = soundfile.read(files[0], dtype="float32", always_2d=True)
        beats = read_beats(path)
        audio = soxr.resample(samples.mean(1), rate, SAMPLE_RATE).astype(np.float32)
        yield Reference(path.stem, audio, beats.times, beats.numbers == 1)


def judge(reference: Reference, found: Found) -> Row:
    """Return the figures of one recording."""
    row: Row = {"case": reference.name, "locked_after_seconds": found.locked}
    true_downs = reference.beats[reference.downs]
    for name, beats, downs in (
        ("told", found.told, found.told_downs), ("decided", found.decided, found.decided_downs),
    ):  # fmt: skip
        row[f"beat_f1_{name}"] = beat_f1(reference.beats, beats)
        row[f"downbeat_f1_{name}"] = beat_f1(true_downs, beats[downs])
    if reference.chords is not None:
        for name, rows in (("file", found.chords), ("stream", found.followed)):
            root, majmin = chord_scores(*reference.chords, found.decided, [harte(one) for one in rows])
            row |= {f"chord_root_{name}": root, f"chord_majmin_{name}": majmin}
    return row


def beat_f1(true: np.ndarray, found: np.ndarray) -> float:
    """Return F1 of beats in seconds, after the first ones."""
    import mir_eval

    parts = (mir_eval.beat.trim_beats(np.asarray(beats, float), SKIPPED_SECONDS) for beats in (true, found))
    reference, estimate = parts
    if not len(reference) or not len(estimate):
        return float(len(reference) == len(estimate))
    return round(float(mir_eval.beat.f_measure(reference, estimate, NEAR_SECONDS)), 4)


def chord_scores(spans: np.ndarray, names: list[str], beats: np.ndarray, found: list[str]) -> tuple[float, float]:
    """Return how much of the time roots are right, and roots with major or minor; found: the chord from each beat to the next."""
    import mir_eval

    if not found:
        return 0.0, 0.0
    estimated, labels = mir_eval.util.adjust_intervals(
        np.stack([beats[:-1], beats[1:]], 1), found, spans.min(), spans.max(), "N", "N"
    )
    intervals, wanted, said = mir_eval.util.merge_labeled_intervals(spans, names, estimated, labels)
    seconds = mir_eval.util.intervals_to_durations(intervals)
    scores = (mir_eval.chord.root(wanted, said), mir_eval.chord.majmin(wanted, said))
    root, majmin = (round(float(mir_eval.chord.weighted_accuracy(score, seconds)), 4) for score in scores)
    return root, majmin


def harte(row: np.ndarray) -> str:
    """Return a decided chord, (CHORD,), by its name in data sets, without its bass."""
    root = int(row[:ROOTS].argmax())
    if root == ROOTS - 1:
        return "N"
    tones = tuple(sorted(int(tone - root) % 12 for tone in np.flatnonzero(row[ROOTS : ROOTS + 12])))
    return f"{PITCH_CLASSES[root]}:{HARTE.get(tones, 'maj')}"


def measure(step: Step, references: Iterator[Reference], of: str) -> list[Row]:
    """Return a row for each recording and one of their means."""
    rows = [judge(one, find(hear(step, one.audio))) for one in references]
    names = [name for name in rows[0] if name != "case" and all(row[name] is not None for row in rows)]
    means: Row = {name: round(float(np.mean([row[name] for row in rows])), 4) for name in names}
    return [{**row, "case": f"{of} {row['case']}"} for row in rows] + [{"case": f"mean of {len(rows)} {of}", **means}]


def main(words: Sequence[str] | None = None) -> int:
    """Measure, write the rows, print the table."""
    parser = argparse.ArgumentParser(prog=f"backline bench {NAME}")
    parser.add_argument("--data", type=Path, metavar="DIR", help="POP909's songs, NNN/")
    parser.add_argument("--bands", type=Path, metavar="DIR", help="a band for each, NNN_0.mid")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="where rendered songs are kept")
    parser.add_argument("--songs", type=int, default=20, metavar="N", help="rendered songs (default 20)")
    parser.add_argument("--font", type=Path, default=FONT, metavar="FILE", help=f"sound font (default {FONT})")
    parser.add_argument("--real", type=Path, metavar="DIR", help="real songs, NAME.beats beside mix/NAME.flac")
    parser.add_argument("--model", default="arranger", help="name or path of the model (default arranger)")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR")
    arguments = parser.parse_args(words)

    def measured() -> list[Row]:
        if arguments.real is None and None in (arguments.data, arguments.bands, arguments.cache):
            raise BacklineError("nothing to listen to; give --data, --bands and --cache, or --real, or all")
        model = find_model(arguments.model)
        graph = next((one for one in model.manifest.graphs if one.name == "ear"), None)
        if graph is None:
            raise BacklineError(f"model '{model.manifest.name}' has no graph 'ear'; an arranger has")
        step = open_step(open_session(model.path, "cpu", file=graph.file), graph)
        rows: list[Row] = []
        if arguments.data is not None:
            songs = rendered(arguments.data, arguments.bands, arguments.cache, arguments.font, arguments.songs)
            rows += measure(step, songs, "rendered")
        if arguments.real is not None:
            rows += measure(step, real(arguments.real), "real")
        return rows

    return report(NAME, measured, arguments.results, (ImportError, ValueError))


if __name__ == "__main__":
    sys.exit(main())
