"""How do the arranger's arrangements sound to people? A page with a blind test: a song, and each arrangement of it on one piano.

    backline bench listening_arranger -- --data DIR --variant NAME=FOLDER --output DIR --serve

The arranger plays following and planning, with the melody in and out; a human's arrangement is played where DIR holds one
(`listening_songs` says how), and so are other arranger models and plain block chords of the chords that the ear hears. All are played by
one sound font. Without songs a made one is arranged. The questions are those of the paper's 26 listeners; the song itself can be heard
beside each arrangement and is not rated. Ratings go to ratings.jsonl beside the page.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.arranger_hearing import find, hear
from benchmarks.device_step import open_step
from benchmarks.listening_page import FAILURES, Heard, Questions, Say, Version, lay_out, make_page
from benchmarks.listening_songs import Notes, Song, Sound, made_song, songs_of
from benchmarks.performer_programs import FONTS, find_fonts
from models.arranger.chords import Chord, decode_chords
from models.arranger.config import SAMPLE_RATE
from models.arranger.grid import pool_chords
from models.arranger.hearing import told
from models.events import NoteOn
from models.sound.performance import Performance, read_performance
from models.sound.soundfont import RENDER_RATE, play_soundfont
from server.errors import BacklineError
from server.midi.file import write_midi
from server.model_store import Model, find_model, open_stream
from server.onnx_step import open_session
from server.run_file import run_stream

NAME = "listening_arranger"
PIANO = 0  # of General MIDI, counted from 0
SONG_FONT = "TimGM6mb.sf2"  # of bands; no arranger learnt from it
AROUND_SECONDS = 20.0  # of a song before and behind what is heard, which are arranged too
BLOCK = 1024
CHORD_VELOCITY, LOWEST_ROOT, LOWEST_TONE = 72, 36, 55
MODES = {"follow": "", "plan": ", planning"}
MELODIES = {"out": "", "in": ", with the melody"}
OF_ARRANGERS = Questions(
    "Which arrangement is best?",
    (
        ("faithfulness", "Faithfulness", "Is it this song?"),
        ("creativity", "Creativity", "Is it more than a copy, with ideas of its own?"),
        ("naturalness", "Naturalness", "Could a pianist have played it so?"),
        ("musicality", "Musicality", "Is it good music?"),
    ),
    5,
)
"""What the paper's listeners were asked."""

Plays = Callable[[], Performance]


def arranged(model: Model, song: Song, settings: dict[str, str]) -> Performance:
    """Return what a model plays to a song, on its beats or on those it finds. Raises BacklineError."""
    samples, rate = song.audio
    stream = open_stream(model, settings, rate, "cpu")
    take = run_stream(stream, samples, () if song.beats is None else song.beats.transports(rate), BLOCK)
    if not any(isinstance(event, NoteOn) for event in take.events()):
        raise BacklineError("it plays nothing")
    with tempfile.TemporaryDirectory() as folder:
        score = Path(folder) / "piano.mid"
        write_midi(score, take.events(), rate, NAME)
        return read_performance(score)


def block_chords(model: Model, song: Song) -> Performance:
    """Return the chords that the ear of a model hears, struck anew in every bar. Raises BacklineError where it finds no beat."""
    import soxr

    graph = next((one for one in model.manifest.graphs if one.name == "ear"), None)
    if graph is None:
        raise BacklineError(f"model '{model.manifest.name}' has no graph 'ear'; an arranger has")
    step = open_step(open_session(model.path, "cpu", file=graph.file), graph)
    said = hear(step, soxr.resample(song.audio[0][0], song.audio[1], SAMPLE_RATE).astype(np.float32))
    if song.beats is None:
        found = find(said)
        beats, downs = found.decided, found.decided_downs
    else:
        beats, downs = np.array(song.beats.seconds), np.array(song.beats.numbers) == 1
    there = beats < song.seconds
    if there.sum() < 2:
        raise BacklineError("no beat was found")
    beats, downs = beats[there], downs[there]
    chords = decode_chords(pool_chords(said.chord, told(beats * SAMPLE_RATE)))
    return Performance(struck(chords, beats, downs), np.zeros((0, 2)))


