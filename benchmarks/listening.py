"""How does the performer sound to people? A page with a blind test: recordings, sound fonts, the published network and ours.

    backline bench listening -- --data DIR --published RUN/published.safetensors --output DIR --serve

DIR of --data holds audio/NAME.flac and ref/NAME.mid, or NAME.wav beside NAME.mid; phrases of its held-out pieces are played. What
is missing is left out with a sentence; without recordings a short tune is played. The page asks the five questions of
PerformanceNet's listeners (timbre, naturalness, quality, emotion, overall). It needs no network, and opens as a file too: ratings
then stay in the browser, to be downloaded; with --serve they are written to ratings.jsonl beside it.
"""

import argparse
import json
import math
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from benchmarks.listening_page import Say, Version, make_page, play
from benchmarks.listening_phrases import Phrase, cut_phrases, joy
from benchmarks.performer_programs import (
    FONTS,
    PROGRAMS,
    find_fonts,
    font_player,
    performer_player,
    published_player,
)
from benchmarks.transcription_curve import pairs_of
from server.errors import BacklineError
from server.model_store import find_model

NAME = "listening"
SYNTHESIZERS = 2  # sound fonts, where none are named
HELD_OUT = {"test_piece": 3, "test_player": 2}  # phrases, by the names of models/performer/split.json


def versions(arguments: argparse.Namespace, say: Say) -> Iterator[Version]:
    """Yield who plays besides the recording, as far as they are there."""
    found = find_fonts(FONTS if arguments.fonts is None else tuple(arguments.fonts))
    there = {name: font for name, font in found.items() if font is not None}
    if arguments.fonts is None:
        there = dict(list(there.items())[:SYNTHESIZERS])
    lacking = [name for name in found if found[name] is None]
    for name in lacking if arguments.fonts is not None or len(there) < SYNTHESIZERS else []:
        say(f"There is no {name}: that sound font is not installed.")
    if there and shutil.which("fluidsynth") is None:
        say("No sound font plays: the program fluidsynth is not installed.")
        there = {}
    for font in there.values():
        player = font_player(font, PROGRAMS[arguments.instrument])
        yield Version(player.name, "font", player)
    if arguments.published is None:
        say("The published network is not heard: no checkpoint of it was given (--published).")
    else:
        try:
            player = published_player(arguments.published, arguments.iterations)
            yield Version(player.name, "published", player)
        except (BacklineError, ImportError) as error:
            say(f"The published network is not heard: {error}.")
    try:
        parameters = {parameter.name for parameter in find_model(arguments.model).manifest.parameters}
        settings = [f"instrument={arguments.instrument}"] if "instrument" in parameters else []
        player = performer_player(arguments.model, settings + arguments.set)
        yield Version("Backline's performer", "ours", player)
    except BacklineError as error:
        say(f"Backline's performer is not heard: {error}.")


def phrases(arguments: argparse.Namespace, folder: Path, say: Say) -> list[Phrase]:
    """Return what is played: of the pieces asked for, or of those that the performer never learnt from. Raises BacklineError."""
    if arguments.data is None:
        say("There is no recording to compare with: no folder of recordings was given (--data).")
        return [joy(folder)]
    try:
        pairs = {recording.stem: (recording, score) for recording, score in pairs_of(arguments.data)}
    except BacklineError as error:
        say(f"There is no recording to compare with: {error}.")
        return [joy(folder)]
    if arguments.pieces:
        wanted = dict.fromkeys(arguments.pieces, arguments.phrases or 2)
    else:
        split = json.loads(files("models.performer").joinpath("split.json").read_text())
        parts = split.get(arguments.instrument, {})
        wanted = {
            piece: arguments.phrases or count for part, count in HELD_OUT.items() for piece in parts.get(part, [])
        }
    found: list[Phrase] = []
    for piece, count in wanted.items():
        if piece in pairs:
            found += cut_phrases(*pairs[piece], count, arguments.phrase_seconds, folder)
        else:
            say(f"There is no {piece} in {arguments.data}.")
    if not found:
        say(
            f"There is no recording to compare with: {arguments.data} holds no held-out piece for the {arguments.instrument}."
        )
    return found or [joy(folder)]


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line."""
    arguments = _parser().parse_args(words)

    def tell(say: Say) -> list[dict[str, Any]]:
        media = arguments.output / "media"
        media.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as scratch:
            played, who = phrases(arguments, Path(scratch), say), list(versions(arguments, say))
            told = []
            for number, phrase in enumerate(played, 1):
                print(f"phrase {number} of {len(played)}: {phrase.title}, {phrase.seconds:.1f} s", file=sys.stderr)
                told.append(play(phrase, who, media, say))
        told = [phrase for phrase in told if phrase["versions"]]
        if not told:
            raise BacklineError(
                "nobody plays: there is no recording, no sound font, no published network and no performer"
            )
        return told

    return make_page(NAME, arguments, tell)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"backline bench {NAME} --")
    parser.add_argument("--data", type=Path, metavar="DIR", help="audio/ and ref/, or NAME.wav and .mid")
    parser.add_argument("--pieces", nargs="+", default=[], metavar="NAME", help="these instead of the held-out ones")
    parser.add_argument(
        "--phrases",
        type=_count,
        metavar="N",
        help="of a piece (default 3 of the unheard piece, 2 of the unheard player)",
    )
    parser.add_argument("--phrase-seconds", type=_seconds, default=12.0, metavar="N", help="about so long (default 12)")
    parser.add_argument("--instrument", choices=sorted(PROGRAMS), default="violin", help="what plays (default violin)")
    parser.add_argument("--fonts", nargs="*", metavar="FONT", help="names or files (default: the first two installed)")
    parser.add_argument("--published", type=Path, metavar="FILE", help="published.safetensors")
    parser.add_argument(
        "--iterations", type=_count, default=300, metavar="N", help="of Griffin-Lim for it (default 300)"
    )
    parser.add_argument(
        "--model", default="performer", metavar="MODEL", help="a name or an .onnx file (default performer)"
    )
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter of the model")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="the page's folder")
    parser.add_argument("--serve", action="store_true", help="show it at 127.0.0.1 and write ratings beside it")
    parser.add_argument("--port", type=int, default=0, help="for --serve (default: a free one)")
    parser.add_argument("--provider", help=argparse.SUPPRESS)  # every benchmark is told; renders use the CPU
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"{text}; allowed: 1 to 1000")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 1 <= value <= 120:
        raise argparse.ArgumentTypeError(f"{text}; allowed: 1 to 120 seconds")
    return value


if __name__ == "__main__":
    raise SystemExit(main())
