"""How does the drummer sound to people? A page with a blind test: bass and drums of held-out songs by each drummer.

    backline bench listening_drums -- --data DIR --published RUN/published.safetensors --output DIR --serve

DIR of --data holds NAME.beats, the bass as audio/NAME and, where there are, the song's own drums as drums/NAME. Who plays: the song's
own drums, ours on the song's beats and on those that it finds in the bass, a plain beat by the same kit, and the published network of
that checkpoint. What is missing is left out with a sentence; without songs a bass line of twelve bars is played to. The questions
are those of `drummer_ratings`, which learns from what is saved; ratings go to ratings.jsonl beside the page.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.drummer_ratings import OF_DRUMS, mixed
from benchmarks.listening_page import FAILURES, Heard, Say, Version, lay_out, make_page
from models.block import Samples
from server.audio.file import AUDIO_SUFFIXES, read_audio
from server.beats_file import Beats, read_beats
from server.errors import BacklineError
from server.model_store import find_model, open_stream
from server.run_file import run_stream

NAME = "listening_drums"
RATE = 48_000  # of the kit and of the line
LINE_BPM, LINE_BARS = 104.0, 12
LINE = ((0, 33), (0.75, 33), (1.5, 40), (2, 36), (2.5, 36), (3.5, 31))
"""Beats of a bar and pitches."""
KICK, SNARE, HAT = 36, 38, 42
SET = {"intro": "beat"}  # a song that is cut has no beginning to count in

Sound = tuple[Samples, int]
"""(1, samples) and their rate."""


@dataclass(frozen=True, slots=True)
class Song:
    """What is played to."""

    name: str
    bass: Sound
    beats: Beats
    drums: Sound | None = None


def songs_of(folder: Path | None, say: Say) -> list[Song]:
    """Return the songs of a folder, or a bass line. Raises BacklineError over a file that is damaged."""
    paths = sorted(folder.glob("*.beats")) if folder else []
    songs = []
    for path in paths:
        bass, drums = (_sound(path.parent / part, path.stem) for part in ("audio", "drums"))
        if bass is None:
            say(f"{path.stem} is not heard: {path.parent / 'audio'} holds no sound of that name.")
        else:
            songs.append(Song(path.stem, bass, read_beats(path), drums))
    if not songs:
        say(
            f"There is no song: {folder} holds no NAME.beats."
            if folder
            else "There is no song: none was given (--data)."
        )
        songs.append(line())
    return songs


def line() -> Song:
    """Return a bass line for who has no songs."""
    beat = 60 / LINE_BPM
    sound = np.zeros((1, round((LINE_BARS * 4 + 2) * beat * RATE)), np.float32)
    time = np.arange(round(0.6 * beat * RATE)) / RATE
    for bar in range(LINE_BARS):
        for place, pitch in LINE:
            hz = 440 * 2 ** ((pitch + (5 if bar % 4 == 2 else 0) - 69) / 12)
            tone = sum(np.sin(2 * np.pi * hz * k * time) / k**1.5 for k in range(1, 9))
            start = round((bar * 4 + place) * beat * RATE)
            sound[0, start : start + len(time)] += 0.25 * np.exp(-4 * time) * np.minimum(1, time / 0.004) * tone
    beats = Beats(tuple(n * beat for n in range(LINE_BARS * 4)), tuple(n % 4 + 1 for n in range(LINE_BARS * 4)))
    return Song("A bass line", (sound, RATE), beats)


def ours(model: str, song: Song, beats: Beats | None) -> Sound:
    """Return our drummer's sound, on the song's beats or on those it finds. Raises BacklineError."""
    bass, rate = song.bass
    stream = open_stream(find_model(model), SET, rate, "cpu")
    return run_stream(stream, bass, () if beats is None else beats.transports(rate), 1024).audio, rate


def plain_beat(song: Song) -> Sound:
    """Return hats in eighths, the kick on the odd beats and the snare on the even ones, by our kit in its room."""
    from benchmarks.drummer_mel_systems import in_room
    from models.drummer.published.rendered import play_kit

    seconds, numbers = song.beats.seconds, song.beats.numbers
    struck = [
        row
        for now, after, number in zip(seconds, [*seconds[1:], 2 * seconds[-1] - seconds[-2]], numbers, strict=True)
        for row in ((now, HAT, 80), (now, KICK if number % 2 else SNARE, 100), ((now + after) / 2, HAT, 64))
    ]
    return in_room(play_kit(np.array(sorted(struck)), song.bass[0].shape[1] / song.bass[1]))[None], RATE


def published(checkpoint: Path, song: Song) -> Sound:
    """Return the published network's sound."""
    from models.drummer.published.network import load_network
    from models.drummer.published.synthesis import render

    network, _ = load_network(checkpoint)
    return render(network, song.bass[0][0], song.bass[1])[None], network.config.sample_rate


