"""`backline run MODEL INPUT -o OUTPUT`: a file in, files out, by the live path on a virtual clock."""

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from models.block import Samples, silence
from models.events import Event
from models.manifest import Manifest
from server.audio.file import AUDIO_SUFFIXES, WRITABLE_SUFFIXES, read_audio, write_audio
from server.commands.options import add_model_options, block_size, parse_settings, tempo_of
from server.errors import BacklineError
from server.files import require_folder
from server.midi.file import MIDI_SUFFIXES, read_midi, write_midi
from server.model_store import find_model, open_stream
from server.run_file import run_stream, write_log


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
        help=".mid or .wav; twice for two",
    )
    parser.add_argument("--block", type=block_size, default=64, metavar="N", help="host block in samples (default 64)")
    parser.add_argument("--log", type=Path, metavar="EVENTS.jsonl", help="write every event as it leaves")
    parser.add_argument("--beats", type=Path, metavar="FILE", help="beat times, for players that follow beats")


def main(arguments: argparse.Namespace) -> int:
    """Run the command."""
    model = find_model(arguments.model, arguments.models)
    if arguments.beats is not None:
        raise BacklineError(f"model '{model.manifest.name}' does not follow beats; leave --beats out")
    for path in (*arguments.output, *([arguments.log] if arguments.log else [])):
        require_folder(path)
    _check_outputs(model.manifest, arguments.output)
    samples, events, rate = _read_input(model.manifest, arguments.input)
    settings = parse_settings(arguments.set)
    stream = open_stream(model, settings, rate, arguments.provider)
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(model.manifest.name, total=1.0)
        take = run_stream(stream, samples, events, arguments.block, lambda done: bar.update(task, completed=done))
    for path in arguments.output:
        if path.suffix.lower() in MIDI_SUFFIXES:
            write_midi(path, take.events(), rate, model.manifest.name, tempo_of(settings))
        else:
            write_audio(path, take.audio, rate)
    if arguments.log:
        write_log(arguments.log, take)
    return 0


def _check_outputs(manifest: Manifest, paths: list[Path]) -> None:
    """Raise BacklineError where a file's kind is not among the model's outputs."""
    kinds = {port.kind for port in manifest.outputs}
    for path in paths:
        wanted = "notes" if path.suffix.lower() in MIDI_SUFFIXES else "audio"
        if wanted == "audio" and path.suffix.lower() not in WRITABLE_SUFFIXES:
            raise BacklineError(
                f"cannot write {path}; by its name an output is .mid or audio: {' '.join(WRITABLE_SUFFIXES)}"
            )
        if wanted not in kinds and not (wanted == "notes" and "drums" in kinds):
            raise BacklineError(
                f"model '{manifest.name}' gives {' and '.join(sorted(kinds))}, so it cannot write {path}"
            )


def _read_input(manifest: Manifest, path: Path) -> tuple[Samples, tuple[Event, ...], int]:
    """Return (audio, events, rate); the side that the file does not have is silent."""
    kinds = {port.kind for port in manifest.inputs}
    if path.suffix.lower() in MIDI_SUFFIXES:
        if "notes" not in kinds:
            raise BacklineError(f"model '{manifest.name}' takes audio, and {path} is MIDI")
        events = read_midi(path, manifest.sample_rate)
        return silence(1, round(events[-1].sample) + manifest.sample_rate), events, manifest.sample_rate
    if "audio" not in kinds:
        raise BacklineError(f"model '{manifest.name}' takes MIDI, and {path} is audio")
    samples, rate = read_audio(path)
    return samples, (), rate
