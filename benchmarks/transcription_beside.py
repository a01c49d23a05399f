"""The transcriber's latest head, commit, beside Basic Pitch on the same files: onset F1 (50 ms) and note F1.

What `real_violin` and `instrument_groups` share. A note's end is its key's release, pedal or not. Needs mir_eval (extra
`train`).
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.record import Row, print_table, write_rows
from benchmarks.transcription_curve import add_options
from benchmarks.transcription_programs import Program, find_peers, head_program, peer_program
from server.commands.options import parse_settings
from server.errors import BacklineError
from server.evaluation import Notes, mean_row, score
from server.model_store import find_model

FIGURES = ("onset_f1", "note_f1")
PEER = "basic_pitch"


def score_files(
    arguments: argparse.Namespace, instrument: str, played: Mapping[Path, Notes]
) -> dict[Path, dict[str, float]]:
    """Return the figures of every file, ours and after each the peer's where it is there. Raises BacklineError."""
    programs = {"": _ours(arguments, instrument)} | _peer(arguments, list(played))
    rows: dict[Path, dict[str, float]] = {}
    for file, notes in played.items():
        scores = {
            prefix: score(notes, program.hear(file).notes, program.head_ms) for prefix, program in programs.items()
        }
        rows[file] = {prefix + figure: scores[prefix][figure] for figure in FIGURES for prefix in programs}
        shown = ", ".join(f"{name} {value:.3f}" for name, value in rows[file].items())
        print(f"{file.stem}: {shown}", file=sys.stderr)
    return rows


def mean_case(name: str, rows: Sequence[dict[str, float]]) -> Row:
    """Return the mean over pieces as the row of a case."""
    return {"case": name, "pieces": len(rows)} | mean_row(list(rows))


def run(
    name: str,
    parser: argparse.ArgumentParser,
    measure: Callable[[argparse.Namespace], list[Row]],
    words: Sequence[str] | None,
) -> int:
    """Run the command line of a benchmark that has added what it alone takes to `parser`; return the exit code."""
    add_options(parser)
    arguments = parser.parse_args(words)
    try:
        rows = measure(arguments)
        path = write_rows(name, rows, arguments.results)
    except (BacklineError, OSError, ImportError) as error:
        print(f"backline bench {name}: {error}", file=sys.stderr)
        return 2
    print_table(rows, f"{name} -> {path}")
    return 0


def _ours(arguments: argparse.Namespace, instrument: str) -> Program:
    model = find_model(arguments.model)
    latest = max(model.manifest.heads, key=lambda head: head.look_ahead_ms)
    settings = {"instrument": instrument, **parse_settings(arguments.set)}
    return head_program(model, latest, "commit", settings, arguments.provider)


def _peer(arguments: argparse.Namespace, files: Sequence[Path]) -> dict[str, Program]:
    python = arguments.peers_python
    version = find_peers(python).get(PEER)
    if version is None:
        reason = f"{python} does not have it" if python else "no --peers-python was given"
        print(f"no figures of Basic Pitch: {reason}", file=sys.stderr)
        return {}
    return {f"{PEER}_": peer_program(python, PEER, version, files, arguments.cache)}
