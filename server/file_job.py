"""One file through a model, from its name to its outputs' names: what `run` does once, and `batch` for every file of a folder.

    read the input -> the host's transport, if there is one -> a stream on a virtual clock (run_file) -> write the outputs

By their names files are notes (.mid), audio or pictures. Every output is whole or not there.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from math import log10
from pathlib import Path

import numpy as np

from models.block import Samples
from models.events import Event, HostEvent, NoteOn, Transport, time_order
from models.manifest import Manifest
from server.audio.file import WRITABLE_SUFFIXES, AudioWriter, check_rate, read_audio
from server.beats_file import Beats, TempoMap, found_beats, read_beats
from server.directions import Settings, gives, said_of, takes, turned
from server.errors import BacklineError
from server.files import require_folder
from server.midi.clip import CLIP_RATE, read_clip
from server.midi.file import MIDI_SUFFIXES, TICKS_PER_BEAT, tempo_of, write_midi
from server.midi.tempo_map import read_tempo
from server.midi.texture import read_texture
from server.model_store import Model, open_stream
from server.picture import PICTURE_SUFFIXES, Picture
from server.run_file import Progress, Take, long_silence, run_stream, write_log

NO_BEATS = "none"
BLOCK = 64
"""Samples of a host block where nobody asks for another."""
FAINTEST, FAINT, RAISED = 1e-4, 1e-2, 0.1
"""Loudest sample of a song that is too quiet to be played to, from and to, and what it is made: -80 and -40 dB, -20 dB."""

Say = Callable[[str], None]
"""Takes a sentence about a file: what was left out of a clip, which beat was found."""


@dataclass(frozen=True, slots=True)
class FileJob:
    """A file and what is to become of it.

    block: of the virtual host, in samples. rate: Hz at which a .mid is played, None: CLIP_RATE. tracks: of a .mid, none: all but
    drums. beats: the host's transport in a file, or NO_BEATS. log: where every event goes as a line of JSON.
    """

    source: Path
    outputs: tuple[Path, ...]
    block: int = BLOCK
    rate: int | None = None
    tracks: tuple[str, ...] = ()
    beats: Path | None = None
    log: Path | None = None

    @property
    def written(self) -> tuple[Path, ...]:
        """All files that it writes."""
        return (*self.outputs, *([self.log] if self.log else []))


def kind_of(path: Path) -> str:
    """Return the kind of port that a file of this name comes from: notes, magnitude (a picture) or audio."""
    suffix = path.suffix.lower()
    return "notes" if suffix in MIDI_SUFFIXES else "magnitude" if suffix in PICTURE_SUFFIXES else "audio"


def with_files(settings: Settings) -> Settings:
    """Return the settings with what is in the file that one of them names."""
    texture = Path(str(settings.get("texture", "")))
    return {**settings, "texture": read_texture(texture)} if texture.suffix.lower() in MIDI_SUFFIXES else settings


def do_job(job: FileJob, model: Model, settings: Settings, provider: str, say: Say, progress: Progress) -> str:
    """Put a file through `model` and write what comes out; return the line that ends a run.

    Raises BacklineError: a file that cannot be read or written, a kind that the model does not take or give, a wrong setting.
    """
    for path in job.written:
        require_folder(path)
    manifest, settings = turned(
        model.manifest, settings, [kind_of(job.source)], [kind_of(path) for path in job.outputs]
    )
    _check_outputs(manifest, job.outputs)
    beats = _read_beats(manifest, job.beats)
    samples, played, rate = _read_input(manifest, job, say)
    _check_beats(beats, job, samples.shape[1] / rate)
    told, tempos = _transport(manifest, beats, job, rate)
    events: tuple[HostEvent, ...] = tuple(sorted((*told, *played), key=time_order)) if told else played
    stream = open_stream(model, settings, rate, provider)
    notes, pictures, sounds = (
        [path for path in job.outputs if kind_of(path) == kind] for kind in ("notes", "magnitude", "audio")
    )
    picture = Picture()
    with ExitStack() as stack:
        writers = [stack.enter_context(AudioWriter(path, rate, stream.spec.channels_out)) for path in sounds]

        def write(audio: Samples) -> None:
            for writer in writers:
                writer.write(audio)

        take = run_stream(
            stream, samples, events, job.block, progress, write,
            (lambda frame: picture.add(frame.bins)) if pictures else None,
        )  # fmt: skip
        for writer in writers:
            writer.finish()
    if tempos is None and _plans(manifest):
        found = found_beats(take.found, rate, samples.shape[1])
        tempos = None if found is None else found.tempo_map(TICKS_PER_BEAT)
        say(_what_was_found(job.source, take, found))
    silent = not any(isinstance(emission.event, NoteOn) for emission, _ in take.emissions)
    if _plans(manifest) and silent and tempos is not None:
        say(f"{said_of(manifest)} found nothing to play to in {job.source}")
    for path in notes:
        write_midi(path, take.events(), rate, model.manifest.name, tempo_of(settings), tempos)
    for path in pictures:
        picture.write(path)
    if job.log:
        write_log(job.log, take)
    return _summary(manifest, take, job.written)


def _summary(manifest: Manifest, take: Take, written: tuple[Path, ...]) -> str:
    """Return the line that ends a run, as `live` ends: how many notes where the model gives any, and the files."""
    notes = sum(isinstance(emission.event, NoteOn) for emission, _ in take.emissions)
    files = f"wrote {' and '.join(map(str, written))}"
    return f"{notes} notes; {files}" if gives(manifest, "notes") else files


def _check_outputs(manifest: Manifest, paths: tuple[Path, ...]) -> None:
    """Raise BacklineError where a file's kind is not among the model's outputs."""
    for path in paths:
        wanted = kind_of(path)
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


def _check_beats(beats: Beats | None, job: FileJob, seconds: float) -> None:
    """Raise BacklineError where beats lie behind a file that lasts so many seconds: they are another song's."""
    if beats is not None and beats.seconds[0] >= seconds:
        raise BacklineError(
            f"{job.beats} begins at {beats.seconds[0]:.1f} s; allowed: before the end of {job.source} at {seconds:.1f} s"
        )


