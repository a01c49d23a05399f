"""`backline run MODEL INPUT -o OUTPUT`: a file in, files out, by the live path on a virtual clock."""

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from server.audio.file import AUDIO_SUFFIXES
from server.commands.options import add_clip_options, add_model_options, block_size, parse_settings
from server.file_job import BLOCK, NO_BEATS, FileJob, do_job, with_files
from server.midi.clip import CLIP_RATE
from server.model_store import find_model


def add(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    add_model_options(parser)
    parser.add_argument("input", type=Path, metavar="INPUT", help=f"audio ({' '.join(AUDIO_SUFFIXES)}) or .mid")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        action="append",
        required=True,
        metavar="OUTPUT",
        help=".mid, .wav or .png (the spectrogram of a player that shows one); twice for two",
    )
    add_clip_options(parser)
    parser.add_argument(
        "--rate", type=int, metavar="HZ", help=f"sample rate at which a .mid is played (default {CLIP_RATE})"
    )
    parser.add_argument(
        "--block", type=block_size, default=BLOCK, metavar="N", help=f"host block in samples (default {BLOCK})"
    )
    parser.add_argument("--log", type=Path, metavar="EVENTS.jsonl", help="write every event as it leaves")
    parser.add_argument(
        "--beats", type=Path, metavar="FILE",
        help="the host's transport for drummer and arranger: a beat a line, its time in seconds and its number in the bar; "
        f"without it a .mid has its own, which '{NO_BEATS}' leaves out, and in audio the beat is found",
    )  # fmt: skip


def main(arguments: argparse.Namespace) -> int:
    """Run the command."""
    model = find_model(arguments.model, arguments.models)
    job = FileJob(
        arguments.input, tuple(arguments.output), arguments.block, arguments.rate, tuple(arguments.track),
        arguments.beats, arguments.log,
    )  # fmt: skip
    settings = with_files(parse_settings(arguments.set))
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(model.manifest.name, total=1.0)
        summary = do_job(
            job, model, settings, arguments.provider, lambda line: print(line, file=sys.stderr),
            lambda done: bar.update(task, completed=done),
        )  # fmt: skip
    print(summary)
    return 0
