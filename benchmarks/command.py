"""What every benchmark's command line shares: options in, a table and a results file out."""

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.record import RESULTS, Row, compare, print_table, read_rows, write_rows
from server.errors import BacklineError


@dataclass(frozen=True, slots=True)
class Options:
    """How to measure. seconds: of paced calls per case; startup takes it as the time for all its runs."""

    seconds: float
    provider: str = "auto"
    models: Path | None = None


Measure = Callable[[Options], list[Row]]


def run(
    name: str,
    measure: Measure,
    seconds: float,
    refusals: tuple[type[Exception], ...] = (),
    words: Sequence[str] | None = None,
    more: argparse.ArgumentParser | None = None,
    hidden: Sequence[str] = (),
) -> int:
    """Run one benchmark's command line; `seconds` is its default. Return the exit code.

    refusals: errors besides ours whose text is for the user. A server's are named by who uses one, not imported here,
    since a machine with nothing but a GPU has no OSC library. more: the options that this one alone takes, and reads itself.
    hidden: figures that are kept and not printed, where there are too many for a line.
    """
    parser = argparse.ArgumentParser(prog=f"backline bench {name}", parents=[more] if more else [])
    parser.add_argument("--provider", default="auto", help="auto, cpu or cuda (default auto)")
    parser.add_argument(
        "--seconds", type=_positive, default=seconds, metavar="N", help=f"paced calls per case (default {seconds:g})"
    )
    parser.add_argument("--models", type=Path, metavar="DIR", help="folder with more models")
    parser.add_argument(
        "--against", type=Path, metavar="FILE", help="results of an earlier run (or their folder) to compare with"
    )
    parser.add_argument(
        "--results",
        type=Path,
        default=RESULTS,
        metavar="DIR",
        help="where rows are appended (default benchmarks/results)",
    )
    chosen = parser.parse_args(words)
    caught: tuple[type[Exception], ...] = (BacklineError, OSError, *refusals)
    try:
        before = _earlier(name, chosen.against)
        rows = measure(Options(chosen.seconds, chosen.provider, chosen.models))
        path = write_rows(name, rows, chosen.results)
    except caught as error:
        print(f"backline bench {name}: {error}", file=sys.stderr)
        return 2
    shown = [{figure: value for figure, value in row.items() if figure not in hidden} for row in rows]
    print_table(shown, f"{name} -> {path}")
    if chosen.against is not None:
        print_table(compare(rows, before), f"{name}: this run / {chosen.against}; under 1 is better")
    return 0


def report(
    name: str, measure: Callable[[], list[Row]], results: Path, refusals: tuple[type[Exception], ...] = ()
) -> int:
    """Measure, write the rows and print the table of a benchmark whose options are its own. Return the exit code; see `run`."""
    caught: tuple[type[Exception], ...] = (BacklineError, OSError, *refusals)
    try:
        rows = measure()
        path = write_rows(name, rows, results)
    except caught as error:
        print(f"backline bench {name}: {error}", file=sys.stderr)
        return 2
    print_table(rows)
    print(f"-> {path}")
    return 0


def _earlier(name: str, against: Path | None) -> list[Row]:
    """Read before measuring: the rows of this run may be appended to the same file."""
    if against is None:
        return []
    try:
        rows = [row for row in read_rows(against) if row.get("benchmark") == name]
    except (OSError, ValueError, AttributeError) as error:
        raise BacklineError(f"cannot read {against}: {error}") from error
    return rows


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 3600:
        raise argparse.ArgumentTypeError(f"{text}; allowed: more than 0, up to 3600 seconds")
    return value