def _transport(
    manifest: Manifest, beats: Beats | None, job: FileJob, rate: int
) -> tuple[tuple[Transport, ...], TempoMap | None]:
    """Return what a host would tell, and its map for the .mid: from the file of beats, or else of a .mid that is played to."""
    if beats is not None:
        return beats.transports(rate), beats.tempo_map(TICKS_PER_BEAT)
    if _plans(manifest) and kind_of(job.source) == "notes" and str(job.beats) != NO_BEATS:
        return read_tempo(job.source, rate)
    return (), None


def _what_was_found(path: Path, take: Take, found: Beats | None) -> str:
    """Return which beat was found, or that none was."""
    if found is None:
        return f"no beat was found in {path}: too few clear onsets; --beats FILE says where the beats are"
    first, tempos = found.seconds[0], sorted(said.tempo_bpm for said in take.found)
    return f"found {tempos[len(tempos) // 2]:.1f} beats a minute, {found.usual_bar} a bar, from {first:.1f} s on"


def _read_input(manifest: Manifest, job: FileJob, say: Say) -> tuple[Samples, tuple[Event, ...], int]:
    """Return (audio, events, rate); the side that the file does not have is silent."""
    path = job.source
    if path.suffix.lower() in MIDI_SUFFIXES:
        if not takes(manifest, "notes"):
            raise BacklineError(f"{said_of(manifest)} takes audio, and {path} is MIDI")
        rate = check_rate(CLIP_RATE if job.rate is None else job.rate)
        clip = read_clip(path, rate, job.tracks, with_drums=any(port.kind == "drums" for port in manifest.inputs))
        for remark in clip.remarks:
            say(f"backline: {remark}")
        return long_silence(clip.played_length(rate)), clip.events, rate
    if job.rate is not None or job.tracks:
        raise BacklineError(f"--rate and --track are for MIDI files; {path} has its own rate and one track")
    if not takes(manifest, "audio"):
        raise BacklineError(f"{said_of(manifest)} takes MIDI, and {path} is audio")
    samples, rate = read_audio(path)
    return _audible(samples, path, say) if _plans(manifest) else samples, (), rate


def _audible(samples: Samples, path: Path, say: Say) -> Samples:
    """Return a song that is so quiet that nothing would be heard in it louder, and say so."""
    loudest = float(np.abs(samples).max(initial=0))
    if not FAINTEST < loudest < FAINT:
        return samples
    level, gain = 20 * log10(loudest), RAISED / loudest
    say(f"{path} is at its loudest {-level:.0f} dB under full scale; it is heard {20 * log10(gain):.0f} dB louder")
    return samples * np.float32(gain)
