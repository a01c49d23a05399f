"""How near do renderings of a score come to the recording? Ours beside FluidSynth's fonts and the published network.

    backline bench performer_table -- --data DIR --published RUN/published.safetensors --peers-python PYTHON

DIR holds audio/NAME.flac and ref/NAME.mid, or NAME.wav beside NAME.mid: recordings and the scores of those very performances.
Beside the figures of `render_scores` stands whether transcribers hear the score's notes in a rendering (onset F1, 50 ms), and
in the recording itself. Needs librosa and mir_eval (extra `train`), and fluidsynth for its rows.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

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
from benchmarks.render_scores import score_files
from benchmarks.transcription_curve import Pairs, pairs_of
from benchmarks.transcription_programs import find_peers, head_program, missing_peers, nearest_head, peer_program
from benchmarks.transcription_scores import Part, figures, reference_part
from server.errors import BacklineError
from server.model_store import find_model

NAME = "performer_table"
COLUMNS = {
    "mel_db": "mel distance",
    "tonality_db": "tonality",
    "envelope": "envelope",
    "timbre": "timbre",
    "chroma": "chroma",
    "onset": "onset",
    "transcriber_f1": "notes heard",
    "basic_pitch_f1": "by Basic Pitch",
}
LOOK_AHEAD_MS = 160.0  # of the transcriber: its most accurate head
Ears = dict[str, Callable[[Path, Path], float]]


def players(arguments: argparse.Namespace) -> Iterator[Player]:
    """Yield who plays, as far as they are there; say who is not. Raises BacklineError."""
    for name, font in find_fonts(tuple(arguments.fonts)).items():
        if font is None:
            print(f"no row for {name}: it is not installed", file=sys.stderr)
        else:
            yield font_player(font, PROGRAMS[arguments.instrument])
    for weights in arguments.published:
        yield published_player(weights, arguments.iterations)
    if not arguments.published:
        print("no row for the published network: no --published was given", file=sys.stderr)
    for model in arguments.model:
        try:
            find_model(model)
        except BacklineError as error:
            print(f"no row for {model}: {error}", file=sys.stderr)
        else:
            yield performer_player(model, [f"instrument={arguments.instrument}", *arguments.set])


def ears_of(arguments: argparse.Namespace) -> Ears:
    """Return who listens, by the name of the figure: (rendering, score) -> onset F1. Say who is not there."""
    transcriber = find_model("transcriber")
    head = nearest_head(transcriber.manifest, LOOK_AHEAD_MS)
    program = head_program(transcriber, head, "commit", {"instrument": arguments.transcriber}, arguments.provider)
    ears: Ears = {"transcriber_f1": lambda sound, score: _onset_f1(score, program.hear(sound))}
    versions = find_peers(arguments.peers_python)
    for line in missing_peers(versions, arguments.peers_python):
        print(line, file=sys.stderr)
    if "basic_pitch" in versions:

        def heard(sound: Path, score: Path) -> float:
            peer = peer_program(
                arguments.peers_python, "basic_pitch", versions["basic_pitch"], [sound], arguments.cache
            )
            return _onset_f1(score, peer.hear(sound))

        ears["basic_pitch_f1"] = heard
    return ears


def measure(pairs: Pairs, who: Sequence[Player], ears: Ears, folder: Path) -> Iterator[Row]:
    """Yield the recording's row and one for each player, piece by piece; renderings that `folder` holds are taken as they are."""
    import soundfile

    for recording, score in pairs:
        heard = {name: ear(recording, score) for name, ear in ears.items()}
        yield _rounded({"case": f"{recording.stem}: recording"} | heard)
        seconds = soundfile.info(str(recording)).duration
        for player in who:
            rendering = folder / f"{recording.stem}, {player.name}.wav"
            if not rendering.exists():
                player.plays(score, rendering, seconds)
            row: Row = {"case": f"{recording.stem}: {player.name}"} | score_files(recording, rendering).to_json()
            yield _rounded(row | {name: ear(rendering, score) for name, ear in ears.items()})
            print(f"{row['case']}: {row['mel_db']} dB", file=sys.stderr)


def markdown(piece: str, rows: Sequence[Row]) -> str:
    """Return the rows of one piece as a table for a README."""
    lines = [f"| {piece} | {' | '.join(COLUMNS.values())} |", "|---|" + "---:|" * len(COLUMNS)]
    for row in rows:
        cells = [f"{row[name]:.2f}" if name in row else "" for name in COLUMNS]
        lines.append(f"| {row['case'].removeprefix(f'{piece}: ')} | {' | '.join(cells)} |")
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
            rows += measure(pairs, list(players(arguments)), ears_of(arguments), folder)
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
    parser.add_argument("--published", type=Path, nargs="+", default=[], metavar="FILE", help="published.safetensors")
    parser.add_argument(
        "--iterations",
        type=int,
        default=300,
        metavar="N",
        help="of Griffin-Lim for the published network (default 300)",
    )
    parser.add_argument("--model", nargs="*", default=["performer"], metavar="MODEL", help="names or .onnx files")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter of the model")
    parser.add_argument(
        "--transcriber", default="strings", metavar="INSTRUMENT", help="what the transcriber listens for"
    )
    parser.add_argument("--provider", default="auto", help="auto, cpu or cuda (default auto)")
    parser.add_argument("--peers-python", type=Path, metavar="PYTHON", help="a Python that has basic-pitch")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keeps what peers heard, by the audio's bytes")
    parser.add_argument(
        "--renders", type=Path, metavar="DIR", help="keeps the renderings, and takes those that it holds"
    )
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help="where rows are appended")
    return parser


def _onset_f1(score: Path, heard: Part) -> float:
    part = reference_part(score)
    return float(figures(part, heard, float(part.notes.intervals.max(initial=1.0)), np.inf)["onset_f1"])


def _rounded(row: Row) -> Row:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()}


if __name__ == "__main__":
    raise SystemExit(main())
