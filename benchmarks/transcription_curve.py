"""How accurate are notes, and how late, at every head and beside other programs? F1 over measured lateness.

    backline bench transcription_curve -- --data DIR --peers-python PYTHON --picture curve.png

DIR holds audio/NAME.flac and ref/NAME.mid, or NAME.wav beside NAME.mid. Every head runs live and as commit, by the path of
`backline run` in blocks of 64 samples. A live note counts if it is placed within 50 ms of its onset and had left within
the head's look-ahead + 15 ms of it. Needs mir_eval (extra `train`).
"""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.curve_picture import draw
from benchmarks.record import RESULTS, Row, write_rows
from benchmarks.transcription_programs import (
    Program,
    find_peers,
    head_program,
    missing_peers,
    moved_back,
    nearest_head,
    peer_program,
    published_program,
    remembered,
)
from benchmarks.transcription_scores import figures, mean, reference_part
from server.audio.file import AUDIO_SUFFIXES
from server.commands.options import parse_settings
from server.errors import BacklineError
from server.evaluation import find_pairs
from server.model_store import find_model

NAME = "transcription_curve"
STREAMS = ("live", "commit")
COLUMNS = {
    "onset_f1": "onset",
    "onset_f1_20_centred": "20 ms, centred",
    "note_f1": "note",
    "velocity_f1": "velocity",
    "frame_f1": "frame",
    "live_f1": "live",
    "spread_ms": "spread ms",
    "low_recall": "recall below E2",
    "false_a_minute": "false a minute",
}
LATE = tuple(f"lateness_p{q}_ms" for q in (5, 50, 95))
Pairs = list[tuple[Path, Path]]


def pairs_of(folder: Path) -> Pairs:
    """Return (audio, MIDI) of a folder in either layout. Raises BacklineError where it holds none."""
    if (folder / "audio").is_dir():
        return find_pairs(folder)
    audio = [path for path in sorted(folder.glob("*.*")) if path.suffix.lower() in AUDIO_SUFFIXES]
    pairs = [(path, path.with_suffix(".mid")) for path in audio if path.with_suffix(".mid").exists()]
    return pairs or find_pairs(folder)


def grouped(pairs: Pairs) -> dict[str, Pairs]:
    """Return the pairs by group: the letters that a name begins with."""
    groups: dict[str, Pairs] = {}
    for pair in pairs:
        groups.setdefault(re.split("[^A-Za-z]", pair[0].stem)[0], []).append(pair)
    return groups


def measure(program: Program, pairs: Pairs, data: str) -> Row:
    """Return one program's row: the mean of its figures over the pieces."""
    import soundfile

    rows = []
    for audio, midi in pairs:
        seconds = soundfile.info(str(audio)).duration
        rows.append(figures(reference_part(midi), program.hear(audio), seconds, program.head_ms))
    row = mean(rows)
    unknown = ["live_f1"] if np.isinf(program.head_ms) else []
    unknown += [*LATE, "spread_ms"] if program.whole_file else []
    row = {name: value for name, value in row.items() if name not in unknown}
    return {"case": f"{data}: {program.name}", "kind": program.kind, "pieces": len(pairs)} | row


def markdown(data: str, rows: Sequence[Row]) -> str:
    """Return the rows of one folder or group as a table for a README."""
    lines = [
        f"| {data}, {rows[0]['pieces']} pieces | {' | '.join(COLUMNS.values())} | leaves after its onset, p5 / p50 / p95 |"
    ]
    lines.append("|---|" + "---:|" * (len(COLUMNS) + 1))
    for row in rows:
        cells = [_cell(name, row.get(name)) for name in COLUMNS]
        late = " / ".join(str(round(row[name])) for name in LATE) + " ms" if LATE[0] in row else "whole file"
        lines.append(f"| {row['case'].removeprefix(f'{data}: ')} | {' | '.join(cells)} | {late} |")
    return "\n".join(lines)


def programs(arguments: argparse.Namespace, pairs: Pairs) -> Iterator[Program]:
    """Yield whom to compare: the heads of the model, then what else is there; say what is not. Raises BacklineError."""
    model, settings = find_model(arguments.model), parse_settings(arguments.set)
    heads = [nearest_head(model.manifest, ms) for ms in arguments.heads] or model.manifest.heads
    for stream in STREAMS:
        for head in heads:
            yield head_program(model, head, stream, settings, arguments.provider)
    for weights in arguments.published:
        if weights.exists():
            yield published_program(weights)
        else:
            print(f"no row for {weights}: there is no such file", file=sys.stderr)
    if not arguments.published:
        print("no row for the published network: no --published was given", file=sys.stderr)
    yield from peers(arguments, pairs)


def peers(arguments: argparse.Namespace, pairs: Pairs) -> Iterator[Program]:
    """Yield the peers that are there, those that state no latency also with it taken out. Raises BacklineError."""
    versions = find_peers(arguments.peers_python)
    for line in missing_peers(versions, arguments.peers_python):
        print(line, file=sys.stderr)
    for name, version in versions.items():
        files = [audio for audio, _ in pairs]
        program = peer_program(arguments.peers_python, name, version, files, arguments.cache)
        yield program
        if not program.whole_file:
            yield moved_back(program, pairs)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what all benchmarks of the transcriber share."""
    parser.add_argument("--model", default="transcriber", metavar="MODEL", help="a name or an .onnx file")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter of the model")
    parser.add_argument("--provider", default="auto", help="auto, cpu or cuda (default auto)")
    parser.add_argument("--peers-python", type=Path, metavar="PYTHON", help="a Python that has basic-pitch or aubio")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keeps what peers heard, by the audio's bytes")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help="where rows are appended")


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog=f"backline bench {NAME} --")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="audio/ and ref/, or NAME.wav and .mid")
    parser.add_argument(
        "--groups", action="store_true", help="a row for each group too: the letters that names begin with"
    )
    parser.add_argument("--published", type=Path, nargs="+", default=[], metavar="FILE", help="published.safetensors")
    parser.add_argument("--heads", type=float, nargs="+", default=[], metavar="MS", help="the nearest of these alone")
    parser.add_argument("--picture", type=Path, metavar="FILE.png", help="draw live F1 over measured lateness")
    add_options(parser)
    arguments = parser.parse_args(words)
    try:
        import mir_eval  # noqa: F401  # said at once if it is missing

        pairs, name = pairs_of(arguments.data), arguments.data.resolve().name
        parts = {name: pairs}
        if arguments.groups:
            parts |= {f"{name}, {group}": part for group, part in grouped(pairs).items()}
        rows: list[Row] = []
        for program in map(remembered, programs(arguments, pairs)):
            rows += [measure(program, part, data) for data, part in parts.items()]
            print(f"{program.name}: onset F1 {rows[-len(parts)]['onset_f1']}", file=sys.stderr)
        path = write_rows(NAME, rows, arguments.results)
    except (BacklineError, OSError, ImportError) as error:
        print(f"backline bench {NAME}: {error}", file=sys.stderr)
        return 2
    for data in parts:
        print(f"\n{markdown(data, [row for row in rows if row['case'].startswith(f'{data}: ')])}")
    if arguments.picture:
        draw([row for row in rows if row["case"].startswith(f"{name}: ")], arguments.picture)
    print(f"\n-> {path}")
    return 0


def _cell(name: str, value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1f}" if name in ("spread_ms", "false_a_minute") else f"{value:.3f}"


if __name__ == "__main__":
    raise SystemExit(main())
