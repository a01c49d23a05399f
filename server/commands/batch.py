"""`backline batch MODEL FOLDER -o FOLDER`: every file of a folder through a model, in local processes or on Ray.

What `run` makes of each file, byte for byte. Exit code: 0 when all is done, 1 when a file failed and the others are done, 2 for wrong
use, 130 after Ctrl-C; then the same command goes on where it stopped.
"""

import argparse
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from server.batch.catalogue import Aim, find_aims, find_files, find_jobs
from server.batch.cluster import connect, work_on_ray
from server.batch.job import Job, Work
from server.batch.journal import Journal
from server.batch.processes import work_locally
from server.commands.options import add_model_options, parse_settings
from server.errors import BacklineError
from server.file_job import kind_of, with_files
from server.midi.clip import CLIP_RATE
from server.model_store import Model, find_model, open_stream
from server.onnx_step import PROVIDERS


def add(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    add_model_options(parser)
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="folder of audio or .mid files; sub-folders are kept"
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FOLDER", help="where to write; made if it is missing"
    )
    parser.add_argument(
        "--suffix", action="append", default=[], metavar=".mid|.wav|...",
        help="what to make of each file, again for more; default: .mid where the model gives notes, .wav where it gives audio",
    )  # fmt: skip
    parser.add_argument(
        "--only", action="append", default=[], metavar="PATTERN",
        help="only files whose name, or path in FOLDER, looks so, for instance '*bass*.wav'; again for more",
    )  # fmt: skip
    parser.add_argument(
        "--jobs", type=_count, metavar="N", help="processes on this machine (default: one for each core)"
    )
    parser.add_argument(
        "--ray", nargs="?", const="auto", metavar="ADDRESS",
        help="work on a Ray cluster (extra `ray`): HOST:PORT, or without one the cluster that this machine is part of",
    )  # fmt: skip
    parser.add_argument("--again", action="store_true", help="do every file, those too that are done")


def main(arguments: argparse.Namespace) -> int:
    """Run the command."""
    if arguments.ray is not None and arguments.jobs is not None:
        raise BacklineError("--jobs is for this machine; a Ray cluster has as many as it has cores")
    model, given = find_model(arguments.model, arguments.models), with_files(parse_settings(arguments.set))
    names = find_files(arguments.folder, arguments.output, arguments.only)
    kinds = sorted({kind_of(Path(name)) for name in names})
    suffixes = [suffix.lower() if suffix.startswith(".") else f".{suffix.lower()}" for suffix in arguments.suffix]
    aims = find_aims(model.manifest, given, suffixes, kinds)
    jobs = find_jobs(arguments.folder, arguments.output, names, aims)
    _check_model(model, aims, arguments.provider, arguments.ray is None)
    work = Work(str(model.path.resolve()), given, arguments.provider)
    with _ended_in_order(), Journal(arguments.output) as journal:
        todo = [job for job in jobs if arguments.again or not journal.is_done(job)]
        return _do_all(work, todo, len(jobs) - len(todo), journal, arguments)


def _check_model(model: Model, aims: dict[str, Aim], provider: str, here: bool) -> None:
    """Open a stream of each kind: what is wrong with a setting is said once, before work, and not by every file."""
    if provider not in ("auto", *PROVIDERS):
        raise BacklineError(f"provider is '{provider}'; allowed: auto, {', '.join(PROVIDERS)}")
    for aim in aims.values():
        open_stream(model, aim.settings, CLIP_RATE, provider if here else "cpu")


def _do_all(work: Work, todo: list[Job], before: int, journal: Journal, arguments: argparse.Namespace) -> int:
    """Do the jobs and say how that went; return the exit code."""
    problems: list[str] = []
    nodes: set[str] = set()
    done = 0
    try:
        with _bar(work, len(todo)) as bar:
            row = bar.add_task(Path(work.model).stem, total=len(todo))
            tasks = (journal.give_out(job) for job in todo)
            count = arguments.jobs or len(os.sched_getaffinity(0))
            crew = (
                work_on_ray(connect(arguments.ray), work, tasks) if arguments.ray and todo
                else work_locally(work, tasks, min(count, len(todo)))
            )  # fmt: skip
            with closing(crew):
                for task, outcome in crew:
                    nodes |= {outcome.node} - {""}
                    problem = outcome.problem
                    try:
                        if not problem:
                            journal.put_in_place(task, outcome.sha256)
                            done += 1
                    except BacklineError as error:
                        problem = str(error)
                    if problem:
                        problems.append(problem)
                    for line in outcome.said:
                        print(f"{task.job.name}: {line}", file=sys.stderr)
                    bar.advance(row)
    except KeyboardInterrupt:
        print(
            f"backline: stopped after {done} of {len(todo)} files; the same command goes on from there", file=sys.stderr
        )
        raise
    for problem in sorted(problems):
        print(f"backline: {problem}", file=sys.stderr)
    where = f" on {len(nodes)} node{'s' * (len(nodes) != 1)}" if nodes else ""
    print(f"{done} files done{where}, {before} were done before, {len(problems)} failed; {arguments.output} holds them")
    return 1 if problems else 0


def _bar(work: Work, count: int) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
        console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty() or not count,
    )  # fmt: skip


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Treat a request to end as Ctrl-C: the processes are ended and nothing half-written stays."""

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    # ctrl-C too: where a shell started it in the background it would be ignored
    kept = {name: signal.signal(name, end) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for name, handler in kept.items():
            signal.signal(name, handler)


def _count(text: str) -> int:
    """Parse --jobs."""
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"{text} processes; allowed: 1 to 1024")
    return int(text)
