"""`backline run MODEL INPUT -o OUTPUT`: a file in, files out, by the live path on a virtual clock."""

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from models.block import Samples
from models.events import Event, HostEvent, NoteOn, Transport, time_order
from models.manifest import Manifest
from server.audio.file import AUDIO_SUFFIXES, WRITABLE_SUFFIXES, AudioWriter, check_rate, read_audio
from server.beats_file import Beats, TempoMap, found_beats, read_beats
from server.commands.options import (
    add_clip_options,
    add_model_options,
    block_size,
    parse_settings,
    say_remarks,
    tempo_of,
)
from server.directions import Settings, gives, said_of, takes, turned
from server.errors import BacklineError
from server.files import require_folder
from server.midi.clip import CLIP_RATE, read_clip
from server.midi.file import MIDI_SUFFIXES, TICKS_PER_BEAT, write_midi
from server.midi.tempo_map import read_tempo
from server.midi.texture import read_texture
from server.model_store import find_model, open_stream
from server.picture import PICTURE_SUFFIXES, Picture
from server.run_file import Take, long_silence, run_stream, write_log

NO_BEATS = "none"


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
        help=".mid, .wav or .png (the spectrogram of a player that shows one); twice for two",
    )
    add_clip_options(parser)
    parser.add_argument(
        "--rate", type=int, metavar="HZ", help=f"sample rate at which a .mid is played (default {CLIP_RATE})"
    )
    parser.add_argument("--block", type=block_size, default=64, metavar="N", help="host block in samples (default 64)")
    parser.add_argument("--log", type=Path, metavar="EVENTS.jsonl", help="write every event as it leaves")
    parser.add_argument(
        "--beats", type=Path, metavar="FILE",
        help="the host's transport for drummer and arranger: a beat a line, its time in seconds and its number in the bar; "
        f"without it a .mid has its own, which '{NO_BEATS}' leaves out, and in audio the beat is found",
    )  # fmt: skip


def main(arguments: argparse.Namespace) -> int:
    """Run the command."""
    model = find_model(arguments.model, arguments.models)
    for path in (*arguments.output, *([arguments.log] if arguments.log else [])):
        require_folder(path)
    heard, given = [_kind(arguments.input)], [_kind(path) for path in arguments.output]
    manifest, settings = turned(model.manifest, _with_files(parse_settings(arguments.set)), heard, given)
    _check_outputs(manifest, arguments.output)
    beats = _read_beats(manifest, arguments.beats)
    samples, played, rate = _read_input(manifest, arguments)
    told, tempos = _transport(manifest, beats, arguments, rate)
    events: tuple[HostEvent, ...] = tuple(sorted((*told, *played), key=time_order)) if told else played
    stream = open_stream(model, settings, rate, arguments.provider)
    notes, pictures, sounds = (
        [path for path in arguments.output if _kind(path) == kind] for kind in ("notes", "magnitude", "audio")
    )
    picture = Picture()
    with ExitStack() as stack:
        bar = stack.enter_context(
            Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
        )
        task = bar.add_task(model.manifest.name, total=1.0)
        writers = [stack.enter_context(AudioWriter(path, rate, stream.spec.channels_out)) for path in sounds]

        def write(audio: Samples) -> None:
            for writer in writers:
                writer.write(audio)

        take = run_stream(
            stream, samples, events, arguments.block, lambda done: bar.update(task, completed=done), write,
            (lambda frame: picture.add(frame.bins)) if pictures else None,
        )  # fmt: skip
        for writer in writers:
            writer.finish()
    if tempos is None and _plans(manifest):
        found = found_beats(take.found, rate, samples.shape[1])
        tempos = None if found is None else found.tempo_map(TICKS_PER_BEAT)
        _say_what_was_found(manifest, arguments.input, take, found)
    elif _plans(manifest) and not any(isinstance(emission.event, NoteOn) for emission, _ in take.emissions):
        print(f"{said_of(manifest)} found nothing to play to in {arguments.input}", file=sys.stderr)
    for path in notes:
        write_midi(path, take.events(), rate, model.manifest.name, tempo_of(settings), tempos)
    for path in pictures:
        picture.write(path)
    if arguments.log:
        write_log(arguments.log, take)
    print(_summary(manifest, take, [*arguments.output, *([arguments.log] if arguments.log else [])]))
    return 0