def play(song: Song, arguments: argparse.Namespace, media: Path, say: Say) -> dict[str, object]:
    """Have everybody play to a song; return what the page is told of it."""
    who: dict[str, tuple[str, Callable[[], Sound]]] = {
        "Backline's drummer": ("ours", lambda: ours(arguments.model, song, song.beats)),
        "Backline's drummer, beats found": ("ours", lambda: ours(arguments.model, song, None)),
        "A plain beat": ("font", lambda: plain_beat(song)),
    }
    if arguments.published:
        who["The published network"] = ("published", lambda: published(arguments.published, song))
    played = [(Version("The song's own", "recording"), song.drums)] if song.drums is not None else []
    for name, (kind, plays) in who.items():
        try:
            played.append((Version(name, kind), plays()))
        except FAILURES as error:
            say(f"{name} is not heard in {song.name}: {error}.")
    seconds = song.bass[0].shape[1] / song.bass[1]
    first = max(0.0, (seconds - arguments.phrase_seconds) / 2)
    bass = _cut(song.bass, first, arguments.phrase_seconds)
    wanted = _level(_cut(song.drums or song.bass, first, arguments.phrase_seconds))
    heard: list[Heard] = []
    for version, sound in played:
        drums, rate = _cut(sound, first, arguments.phrase_seconds)
        level = _level((drums, rate))
        heard.append((version, mixed(bass, (drums * np.float32(wanted / level if level > 0 else 0), rate))))
    return lay_out(song.name, min(seconds, arguments.phrase_seconds), heard, media)


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog=f"backline bench {NAME} --")
    parser.add_argument("--data", type=Path, metavar="DIR", help="NAME.beats, audio/NAME (the bass), drums/NAME")
    parser.add_argument("--published", type=Path, metavar="FILE", help="a checkpoint of the published network")
    parser.add_argument("--model", default="drummer", metavar="MODEL", help="a name or an .onnx file (default drummer)")
    parser.add_argument("--phrase-seconds", type=float, default=15.0, metavar="N", help="of a song (default 15)")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="the page's folder")
    parser.add_argument("--serve", action="store_true", help="show it at 127.0.0.1 and write ratings beside it")
    parser.add_argument("--port", type=int, default=0, help="for --serve (default: a free one)")
    parser.add_argument("--provider", help=argparse.SUPPRESS)  # every benchmark is told; nothing here asks
    arguments = parser.parse_args(words)

    def tell(say: Say) -> list[dict[str, Any]]:
        if not 1 <= arguments.phrase_seconds <= 120:
            raise BacklineError(f"--phrase-seconds is {arguments.phrase_seconds:g}; allowed: 1 to 120")
        media = arguments.output / "media"
        media.mkdir(parents=True, exist_ok=True)
        if arguments.published is None:
            say("The published network is not heard: no checkpoint of it was given (--published).")
        told = [play(song, arguments, media, say) for song in songs_of(arguments.data, say)]
        return told

    return make_page(NAME, arguments, tell, OF_DRUMS)


def _sound(folder: Path, name: str) -> Sound | None:
    path = next((p for p in sorted(folder.glob(f"{name}.*")) if p.suffix.lower() in AUDIO_SUFFIXES), None)
    return None if path is None else read_audio(path)


def _cut(sound: Sound, first: float, seconds: float) -> Sound:
    samples, rate = sound
    return samples[:, round(first * rate) : round((first + seconds) * rate)], rate


def _level(sound: Sound) -> float:
    return float(np.sqrt(np.mean(np.square(sound[0], dtype=np.float64)))) if sound[0].size else 0.0


if __name__ == "__main__":
    raise SystemExit(main())
