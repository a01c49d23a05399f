"""How near do renderings of a score come to the recording? Ours beside FluidSynth's fonts and the published network.

    backline bench performer_table -- --data DIR --model A.onnx=ours, seed 1 B.onnx=ours, seed 2 --seeds --renders DIR

DIR holds audio/NAME.flac and ref/NAME.mid, or NAME.wav beside NAME.mid: recordings and the scores of those very performances.
Beside the figures of `render_scores` stands who else hears what was asked for (`performer_ears`); the recording's own row says how
much that tells. What --renders keeps is taken as long as model, score and code are the same. --seeds sums up rows whose
names differ only by a trailing `seed N`. Needs librosa and mir_eval (extra `train`), and fluidsynth for its rows.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.performer_ears import Ear, ears_of, nearness_ear
from benchmarks.performer_programs import (
    FONTS,
    PROGRAMS,
    Player,
    find_fonts,
    font_player,
    performer_player,
    published_player,
)
from benchmarks.record import RESULTS, Row, write_rows
from benchmarks.transcription_curve import Pairs, pairs_of
from server.errors import BacklineError

NAME = "performer_table"
COLUMNS = {
    "mel_db": "mel dB",
    "tonality_db": "tonality",
    "envelope": "envelope",
    "timbre": "timbre",
    "chroma": "chroma",
    "onset": "onset",
    "transcriber_f1": "heard",
    "basic_pitch_f1": "Basic Pitch",
    "pitch": "pitch",
    "harmonics_db": "harmonics dB",
    "instrument": "instrument",
}
SEED = re.compile(r",? seed \S+$")
LEAST, MOST = "_least", "_most"


def players(arguments: argparse.Namespace) -> Iterator[Player]:
    """Yield who plays, as far as they are there; say who is not. Raises BacklineError."""
    for name, font in find_fonts(tuple(arguments.fonts)).items():
        if font is None:
            print(f"no row for {name}: it is not installed", file=sys.stderr)
        else:
            yield font_player(font, PROGRAMS[arguments.instrument])
    for word in arguments.published:
        weights, name = named(word)
        yield published_player(Path(weights), arguments.iterations, name)
    if not arguments.published:
        print("no row for the published network: no --published was given", file=sys.stderr)
    for word in arguments.model:
        model, name = named(word)
        try:
            yield performer_player(model, [f"instrument={arguments.instrument}", *arguments.set], name)
        except BacklineError as error:
            print(f"no row for {model}: {error}", file=sys.stderr)


def named(word: str) -> tuple[str, str]:
    """Return a file or model and the name of its row, given as FILE=NAME; without a name it is empty."""
    file, equals, name = word.rpartition("=")
    return (word, "") if not equals or Path(word).exists() else (file, name)


def measure(pairs: Pairs, who: Sequence[Player], ears: Sequence[Ear], folder: Path) -> Iterator[Row]:
    """Yield the recording's row and one for each player, piece by piece; `folder` keeps renderings and figures."""
    import soundfile

    for recording, score in pairs:
        yield {"case": f"{recording.stem}: recording"} | listened(recording, score, ears, folder)
        seconds = soundfile.info(str(recording)).duration
        near = nearness_ear(recording)
        for player in who:
            rendering = player.rendering(score, seconds, folder)
            row: Row = {"case": f"{recording.stem}: {player.name}"}
            row |= listened(rendering, score, [near, *ears], folder)
            yield row
            print(f"{row['case']}: {row['mel_db']} dB", file=sys.stderr)


def listened(sound: Path, score: Path, ears: Sequence[Ear], folder: Path) -> Row:
    """Return what all ears say of a sound."""
    row: Row = {}
    for ear in ears:
        row |= ear.row(sound, score, folder / "scores")
    return row