def struck(chords: Sequence[Chord], beats: np.ndarray, downs: np.ndarray) -> Notes:
    """Return chords as a beginner plays them, the bass in one octave and the tones in the next but one.

    chords: from each beat to the next. beats: seconds. downs: which begin a bar.
    """
    starts = [n for n, chord in enumerate(chords) if n == 0 or downs[n] or chord != chords[n - 1]]
    rows = []
    for first, after in zip(starts, [*starts[1:], len(chords)], strict=True):
        chord = chords[first]
        if chord.is_none:
            continue
        tones = np.flatnonzero(chord.row()[13:25])
        pitches = [LOWEST_ROOT + chord.bass % 12, *(LOWEST_TONE + (int(tone) - LOWEST_TONE) % 12 for tone in tones)]
        rows += [(beats[first], beats[after], pitch, CHORD_VELOCITY) for pitch in sorted(pitches)]
    if not rows:
        raise BacklineError("no chord was heard")
    return np.array(rows, float)


def players(song: Song, models: dict[str, Model], arguments: argparse.Namespace) -> dict[Version, Plays]:
    """Return who arranges a song, and how it is had."""
    who: dict[Version, Plays] = {}
    for melody in arguments.melody:
        if melody in song.human:
            notes = Performance(song.human[melody], np.zeros((0, 2)))
            who[Version(f"A human{MELODIES[melody]}", "recording")] = lambda notes=notes: notes  # type: ignore[misc]
        for mode in arguments.modes:
            settings = {"mode": mode, "melody": melody}
            for name, model in models.items():
                version = Version(f"{name}{MODES[mode]}{MELODIES[melody]}", "ours")
                who[version] = lambda model=model, settings=settings: arranged(model, song, settings)  # type: ignore[misc]
    ears = next(iter(models.values()))
    who[Version("Block chords", "font")] = lambda: block_chords(ears, song)
    return who


def play(
    song: Song, models: dict[str, Model], arguments: argparse.Namespace, media: Path, say: Say
) -> dict[str, object]:
    """Have everybody arrange a song; return what the page is told of it."""
    seconds = min(arguments.phrase_seconds, song.seconds)
    begin = _first(song, seconds)
    around = max(0.0, begin - AROUND_SECONDS)
    song, first = song.part(around, begin + seconds + AROUND_SECONDS), begin - around
    heard: list[Heard] = []
    for version, plays in players(song, models, arguments).items():
        try:
            piano = play_soundfont(plays(), arguments.font, PIANO, first + seconds)
            heard.append((version, _cut((piano[None], RENDER_RATE), first)))
        except FAILURES as error:
            say(f"{version.name} is not heard in {song.name}: {error}.")
    itself = (Version("The song", "recording"), _cut(song.audio, first))
    return lay_out(song.name, seconds, heard, media, itself)


