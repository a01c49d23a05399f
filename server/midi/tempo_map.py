"""The tempo and the metre of a MIDI file: its own transport, for who plays along with it, and the same map for what is written beside it.

set_tempo and time_signature of all tracks -> changes -> transport events, tempo map
"""

from itertools import accumulate
from math import ceil
from pathlib import Path

import mido

from models.events import Transport
from server.beats_file import TempoMap
from server.midi.file import TEMPO_BPM, TICKS_PER_BEAT, open_midi, readable

MINUTE, FASTEST_BPM = 60_000_000, 1000.0  # microseconds; what a transport may tell
Metre = tuple[int, int]  # 6, 8: over and under the line


def read_tempo(path: Path, rate: int) -> tuple[tuple[Transport, ...], TempoMap]:
    """Return what a host would tell that plays the file, at samples of `rate`, and the file's map. Raises BacklineError."""
    file = open_midi(path)
    with readable(path):
        changes = _changes(file)
    quarter = file.ticks_per_beat
    told: list[Transport] = []
    points: list[tuple[float, int]] = []
    metres: list[tuple[int, int, int]] = []
    seconds, bar, begun, last = 0.0, 1, 0, changes[0]  # begun: the tick at which bar number `bar` began
    for change in changes:
        tick, tempo, metre = change
        seconds += mido.tick2second(tick - last[0], quarter, last[1])
        a_bar = _quarters(last[2]) * quarter
        if metre != last[2]:  # a metre begins with a bar
            bar, begun = bar + ceil((tick - begun) / a_bar), tick
            a_bar = _quarters(metre) * quarter
        passed = int((tick - begun) // a_bar)
        sample = round(seconds * rate)
        told.append(
            Transport(sample, True, sample, mido.tempo2bpm(tempo), tick / quarter, bar + passed,
                      (tick - begun - passed * a_bar) / quarter, _quarters(metre))
        )  # fmt: skip
        points.append((seconds, round(tick * TICKS_PER_BEAT / quarter)))
        if not metres or metre != last[2]:
            metres.append((points[-1][1], *metre))
        last = change
    points.append((points[-1][0] + last[1] / 1e6, points[-1][1] + TICKS_PER_BEAT))
    return tuple(told), TempoMap(tuple(points), TICKS_PER_BEAT, tuple(metres))


def _changes(file: mido.MidiFile) -> list[tuple[int, int, Metre]]:
    """Return (tick, microseconds a quarter note, metre) from the beginning on, wherever one of them changes."""
    rows = [
        (tick, message)
        for track in file.tracks
        for tick, message in zip(accumulate(message.time for message in track), track, strict=True)
        if message.type in ("set_tempo", "time_signature")
    ]
    tempo, metre = mido.bpm2tempo(TEMPO_BPM), (4, 4)
    found = {0: (tempo, metre)}
    for tick, message in sorted(rows, key=lambda row: row[0]):
        if message.type == "set_tempo":
            tempo = message.tempo
            if not 1 <= MINUTE / max(tempo, 1) <= FASTEST_BPM:
                raise ValueError(f"a tempo is {tempo} us a beat; allowed: 1 to {FASTEST_BPM:g} beats a minute")
        else:
            metre = message.numerator, message.denominator
        found[tick] = tempo, metre
    kept = [(tick, *values) for tick, values in found.items()]
    return [now for before, now in zip([None, *kept], kept, strict=False) if before is None or now[1:] != before[1:]]


def _quarters(metre: Metre) -> float:
    return max(1, metre[0]) * 4 / metre[1]
