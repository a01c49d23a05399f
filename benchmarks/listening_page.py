"""The listening page as a folder: a phrase played by everybody, and the page over all phrases.

Called by `listening`, `listening_drums`, `listening_arranger` and `drummer_ratings`.
"""

import argparse
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any  # the page's data is JSON

from benchmarks.listening_phrases import SPECTRUM_HZ, Phrase, equally_loud, spectrum, write_pictures
from benchmarks.listening_server import serve
from benchmarks.performer_programs import Player
from models.block import Samples
from server.audio.file import read_audio, write_audio
from server.errors import BacklineError
from server.files import write_text_whole

PARTS = Path(__file__).with_name("listening_files")
PLACE = "{}  <!-- data -->"
FAILURES = (BacklineError, OSError, ImportError, RuntimeError, ValueError, subprocess.CalledProcessError)
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Version:
    """Who plays, and what the page calls them. kind: recording, font, published or ours."""

    name: str
    kind: str
    player: Player | None = None


@dataclass(frozen=True, slots=True)
class Questions:
    """What is asked of every version. asks: (name, title, question) each. most: points, from 1."""

    title: str
    asks: tuple[tuple[str, str, str], ...]
    most: int
    worst: str = "bad"
    best: str = "excellent"


OF_PLAYERS = Questions(
    "Who plays best?",
    (
        ("timbre", "Timbre", "Does it sound like the real instrument?"),
        ("naturalness", "Naturalness", "Does a person play, or a machine?"),
        ("quality", "Quality", "How good is the sound itself?"),
        ("emotion", "Emotion", "Does the playing express anything?"),
        ("overall", "Overall", "All in all?"),
    ),
    5,
)
"""What PerformanceNet's listeners were asked."""
Heard = tuple[Version, tuple[Samples, int]]
"""Who plays, and what: (1, samples) and their rate in Hz."""


def play(phrase: Phrase, who: Sequence[Version], media: Path, say: Say) -> dict[str, Any]:
    """Render a phrase by everybody; return what the page is told of it. File names do not tell who plays."""
    heard = [(Version("Recording", "recording"), phrase.recording)] if phrase.recording is not None else []
    for version in who:
        rendering = media.parent / "rendering.wav"
        try:
            assert version.player is not None
            version.player.plays(phrase.score, rendering, phrase.seconds)
            heard.append((version, read_audio(rendering)))
        except FAILURES as error:
            say(f"{version.name} is not heard in {phrase.title}: {error}.")
        finally:
            rendering.unlink(missing_ok=True)
    return lay_out(phrase.title, phrase.seconds, heard, media)


def lay_out(
    title: str, seconds: float, heard: Sequence[Heard], media: Path, itself: Heard | None = None
) -> dict[str, Any]:
    """Write the sounds and pictures of a phrase; return what the page is told of it.

    itself: what the versions are of, which is heard beside them, by its name, and not rated.
    """
    versions, heard = len(heard), [*heard, *([itself] if itself else [])]
    sounds = equally_loud([sound for _, sound in heard], seconds)
    stems = [hashlib.sha256(samples.tobytes()).hexdigest()[:12] for samples, _ in sounds]
    for stem, (samples, rate) in zip(stems, sounds, strict=True):
        write_audio(media / f"{stem}.flac", samples, rate)
    if sounds:
        write_pictures([media / f"{stem}.png" for stem in stems], [spectrum(*sound) for sound in sounds])
    rows = [
        {"name": version.name, "kind": version.kind, "audio": f"media/{stem}.flac", "picture": f"media/{stem}.png"}
        for stem, (version, _) in zip(stems, heard, strict=True)
    ]
    phrase = {"title": title, "seconds": round(seconds, 3), "versions": rows[:versions]}
    return phrase | ({"itself": rows[-1]} if itself else {})


def write_page(
    output: Path, told: Sequence[dict[str, Any]], left_out: Sequence[str], questions: Questions = OF_PLAYERS
) -> None:
    """Write the page over what is told. What an earlier page played goes; ratings stay. Raises BacklineError."""
    rows = [row for phrase in told for row in (*phrase["versions"], phrase.get("itself")) if row]
    used = {Path(row[kind]).name for row in rows for kind in ("audio", "picture")}
    for path in (output / "media").iterdir():
        if path.suffix in (".flac", ".png") and path.name not in used:
            path.unlink()
    number = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:12]
    data = {"page": number, "spectrum_hz": SPECTRUM_HZ, "left_out": left_out, "phrases": told}
    data |= {"questions": asdict(questions)}
    for path in (
        *PARTS.iterdir(),
        *(Path(str(files("server.page") / "files" / name)) for name in ("style.css", "icon.svg")),
    ):
        text = path.read_text(encoding="utf-8")
        write_text_whole(output / path.name, text.replace(PLACE, json.dumps(data).replace("<", "\\u003c")))


def make_page(
    name: str,
    arguments: argparse.Namespace,
    tell: Callable[[Say], list[dict[str, Any]]],
    questions: Questions = OF_PLAYERS,
) -> int:
    """Run a listening benchmark: have everybody play, write the page, show it if asked. Return the exit code.

    arguments: output, serve and port. tell: (who is told what is left out) -> what the page is told, a row a phrase. Its sounds lie
    in output/media.
    """
    left_out: list[str] = []

    def say(sentence: str) -> None:
        left_out.append(sentence)
        print(sentence, file=sys.stderr)

    try:
        write_page(arguments.output, tell(say), left_out, questions)
        print(f"-> {arguments.output / 'index.html'}", flush=True)
        if arguments.serve:
            serve(arguments.output, arguments.port)
    except KeyboardInterrupt:
        return 0 if arguments.serve else 130
    except (BacklineError, OSError, ImportError) as error:
        print(f"backline bench {name}: {error}", file=sys.stderr)
        return 2
    return 0
