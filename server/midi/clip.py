"""Any MIDI file as a clip that a player can be given: the tracks that were chosen, every note with a start and an end.

    file -> tracks -> notes (paired, none without a length, none twice on one pitch) and controllers -> events in time order

What was left out or mended is said in `remarks`, a sentence each.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import mido

from models.events import DRUM_CHANNEL, Event, NoteOff, NoteOn, time_order
from server.errors import BacklineError
from server.midi.file import check_length, event_of, open_midi, readable, timed_messages

CLIP_RATE = 48_000  # Hz at which a clip is played where nothing asks for another: what a DAW's project has
RING_SECONDS = 1.0  # after the last event, for what rings on
SHORTEST_SECONDS = 0.05  # of a note that the file gives no length


@dataclass(frozen=True, slots=True)
class Clip:
    """events: in time order, at samples of the rate that was asked for. length: of the file, in samples. remarks: sentences."""

    events: tuple[Event, ...]
    length: int
    remarks: tuple[str, ...] = ()

    def played_length(self, rate: int) -> int:
        """Return the samples that it takes to play it: the file's length, and at least a second more than its last event."""
        return max(self.length, round(self.events[-1].sample + RING_SECONDS * rate))


@dataclass(frozen=True, slots=True)
class _Note:
    onset: int
    offset: int
    pitch: int
    velocity: int
    channel: int
    release: int = 0


def read_clip(path: Path, rate: int, tracks: Sequence[str] = (), with_drums: bool = False) -> Clip:
    """Return a file's events at samples of `rate`.

    tracks: numbers from 1 or names, of a type 0 file's channels its numbers; none: all but channel 10, unless with_drums.
    Raises BacklineError: unreadable, without a note, or without such a track.
    """
    file = open_midi(path)
    with readable(path):
        names = _names(file)
        messages = [(seconds, part, message) for seconds, part, message in _parts(file) if part in names]
        seconds_in_all = max((seconds for seconds, _, _ in timed_messages(file)), default=0.0)
    chosen = _chosen(path, names, tracks)
    events, left_out = [], 0
    for seconds, part, message in messages:
        if part not in chosen:
            continue
        event = event_of(message, round(seconds * rate))
        if event is None:
            continue
        if event.channel == DRUM_CHANNEL and not tracks and not with_drums:
            left_out += isinstance(event, NoteOn)
        else:
            events.append(event)
    check_length(path, seconds_in_all)
    remarks = [f"{path.name}: channel 10 is drums; its {left_out} notes are left out"] if left_out else []
    clip, mended = _mended(events, round(seconds_in_all * rate), round(SHORTEST_SECONDS * rate))
    remarks += [f"{path.name}: {number} {what}" for what, number in mended.items() if number]
    if not any(isinstance(event, NoteOn) for event in clip):
        raise BacklineError(
            f"{path} holds no note" + (" but drums" if left_out else "") + (" in that track" if tracks else "")
        )
    return Clip(clip, round(seconds_in_all * rate), tuple(remarks))


def _parts(file: mido.MidiFile) -> Iterator[tuple[float, int, mido.Message]]:
    """Yield (seconds, part, message) of what is no meta message; a part is a track, in a type 0 file a channel."""
    for seconds, track, message in timed_messages(file):
        if not message.is_meta and hasattr(message, "channel"):
            yield seconds, (message.channel if file.type == 0 else track), message


def _names(file: mido.MidiFile) -> dict[int, str]:
    """Return part -> name of the parts that hold notes."""
    holding = {part for _, part, message in _parts(file) if message.type == "note_on"}
    if file.type == 0:
        return {channel: f"channel {channel + 1}" for channel in sorted(holding)}
    return {number: file.tracks[number].name.strip() for number in sorted(holding)}


def _chosen(path: Path, names: dict[int, str], tracks: Sequence[str]) -> set[int]:
    """Return the parts that are asked for. Raises BacklineError with those there are."""
    chosen: set[int] = set()
    for word in tracks:
        found = {part for part, name in names.items() if word.strip().lower() in (str(part + 1), name.lower())}
        if not found:
            there = ", ".join(f"{part + 1} '{name}'" if name else str(part + 1) for part, name in names.items())
            raise BacklineError(f"{path} has no track '{word}' with notes; there are: {there or 'none'}")
        chosen |= found
    return chosen or set(names)


def _mended(events: Sequence[Event], length: int, shortest: int) -> tuple[tuple[Event, ...], Counter[str]]:
    """Return the events with every note ended, and how often what had to be done for it.

    Of two notes on one pitch and channel that overlap, the first ends where the second begins, and the second where the
    last of them would have; two that begin together are one.
    """
    mended: Counter[str] = Counter()
    rest: list[Event] = []
    waiting: defaultdict[tuple[int, int], list[NoteOn]] = defaultdict(list)
    notes: defaultdict[tuple[int, int], list[_Note]] = defaultdict(list)
    for event in events:  # in the file's own order: what comes first at one tick, came first
        if isinstance(event, NoteOn):
            waiting[event.channel, event.pitch].append(event)
        elif isinstance(event, NoteOff):
            started = waiting[event.channel, event.pitch]
            if started:
                notes[event.channel, event.pitch].append(_note(started.pop(0), round(event.sample), event.velocity))
        else:
            rest.append(event)
    for key, started in waiting.items():
        mended["notes never end; they end with the file"] += len(started)
        notes[key] += [_note(note, max(length, round(note.sample)), 0) for note in started]
    for found in notes.values():
        empty = [note.offset <= note.onset for note in found]
        mended["notes without a length last 50 ms"] += sum(empty)
        longer = [replace(n, offset=n.onset + shortest) if e else n for n, e in zip(found, empty, strict=True)]
        for note in _apart(longer):
            rest.append(NoteOn(note.onset, note.pitch, note.velocity, note.channel))
            rest.append(NoteOff(note.offset, note.pitch, note.release, note.channel))
    return tuple(sorted(rest, key=time_order)), mended


def _note(start: NoteOn, offset: int, release: int) -> _Note:
    return _Note(round(start.sample), offset, start.pitch, start.velocity, start.channel, release)


def _apart(notes: Sequence[_Note]) -> list[_Note]:
    """Return the notes of one pitch, none of which overlaps another."""
    apart: list[_Note] = []
    for note in sorted(notes, key=lambda each: (each.onset, each.offset)):
        last = apart[-1] if apart else None
        if last is not None and note.onset < last.offset:
            note = replace(note, offset=max(note.offset, last.offset))
            if note.onset == last.onset:
                note = replace(note, velocity=max(note.velocity, last.velocity))
                apart.pop()
            else:
                apart[-1] = replace(last, offset=note.onset)
        apart.append(note)
    return apart
