"""The listening page as a folder: a phrase played by everybody, and the page over all phrases. Called by `listening`."""

import hashlib
import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any  # the page's data is JSON

from benchmarks.listening_phrases import SPECTRUM_HZ, Phrase, equally_loud, spectrum, write_pictures
from benchmarks.performer_programs import Player
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
    sounds = equally_loud([sound for _, sound in heard], phrase.seconds)
    stems = [hashlib.sha256(samples.tobytes()).hexdigest()[:12] for samples, _ in sounds]
    for stem, (samples, rate) in zip(stems, sounds, strict=True):
        write_audio(media / f"{stem}.flac", samples, rate)
    if sounds:
        write_pictures([media / f"{stem}.png" for stem in stems], [spectrum(*sound) for sound in sounds])
    rows = [
        {"name": version.name, "kind": version.kind, "audio": f"media/{stem}.flac", "picture": f"media/{stem}.png"}
        for stem, (version, _) in zip(stems, heard, strict=True)
    ]
    return {"title": phrase.title, "seconds": round(phrase.seconds, 3), "versions": rows}


def write_page(output: Path, told: Sequence[dict[str, Any]], left_out: Sequence[str]) -> None:
    """Write the page over what is told. What an earlier page played goes; ratings stay. Raises BacklineError."""
    used = {Path(row[kind]).name for phrase in told for row in phrase["versions"] for kind in ("audio", "picture")}
    for path in (output / "media").iterdir():
        if path.suffix in (".flac", ".png") and path.name not in used:
            path.unlink()
    number = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:12]
    data = {"page": number, "spectrum_hz": SPECTRUM_HZ, "left_out": left_out, "phrases": told}
    for path in (
        *PARTS.iterdir(),
        *(Path(str(files("server.page") / "files" / name)) for name in ("style.css", "icon.svg")),
    ):
        text = path.read_text(encoding="utf-8")
        write_text_whole(output / path.name, text.replace(PLACE, json.dumps(data).replace("<", "\\u003c")))
