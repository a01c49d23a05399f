"""Does the translator sound like what it was asked for? Symbols to signal to symbols, over all cells, and with the transcriber's ears.

Every cell of instrument, pitch and dynamic is played for half a second. heard: how often a transcriber of all instruments
(`instrument=general`, 160 ms) hears the asked pitch, octave included, and whether it hears it alone. round trip: how often the
translator itself says the asked symbols of it. by hand: from a note's sample to -20 dB of its steady level, as
`performer_response` has it. speed: seconds of work on one core for a second of each direction.
"""

import time
from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.command import Options, run
from benchmarks.performer_response import STEADY, begins_ms, play
from benchmarks.record import Row, percentiles
from benchmarks.translator_figures import step_of
from models.events import NoteOn
from models.translator.config import TranslatorConfig
from models.translator.judging import LEAD_SECONDS, step_hearing, summed
from models.translator.notes import DYNAMICS, INSTRUMENTS
from models.translator.renders import PROGRAMS
from models.translator.symbols import VELOCITIES
from server.live_stream import LiveStream
from server.model_store import Model, find_model, open_stream

NAME, SECONDS = "translator_round_trip", 12.0
RATE, HEARD_RATE = 48_000, 32_000
HELD_SECONDS, CELL_SECONDS = 0.5, 1.0
TOLERANCE = 0.1  # seconds from the note's sample to where it is heard


def measure(options: Options) -> list[Row]:
    """Return the rows."""
    model = find_model("translator", options.models)
    rows = list(round_trips(options, model))
    rows.append({"case": "by hand, flute"} | by_hand(options, model))
    return rows + [speed(options, model, direction) for direction in ("listen", "play")]


def round_trips(options: Options, model: Model) -> Iterator[Row]:
    """A row an instrument, and one of all cells."""
    config = TranslatorConfig.from_json(model.manifest.settings["config"])
    hear = step_hearing(step_of(model, "listen"), config)
    every, totals = max(1, round(SECONDS / options.seconds)), []
    for number, instrument in enumerate(INSTRUMENTS):
        _, lowest, highest = PROGRAMS[instrument]
        cells = [(pitch, dynamic) for pitch in range(lowest, highest + 1, every) for dynamic in DYNAMICS]
        sounds = played(model, instrument, cells, RATE)
        right = np.zeros((len(cells), 6))
        for row, notes in enumerate(transcribed(options, sounds)):
            asked = cells[row][0]
            right[row, 4:] = asked in notes, notes == {asked}
        lead = round(LEAD_SECONDS * HEARD_RATE)
        audio = np.pad(played(model, instrument, cells, HEARD_RATE), ((0, 0), (lead, 0)))[:, : round(0.7 * HEARD_RATE)]
        audio = audio[:, : audio.shape[1] // config.frame * config.frame].astype(np.float32)
        found = summed(hear(audio, False), audio.shape[1] / HEARD_RATE)
        surest = found["evidence"].argmax(1)
        for row, (pitch, dynamic) in enumerate(cells):
            said = [int(found[name][row, surest[row]].argmax()) for name in ("instrument", "dynamics")]
            heard = surest[row] + 21
            right[row, :4] = (
                said[0] == number,
                heard % 12 == pitch % 12,
                heard // 12 == pitch // 12,
                said[1] == DYNAMICS.index(dynamic),
            )
        totals.append(right)
        yield {"case": f"all cells, {instrument}"} | _figures(right)
    yield {"case": "all cells"} | _figures(np.concatenate(totals))


def _figures(right: np.ndarray) -> Row:
    names = ("instrument", "pitch_class", "octave", "dynamics", "transcriber_hears", "transcriber_hears_it_alone")
    row: Row = {"cells": len(right), "pitch": round(float(np.mean(right[:, 1] * right[:, 2])), 4)}
    return row | {name: round(float(value), 4) for name, value in zip(names, right.mean(0), strict=True)}


def played(model: Model, instrument: str, cells: Sequence[tuple[int, str]], rate: int) -> np.ndarray:
    """(cells, samples): every cell by itself, from its sample on, the declared latency taken off."""
    stream = open_stream(model, {"direction": "play", "instrument": instrument}, rate)
    length, held = round(CELL_SECONDS * rate), round(HELD_SECONDS * rate)
    sounds = []
    for pitch, dynamic in cells:
        note = [(0, held, pitch, VELOCITIES[dynamic])]
        sounds.append(play(stream, note, length + stream.declared, 1024)[stream.declared :][:length])
        stream.restart(0)
    return np.stack(sounds)


def transcribed(options: Options, sounds: np.ndarray) -> Iterator[set[int]]:
    """The pitches that a transcriber hears begin with each sound (cells, samples)."""
    transcriber = find_model("transcriber", options.models)
    stream = open_stream(transcriber, {"instrument": "general", "look_ahead_ms": 160}, RATE, options.provider)
    lead = round(0.2 * RATE)
    for sound in sounds:
        audio = np.pad(sound, (lead, round(0.3 * RATE))).astype(np.float32)[None]
        emissions = stream.process(0, audio, []).emissions
        yield {
            e.event.pitch for e in emissions if isinstance(e.event, NoteOn) and abs(e.place - lead) <= TOLERANCE * RATE
        }
        stream.restart(0)


def by_hand(options: Options, model: Model) -> Row:
    """Notes apart from one another, at ugly samples and strengths."""
    rng, delays = np.random.default_rng(1), []
    stream = open_stream(model, {"direction": "play", "stream": "live"}, RATE, options.provider)
    for _ in range(max(8, round(options.seconds))):
        pitch, velocity, onset = int(rng.integers(62, 90)), int(rng.integers(40, 110)), int(rng.integers(RATE))
        audio = play(stream, [(onset, onset + round(0.6 * RATE), pitch, velocity)], 2 * RATE, 64)
        stream.restart(0)
        delays.append(begins_ms(audio, onset, STEADY))
    return {"declared_ms": round(1000 * stream.latency.total / RATE, 2)} | percentiles(delays, "ms")


def speed(options: Options, model: Model, direction: str) -> Row:
    """A line with chords, listened to or played as fast as the machine allows."""
    seconds = max(4.0, options.seconds / 2)
    sounding = open_stream(model, {"direction": "play"}, RATE, options.provider)
    line = [
        (i * 12_000, (i + 1) * 12_000, 60 + (5 * i) % 24 + up, 80) for i in range(int(4 * seconds)) for up in (0, 7)
    ]
    began = time.process_time()
    audio = play(sounding, line, round(seconds * RATE), 1024)
    if direction == "listen":
        listening = open_stream(model, {"direction": "listen", "stream": "live"}, RATE, options.provider)
        began = time.process_time()
        _listen(listening, audio.astype(np.float32))
    return {"case": f"speed, {direction}", "work_share": round((time.process_time() - began) / seconds, 3)}


def _listen(stream: LiveStream, audio: np.ndarray) -> None:
    for start in range(0, len(audio) - 1023, 1024):
        stream.process(start, audio[None, start : start + 1024], [])


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line."""
    return run(NAME, measure, SECONDS, words=words)


if __name__ == "__main__":
    raise SystemExit(main())
