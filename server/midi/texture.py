"""A MIDI file as a texture for the arranger: its notes on its own beats and bars, as short text that a player's value may hold.

It is read where files are, on the command line; over the wire a value names no file.
"""

from itertools import accumulate
from pathlib import Path

import mido

from models.arranger.style import texture_of
from models.events import DRUM_CHANNEL
from models.manifest import LONGEST_TEXT
from server.errors import BacklineError
from server.midi.file import check_length, open_midi, readable, timed_messages

UNENDED_BEATS = 1.0  # of a note whose end is missing


def read_texture(path: Path, characters: int = LONGEST_TEXT) -> str:
    """Return a MIDI file's first bars as text, as many as `characters` have room for: `models.arranger.style.parse_texture` reads it.

    All tracks count but drums; tempo does not. The metre is the file's first.

    Raises:
        BacklineError: there is no such file, it is not MIDI, lasts too long, or holds no note of a piano.
    """
    file = open_midi(path)
    with readable(path):
        check_length(path, max((seconds for seconds, _, _ in timed_messages(file)), default=0.0))
        notes, beats_a_bar = _notes(file), _beats_a_bar(file)
    try:
        return str(texture_of(notes, beats_a_bar).shortened(characters))
    except ValueError as error:
        raise BacklineError(f"cannot use {path}: {error}") from error


def _notes(file: mido.MidiFile) -> list[tuple[float, float, int]]:
    """Return (onset, length, pitch) in beats of every note but drums."""
    notes = []
    for track in file.tracks:
        sounding: dict[tuple[int, int], int] = {}  # channel and pitch -> tick of the onset
        for tick, message in zip(accumulate(message.time for message in track), track, strict=True):
            if message.type not in ("note_on", "note_off") or message.channel == DRUM_CHANNEL:
                continue
            key = message.channel, message.note
            if key in sounding:
                begun = sounding.pop(key)
                notes.append((begun / file.ticks_per_beat, (tick - begun) / file.ticks_per_beat, message.note))
            if message.type == "note_on" and message.velocity:
                sounding[key] = tick
        notes += [(begun / file.ticks_per_beat, UNENDED_BEATS, pitch) for (_, pitch), begun in sounding.items()]
    return notes


def _beats_a_bar(file: mido.MidiFile) -> float:
    """Return the quarters of the bar that the file begins with."""
    signs = [message for track in file.tracks for message in track if message.type == "time_signature"]
    return max(1, signs[0].numerator) * 4 / signs[0].denominator if signs else 4.0