def find_all(arguments: argparse.Namespace, say: Say) -> dict[str, Model]:
    """Return the models that arrange, by their names on the page. Raises BacklineError where there is none."""
    models: dict[str, Model] = {}
    for name, place in {"Backline's arranger": arguments.model, **dict(arguments.variant)}.items():
        try:
            models[name] = find_model(place)
        except BacklineError as error:
            say(f"{name} is not heard: {error}.")
    if not models:
        raise BacklineError("nobody arranges: there is no model")
    return models


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line."""
    arguments = _parser().parse_args(words)

    def tell(say: Say) -> list[dict[str, Any]]:
        if not 1 <= arguments.phrase_seconds <= 120:
            raise BacklineError(f"--phrase-seconds is {arguments.phrase_seconds:g}; allowed: 1 to 120")
        if arguments.songs < 1:
            raise BacklineError(f"--songs is {arguments.songs}; allowed: 1 and more")
        arguments.font = _font((str(arguments.font),) if arguments.font else FONTS)
        band_font = find_fonts((SONG_FONT,))[SONG_FONT] or arguments.font
        media = arguments.output / "media"
        media.mkdir(parents=True, exist_ok=True)
        models, told_of = find_all(arguments, say), []
        if arguments.data is None:
            say("There is no song: none was given (--data). A made one is arranged.")
        songs = (
            iter([made_song(band_font)])
            if arguments.data is None
            else songs_of(arguments.data, band_font, arguments.songs)
        )
        for song in songs:
            print(f"{song.name}, {song.seconds:.0f} s", file=sys.stderr)
            found = replace(song, beats=None) if arguments.find_beats else song
            told_of.append(play(found, models, arguments, media, say))
        told_of = [phrase for phrase in told_of if phrase["versions"]]
        if not told_of:
            raise BacklineError("nobody plays: no arrangement was made of any song")
        return told_of

    return make_page(NAME, arguments, tell, OF_ARRANGERS)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"backline bench {NAME} --")
    parser.add_argument("--data", type=Path, metavar="DIR", help="songs as audio, with NAME.beats; or midi_pop909/NNN")
    parser.add_argument("--songs", type=int, default=6, metavar="N", help="at most so many (default 6)")
    parser.add_argument("--model", default="arranger", metavar="MODEL", help="a name or a folder (default arranger)")
    parser.add_argument(
        "--variant", type=_variant, action="append", default=[], metavar="NAME=FOLDER", help="another arranger"
    )
    parser.add_argument("--modes", nargs="+", choices=tuple(MODES), default=tuple(MODES), help="default: both")
    parser.add_argument("--melody", nargs="+", choices=tuple(MELODIES), default=tuple(MELODIES), help="default: both")
    parser.add_argument("--find-beats", action="store_true", help="find the beats, though they be known")
    parser.add_argument(
        "--font", type=Path, metavar="FILE", help="the piano's sound font (default: the first installed)"
    )
    parser.add_argument("--phrase-seconds", type=float, default=20.0, metavar="N", help="of a song (default 20)")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="the page's folder")
    parser.add_argument("--serve", action="store_true", help="show it at 127.0.0.1 and write ratings beside it")
    parser.add_argument("--port", type=int, default=0, help="for --serve (default: a free one)")
    parser.add_argument("--provider", help=argparse.SUPPRESS)  # every benchmark is told; nothing here asks
    return parser


def _variant(text: str) -> tuple[str, str]:
    name, _, folder = text.partition("=")
    if not name or not folder:
        raise argparse.ArgumentTypeError(f"{text}; allowed: NAME=FOLDER, as in longer=build/longer")
    return name, folder


def _font(names: tuple[str, ...]) -> Path:
    """Return the first sound font that is there. Raises BacklineError where none is, or no FluidSynth."""
    import shutil

    found = next((path for path in find_fonts(names).values() if path is not None), None)
    if found is None:
        raise BacklineError(f"nobody plays: the sound font {' or '.join(names)} is not installed")
    if shutil.which("fluidsynth") is None:
        raise BacklineError("nobody plays: the program fluidsynth is not installed")
    return found


def _first(song: Song, seconds: float) -> float:
    """Return where what is heard of a song begins: in its middle, with a bar where the bars are known."""
    middle = max(0.0, (song.seconds - seconds) / 2)
    if song.beats is None:
        return middle
    downs = [
        at for at, number in zip(song.beats.seconds, song.beats.numbers, strict=True) if number == 1 and at <= middle
    ]
    return max(0.0, max(downs, default=middle) - 0.05)


def _cut(sound: Sound, first: float) -> Sound:
    samples, rate = sound
    return samples[:, round(first * rate) :], rate


if __name__ == "__main__":
    raise SystemExit(main())
