"""Standard MIDI files: what was heard as a clip that any DAW opens, and clips as events.

960 ticks a quarter at 120 bpm, unless another tempo is given: 0.52 ms a tick, the grid of most DAWs. The event log holds
the exact samples.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import accumulate, pairwise
from pathlib import Path

import mido
from mido.midifiles.meta import KeySignatureError

from models.events import ControlChange, Event, NoteOff, NoteOn, PitchBend, moved, time_order
from server.beats_file import TempoMap
from server.errors import BacklineError
from server.files import write_whole

TICKS_PER_BEAT = 960
TEMPO_BPM = 120.0
LONGEST_SECONDS = 6 * 3600  # a damaged delta time can stand for years
MIDI_SUFFIXES = (".mid", ".midi")


def tempo_of(settings: Mapping[str, str | float]) -> float:
    """Return the tempo that a clip is written in: the one that its notes were quantised to, or else a DAW's own."""
    return float(settings.get("tempo_bpm", TEMPO_BPM))


def write_midi(path: Path, events: Iterable[Event], rate: int, title: str, tempo_bpm: float = TEMPO_BPM,
               tempos: TempoMap | None = None) -> None:  # fmt: skip
    """Write events, their samples counted at `rate`, as a type 0 file; whole or not at all. Raises BacklineError.

    tempo_bpm: of the file's beats, which begin at sample 0; the events stay where they are. tempos: another tempo for every beat.
    """
    tempo_us = mido.bpm2tempo(tempo_bpm)
    ticks_per_second = TICKS_PER_BEAT * 1_000_000 / tempo_us
    tick_of = tempos.tick if tempos is not None else lambda seconds: seconds * ticks_per_second
    rows: list[tuple[int, mido.Message | mido.MetaMessage]] = [(0, mido.MetaMessage("track_name", name=title))]
    if tempos is None:
        rows.append((0, mido.MetaMessage("set_tempo", tempo=tempo_us)))
    else:
        metres = [(tick, {"numerator": over, "denominator": under}) for tick, over, under in tempos.metres]
        rows += [(tick, mido.MetaMessage("time_signature", **metre)) for tick, metre in metres]
        rows += [(tick, mido.MetaMessage("set_tempo", tempo=micro)) for tick, micro in tempos.tempos()]
    rows += [(tick, _message(event)) for tick, event in _on_ticks(events, rate, tick_of)]
    track, now = mido.MidiTrack(), 0
    for tick, message in sorted(rows, key=lambda row: row[0]):
        track.append(message.copy(time=tick - now))
        now = tick
    track.append(mido.MetaMessage("end_of_track"))
    file = mido.MidiFile(type=0, ticks_per_beat=TICKS_PER_BEAT, charset="utf-8")
    file.tracks.append(track)
    write_whole(path, lambda partial: file.save(str(partial)))


def read_midi(path: Path, rate: int) -> tuple[Event, ...]:
    """Return the events of a MIDI file at samples of `rate`. Raises BacklineError: unreadable, or without a note."""
    file = open_midi(path)
    with readable(path):
        timed = [(seconds, message) for seconds, _, message in timed_messages(file)]
        found = [event_of(message, round(seconds * rate)) for seconds, message in timed if not message.is_meta]
    events = [event for event in found if event is not None]
    check_length(path, max((event.sample for event in events), default=0) / rate)
    if not any(isinstance(event, NoteOn) for event in events):
        raise BacklineError(f"{path} holds no note")
    return tuple(sorted(events, key=time_order))


def open_midi(path: Path) -> mido.MidiFile:
    """Return the file at `path`, its tracks on one clock in beats. Raises BacklineError."""
    if not path.exists():
        raise BacklineError(f"there is no file {path}")
    with readable(path):
        file = mido.MidiFile(str(path))
        if file.type == 2 or file.ticks_per_beat <= 0:
            raise ValueError("its tracks share no clock in beats (type 2 or SMPTE time)")
        return file


def timed_messages(file: mido.MidiFile) -> Iterator[tuple[float, int, mido.Message]]:
    """Yield (seconds, number of its track, message) of all tracks in the order of time, by the tempo of any of them."""
    ticked = [
        (tick, number, message)
        for number, track in enumerate(file.tracks)
        for tick, message in zip(accumulate(message.time for message in track), track, strict=True)
    ]
    seconds, last, tempo = 0.0, 0, mido.bpm2tempo(TEMPO_BPM)
    for tick, number, message in sorted(ticked, key=lambda entry: entry[0]):
        seconds += mido.tick2second(tick - last, file.ticks_per_beat, tempo)
        last = tick
        yield seconds, number, message
        if message.type == "set_tempo":
            tempo = message.tempo


def check_length(path: Path, seconds: float) -> None:
    """Raise BacklineError where a file is longer than music is."""
    if seconds > LONGEST_SECONDS:
        raise BacklineError(f"{path} lasts {seconds / 3600:.0f} h; allowed: up to {LONGEST_SECONDS // 3600} h")


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Raise BacklineError for whatever mido raises over a file that is damaged."""
    try:
        yield
    except OSError as error:
        raise BacklineError(f"cannot read {path} as MIDI: {error.strerror or error}") from error
    except (
        EOFError,
        ValueError,
        LookupError,
        TypeError,
        struct.error,
        KeySignatureError,
    ) as error:  # what mido raises on damaged files
        raise BacklineError(f"cannot read {path} as MIDI: {error or 'it is cut off'}") from error


def event_of(message: mido.Message, sample: int) -> Event | None:
    """Return a MIDI message as an event at `sample`; None for kinds that no player uses."""
    if message.type == "note_on" and message.velocity:
        return NoteOn(sample, message.note, message.velocity, message.channel)
    if message.type in ("note_on", "note_off"):
        return NoteOff(sample, message.note, 0 if message.type == "note_on" else message.velocity, message.channel)
    if message.type == "control_change" and message.control < 120:
        return ControlChange(sample, message.control, message.value, message.channel)
    if message.type == "pitchwheel":
        return PitchBend(sample, message.pitch, message.channel)
    return None


def _on_ticks(events: Iterable[Event], rate: int, tick_of: Callable[[float], float]) -> list[tuple[int, Event]]:
    """Return (tick, event) in order; a note lasts at least one tick, so that its end never precedes its start."""
    placed: list[tuple[int, Event]] = []
    started: dict[tuple[int, int], int] = {}
    ended: dict[tuple[int, int], int] = {}
    for event in events:
        tick = max(0, round(tick_of(event.sample / rate)))
        if isinstance(event, NoteOn):  # not before the end of its predecessor, which may have been moved
            key = event.channel, event.pitch
            tick = started[key] = max(tick, ended.get(key, 0))
        elif isinstance(event, NoteOff):
            key = event.channel, event.pitch
            tick = ended[key] = max(tick, started.get(key, -1) + 1)
        placed.append((tick, event))
    placed.sort(key=lambda pair: (pair[0], time_order(moved(pair[1], pair[0]))))
    assert all(a[0] <= b[0] for a, b in pairwise(placed))
    return placed


def _message(event: Event) -> mido.Message:
    if isinstance(event, NoteOn):
        return mido.Message("note_on", note=event.pitch, velocity=event.velocity, channel=event.channel)
    if isinstance(event, NoteOff):
        return mido.Message("note_off", note=event.pitch, velocity=event.velocity, channel=event.channel)
    if isinstance(event, ControlChange):
        return mido.Message("control_change", control=event.control, value=event.value, channel=event.channel)
    return mido.Message("pitchwheel", pitch=event.value, channel=event.channel)