def over_seeds(rows: Sequence[Row]) -> Iterator[Row]:
    """Yield mean, least and most of the rows whose names differ only by their seeds, of two and more."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if SEED.search(row["case"]):
            groups.setdefault(SEED.sub("", row["case"]), []).append(row)
    for case, group in groups.items():
        if len(group) < 2:
            continue
        whole: Row = {"case": f"{case}, {len(group)} seeds", "seeds": len(group)}
        for name in [name for name in COLUMNS if all(name in row for row in group)]:
            values = [float(row[name]) for row in group]
            whole |= {name: round(float(np.mean(values)), 4), name + LEAST: min(values), name + MOST: max(values)}
        yield whole


def markdown(piece: str, rows: Sequence[Row]) -> str:
    """Return the rows of one piece as a table for a README; columns that nobody has a figure for are left out."""
    columns = {name: title for name, title in COLUMNS.items() if any(name in row for row in rows)}
    lines = [f"| {piece} | {' | '.join(columns.values())} |", "|---|" + "---:|" * len(columns)]
    for row in rows:
        cells = " | ".join(_cell(row, name) for name in columns)
        lines.append(f"| {row['case'].removeprefix(f'{piece}: ')} | {cells} |")
    return "\n".join(lines)


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line."""
    arguments = _parser().parse_args(words)
    try:
        pairs = [
            pair
            for pair in pairs_of(arguments.data)
            if arguments.pieces in ([], None) or pair[0].stem in arguments.pieces
        ]
        if not pairs:
            raise BacklineError(f"{arguments.data} holds none of the pieces {', '.join(arguments.pieces)}")
        rows: list[Row] = []
        with tempfile.TemporaryDirectory() as scratch:
            folder = arguments.renders or Path(scratch)
            folder.mkdir(parents=True, exist_ok=True)
            rows += measure(pairs, list(players(arguments)), list(ears_of(arguments, folder)), folder)
        if arguments.seeds:
            rows += list(over_seeds(rows))
        path = write_rows(NAME, rows, arguments.results)
    except (BacklineError, OSError, ImportError, subprocess.CalledProcessError) as error:
        print(f"backline bench {NAME}: {error}", file=sys.stderr)
        return 2
    for recording, _ in pairs:
        piece = recording.stem
        print(f"\n{markdown(piece, [row for row in rows if row['case'].startswith(f'{piece}: ')])}")
    print(f"\n-> {path}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"backline bench {NAME} --")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="audio/ and ref/, or NAME.wav and .mid")
    parser.add_argument("--pieces", nargs="+", default=[], metavar="NAME", help="these alone")
    parser.add_argument("--instrument", choices=sorted(PROGRAMS), default="violin", help="what plays (default violin)")
    parser.add_argument("--fonts", nargs="*", default=list(FONTS), metavar="FONT", help="names or files of sound fonts")
    parser.add_argument("--published", nargs="+", default=[], metavar="FILE[=NAME]", help="published.safetensors")
    parser.add_argument(
        "--iterations",
        type=int,
        default=300,
        metavar="N",
        help="of Griffin-Lim for the published network (default 300)",
    )
    parser.add_argument(
        "--model",
        nargs="*",
        default=["performer"],
        metavar="MODEL[=NAME]",
        help="models or .onnx files, and their rows",
    )
    parser.add_argument("--seeds", action="store_true", help="sum up rows that differ by a trailing `seed N` alone")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter of the model")
    parser.add_argument(
        "--transcriber", default="strings", metavar="INSTRUMENT", help="what the transcriber listens for"
    )
    parser.add_argument("--provider", default="auto", help="auto, cpu or cuda (default auto)")
    parser.add_argument("--peers-python", type=Path, metavar="PYTHON", help="a Python that has basic-pitch")
    parser.add_argument(
        "--data-notes", type=Path, metavar="DIR", help="recordings that a classifier of instruments learns"
    )
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keeps what peers heard, by the audio's bytes")
    parser.add_argument(
        "--renders", type=Path, metavar="DIR", help="keeps renderings, figures and classifier while nothing changed"
    )
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help="where rows are appended")
    return parser


def _cell(row: Row, name: str) -> str:
    if name not in row:
        return ""
    spread = f" ({row[name + LEAST]:.2f} to {row[name + MOST]:.2f})" if name + LEAST in row else ""
    return f"{row[name]:.2f}{spread}"


if __name__ == "__main__":
    raise SystemExit(main())
