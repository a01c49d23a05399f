"""`backline evaluate MODEL --data DIR`: the live path over recordings whose notes are known, scored per piece."""

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table

from server.audio.file import read_audio
from server.commands.options import add_model_options, block_size, parse_settings
from server.evaluation import find_pairs, mean_row, notes_of, reference_notes, score, to_json
from server.files import require_folder, write_text_whole
from server.model_store import find_model, open_stream
from server.run_file import run_stream


def add(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    add_model_options(parser)
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="folder with audio/NAME.wav and ref/NAME.mid"
    )
    parser.add_argument(
        "--head-ms", type=float, default=60.0, help="a live note counts if it left within this + 15 ms (default 60)"
    )
    parser.add_argument("--block", type=block_size, default=64, metavar="N", help="host block in samples (default 64)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the scores there")


def main(arguments: argparse.Namespace) -> int:
    """Run the command."""
    import mir_eval  # noqa: F401  # said at once if it is missing, not after the first piece

    if arguments.json:
        require_folder(arguments.json)
    model, settings = find_model(arguments.model, arguments.models), parse_settings(arguments.set)
    rows: dict[str, dict[str, float]] = {}
    for audio, reference in find_pairs(arguments.data):
        samples, rate = read_audio(audio)
        take = run_stream(open_stream(model, settings, rate, arguments.provider), samples, block=arguments.block)
        rows[audio.stem] = score(reference_notes(reference), notes_of(take), arguments.head_ms)
    rows["MEAN"] = mean_row(list(rows.values()))
    names = [name for name in rows["MEAN"] if not name.endswith("_notes")]
    table = Table("piece", *names)
    for piece, row in rows.items():
        table.add_row(piece, *(f"{row[name]:.1f}" if name.endswith("_ms") else f"{row[name]:.3f}" for name in names))
    Console().print(table)
    if arguments.json:
        write_text_whole(arguments.json, to_json(rows))
    return 0
