"""Where does a transcriber break? One head on material whose notes are known exactly: pedal, repeats, noise, drift, lateness.

    backline bench transcription_trials -- --material DIR

DIR comes from transcription_material.py; a folder that is not in it is left out. Needs mir_eval (extra `train`).

  pedal      F1 of the sustain pedal being down, frames of 10 ms, mean over pieces; 0 where no pedal is told
  lateness   when a note of E2 and up left after its onset, blocks of 64 samples at 48 kHz, all notes of all pieces together
  restrike   share of the pitches struck twice of which both strikes are heard within 25 ms, own median error taken out
  noise      notes in a minute in which nobody plays
  speech     notes in a minute of talk, two voices; espeak-ng makes them where `--trials speech` asks and they are not there
  drift      onset F1 of the first minute and of the tenth, which is the first again
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.record import Row, print_table, write_rows
from benchmarks.transcription_curve import add_options, pairs_of, peers
from benchmarks.transcription_programs import Program, head_program, nearest_head, remembered
from benchmarks.transcription_scores import E2, Part, above, matched, pedal_f1, reference_part, shifted, spread_ms
from benchmarks.transcription_speech import say
from server.commands.options import parse_settings
from server.errors import BacklineError
from server.evaluation import ONSET_TOLERANCE, Notes
from server.model_store import find_model

NAME = "transcription_trials"
RESTRIKE_SECONDS = 0.25  # a pitch struck again within this was struck twice
RESTRIKE_TOLERANCE = 0.025  # under half the shortest gap, so that one note cannot stand for either strike
MINUTE = 60.0


def pedal(program: Program, folder: Path) -> list[Row]:
    """Score the sustain pedal."""
    import soundfile

    scores = []
    for audio, midi in pairs_of(folder):
        seconds = soundfile.info(str(audio)).duration
        scores.append(pedal_f1(reference_part(midi).pedal, program.hear(audio).pedal, seconds))
    return [{"case": f"pedal, {folder.name}", "pieces": len(scores), "pedal_f1": _rounded(float(np.mean(scores)))}]


def lateness(program: Program, folder: Path) -> list[Row]:
    """Measure when notes of E2 and up left."""
    if program.whole_file:
        return []
    late, pitches = [], []
    for audio, midi in pairs_of(folder):
        played, found = above(reference_part(midi).notes, E2), above(program.hear(audio).notes, E2)
        for r, h in matched(played, found, ONSET_TOLERANCE):
            late.append(1000 * (found.out[h] - played.intervals[r, 0]))
            pitches.append(played.pitches[r])
    if not late:
        return []
    row = {f"lateness_p{q}_ms": round(float(np.percentile(late, q)), 1) for q in (5, 50, 95)}
    wide = spread_ms(np.array(late), np.array(pitches)) or 0.0
    return [{"case": f"lateness, {folder.name}", "notes": len(late)} | row | {"spread_ms": round(wide, 1)}]


def restrike(program: Program, folder: Path) -> list[Row]:
    """Count the second strikes that are heard, file by file."""
    rows = []
    for audio, midi in pairs_of(folder):
        recall, count = restrike_recall(reference_part(midi).notes, program.hear(audio).notes)
        rows.append({"case": f"restrike, {audio.stem}", "notes": count, "recall": _rounded(recall)})
    return rows


def restrike_recall(played: Notes, found: Notes) -> tuple[float, int]:
    """Return (share of the notes struck within 0.25 s of their pitch's last onset that are heard, how many there are).

    Both strikes must be: who hears one note of two has not heard the second.
    """
    last: dict[float, int] = {}
    pairs = []
    for place in np.argsort(played.intervals[:, 0], kind="stable"):
        before = last.get(played.pitches[place])
        if before is not None and played.intervals[place, 0] - played.intervals[before, 0] <= RESTRIKE_SECONDS:
            pairs.append((before, int(place)))
        last[played.pitches[place]] = int(place)
    errors = [found.intervals[h, 0] - played.intervals[r, 0] for r, h in matched(played, found, ONSET_TOLERANCE)]
    median = float(np.median(errors)) if errors else 0.0
    heard = {r for r, _ in matched(played, shifted(found, -median), RESTRIKE_TOLERANCE)}
    return sum(heard.issuperset(pair) for pair in pairs) / max(1, len(pairs)), len(pairs)


def noise(program: Program, folder: Path) -> list[Row]:
    """Count notes where nobody plays."""
    import soundfile

    rows = []
    for audio in sorted((folder / "audio").glob("*.flac")):
        count = len(program.hear(audio).notes.pitches)
        seconds = soundfile.info(str(audio)).duration
        rows.append({"case": f"{folder.name}, {audio.stem}", "false_a_minute": _rounded(MINUTE * count / seconds)})
    return rows


def speech(program: Program, folder: Path) -> list[Row]:
    """Count notes where somebody talks."""
    return noise(program, folder)


def drift(program: Program, folder: Path) -> list[Row]:
    """Score the first and the tenth minute."""
    rows = []
    for audio, midi in pairs_of(folder):
        scores = drift_f1(reference_part(midi), program.hear(audio))
        rows.append({"case": f"drift, {audio.stem}"} | {f"minute_{minute}_f1": f1 for minute, f1 in scores.items()})
    return rows


def drift_f1(played: Part, found: Part, minutes: tuple[int, ...] = (1, 10)) -> dict[int, float]:
    """Return onset F1 of each minute, counted from 1."""
    scores = {}
    for minute in minutes:
        span = MINUTE * (minute - 1), MINUTE * minute
        one, other = above(played.notes, 0, *span), above(found.notes, 0, *span)
        total = len(one.pitches) + len(other.pitches)
        scores[minute] = _rounded(2 * len(matched(one, other, ONSET_TOLERANCE)) / total if total else 1.0)
    return scores


TRIALS: tuple[tuple[str, Callable[[Program, Path], list[Row]]], ...] = (
    ("dry", pedal), ("room", pedal), ("dry", lateness), ("room", lateness),
    ("restrike", restrike), ("noise", noise), ("speech", speech), ("drift", drift),
)  # fmt: skip


NAMES = tuple(dict.fromkeys(trial.__name__ for _, trial in TRIALS))


def run_trials(program: Program, material: Path, chosen: Sequence[str]) -> Iterator[Row]:
    """Yield the rows of one program on the folders that are there; `chosen` names the trials, all where it is empty."""
    for name, trial in TRIALS:
        if (material / name).is_dir() and (not chosen or trial.__name__ in chosen):
            for row in trial(program, material / name):
                print(f"{program.name}: {row}", file=sys.stderr)
                yield row | {"case": f"{program.name}: {row['case']}"}


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog=f"backline bench {NAME} --")
    parser.add_argument("--material", type=Path, required=True, metavar="DIR", help="from transcription_material.py")
    parser.add_argument("--head", type=float, default=20.0, metavar="MS", help="the nearest head is taken (default 20)")
    parser.add_argument("--trials", nargs="+", default=[], choices=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--stream", choices=("live", "commit"), default="live")
    add_options(parser)
    arguments = parser.parse_args(words)
    try:
        model = find_model(arguments.model)
        head = nearest_head(model.manifest, arguments.head)
        settings = parse_settings(arguments.set)
        if speech.__name__ in arguments.trials:
            say(arguments.material / speech.__name__ / "audio")
        files = sorted(arguments.material.glob("*/audio/*.flac"))
        if not files:
            raise BacklineError(f"{arguments.material} holds no */audio/*.flac; transcription_material.py makes them")
        programs = [head_program(model, head, arguments.stream, settings, arguments.provider)]
        programs += peers(arguments, [(path, path.parents[1] / "ref" / f"{path.stem}.mid") for path in files])
        rows = [
            row
            for program in map(remembered, programs)
            for row in run_trials(program, arguments.material, arguments.trials)
        ]
        path = write_rows(NAME, rows, arguments.results)
    except (BacklineError, OSError, ImportError) as error:
        print(f"backline bench {NAME}: {error}", file=sys.stderr)
        return 2
    print_table(rows, f"{NAME} -> {path}")
    return 0


def _rounded(value: float) -> float:
    return round(value, 4)


if __name__ == "__main__":
    raise SystemExit(main())