def _with_files(settings: Settings) -> Settings:
    """Return the settings with what is in the file that one of them names."""
    texture = Path(str(settings.get("texture", "")))
    return {**settings, "texture": read_texture(texture)} if texture.suffix.lower() in MIDI_SUFFIXES else settings


def _summary(manifest: Manifest, take: Take, written: list[Path]) -> str:
    """Return the line that ends a run, as `live` ends: how many notes where the model gives any, and the files."""
    notes = sum(isinstance(emission.event, NoteOn) for emission, _ in take.emissions)
    files = f"wrote {' and '.join(map(str, written))}"
    return f"{notes} notes; {files}" if gives(manifest, "notes") else files


def _check_outputs(manifest: Manifest, paths: list[Path]) -> None:
    """Raise BacklineError where a file's kind is not among the model's outputs."""
    for path in paths:
        wanted = _kind(path)
        if wanted == "audio" and path.suffix.lower() not in WRITABLE_SUFFIXES:
            raise BacklineError(
                f"cannot write {path}; by its name an output is .mid or audio: {' '.join(WRITABLE_SUFFIXES)}, "
                f"or a picture: {' '.join(PICTURE_SUFFIXES)}"
            )
        if not gives(manifest, wanted):
            kinds = " and ".join(sorted({port.kind for port in manifest.outputs}))
            raise BacklineError(f"{said_of(manifest)} gives {kinds}, so it cannot write {path}")


def _plans(manifest: Manifest) -> bool:
    """Whether the model plays on beats."""
    return any(graph.clock not in ("hop", "event") for graph in manifest.graphs)


def _read_beats(manifest: Manifest, path: Path | None) -> Beats | None:
    if path is not None and not _plans(manifest):
        raise BacklineError(f"{said_of(manifest)} does not follow beats; leave --beats out")
    return None if path is None or str(path) == NO_BEATS else read_beats(path)


def _transport(
    manifest: Manifest, beats: Beats | None, arguments: argparse.Namespace, rate: int
) -> tuple[tuple[Transport, ...], TempoMap | None]:
    """Return what a host would tell, and its map for the .mid: from the file of beats, or else of a .mid that is played to."""
    if beats is not None:
        return beats.transports(rate), beats.tempo_map(TICKS_PER_BEAT)
    if _plans(manifest) and _kind(arguments.input) == "notes" and str(arguments.beats) != NO_BEATS:
        return read_tempo(arguments.input, rate)
    return (), None


def _say_what_was_found(manifest: Manifest, path: Path, take: Take, found: Beats | None) -> None:
    """Say on standard error which beat was found, or that none was, and whether nothing was played."""
    if found is None:
        print(
            f"no beat was found in {path}: too few clear onsets; --beats FILE says where the beats are", file=sys.stderr
        )
        return
    if not any(isinstance(emission.event, NoteOn) for emission, _ in take.emissions):
        print(f"{said_of(manifest)} found nothing to play to in {path}", file=sys.stderr)
    first, tempos = found.seconds[0], sorted(said.tempo_bpm for said in take.found)
    print(
        f"found {tempos[len(tempos) // 2]:.1f} beats a minute, {found.usual_bar} a bar, from {first:.1f} s on",
        file=sys.stderr,
    )


def _kind(path: Path) -> str:
    """Return the kind of port that a file of this name comes from."""
    suffix = path.suffix.lower()
    return "notes" if suffix in MIDI_SUFFIXES else "magnitude" if suffix in PICTURE_SUFFIXES else "audio"


def _read_input(manifest: Manifest, arguments: argparse.Namespace) -> tuple[Samples, tuple[Event, ...], int]:
    """Return (audio, events, rate); the side that the file does not have is silent."""
    path = arguments.input
    if path.suffix.lower() in MIDI_SUFFIXES:
        if not takes(manifest, "notes"):
            raise BacklineError(f"{said_of(manifest)} takes audio, and {path} is MIDI")
        rate = check_rate(CLIP_RATE if arguments.rate is None else arguments.rate)
        clip = read_clip(path, rate, arguments.track, with_drums=any(port.kind == "drums" for port in manifest.inputs))
        say_remarks(clip)
        return long_silence(clip.played_length(rate)), clip.events, rate
    if arguments.rate is not None or arguments.track:
        raise BacklineError(f"--rate and --track are for MIDI files; {path} has its own rate and one track")
    if not takes(manifest, "audio"):
        raise BacklineError(f"{said_of(manifest)} takes MIDI, and {path} is audio")
    samples, rate = read_audio(path)
    return samples, (), rate
