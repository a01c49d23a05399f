"""How soon does the performer sound, does a clip lie where it was written, and what does it cost?

by hand: a note is played into a live stream at 48 kHz in blocks of 64; counted is the time from its sample until 3 ms of the
output reach -20 dB of the note's steady level; the stream declares `declared_ms` of it. clip: with what is declared taken off, when
the first note reaches that level, and how far from moving as much the sound of a clip is that was moved by some samples. speed:
seconds of work on one core for a second of sound, phases included.
"""

import time
from collections.abc import Sequence

import numpy as np

from benchmarks.command import Options, run
from benchmarks.record import Row, percentiles
from models.events import NoteOff, NoteOn
from server.live_stream import LiveStream
from server.model_store import find_model, open_stream

NAME, SECONDS = "performer_response", 20.0
RATE, BLOCK = 48_000, 64
HEARD = round(0.003 * RATE)  # samples over which a level is taken
STEADY = (0.3, 0.5)  # seconds of a note in which it is steady
MOVES = (1, 7, 100, 256, 1000, 12_345)
PITCHES = 60, 80  # which every instrument has
LINE = (62, 69, 74, 76, 81, 79, 74, 67)


def measure(options: Options) -> list[Row]:
    """Return the rows of every instrument."""
    model = find_model("performer", options.models)
    rows: list[Row] = []
    for instrument in model.manifest.parameter("instrument").choices:
        rows.append({"case": f"{instrument}, by hand"} | by_hand(options, instrument))
        rows.append({"case": f"{instrument}, clip"} | moved_clip(options, instrument))
        rows.append({"case": f"{instrument}, speed"} | speed(options, instrument))
    return rows


def by_hand(options: Options, instrument: str) -> Row:
    """Play notes apart from one another, at ugly samples and strengths."""
    rng, delays = np.random.default_rng(1), []
    stream = _stream(options, instrument, {"stream": "live"})
    for _ in range(max(8, round(options.seconds))):
        pitch, velocity, onset = int(rng.integers(*PITCHES)), int(rng.integers(40, 110)), int(rng.integers(RATE))
        audio = play(stream, [(onset, onset + round(0.6 * RATE), pitch, velocity)], 2 * RATE, BLOCK)
        stream.restart(0)
        delays.append(begins_ms(audio, onset, STEADY))
    return {"declared_ms": round(1000 * stream.latency.total / RATE, 2)} | percentiles(delays, "ms")


def begins_ms(audio: np.ndarray, onset: int, steady: tuple[float, float]) -> float:
    """From sample `onset` until -20 dB of the level that the note has in the seconds `steady` of it."""
    power = np.convolve(audio**2, np.full(HEARD, 1 / HEARD), "full")[: len(audio)]
    level = power[onset + round(steady[0] * RATE) : onset + round(steady[1] * RATE)].mean()
    return 1000 * int(np.argmax(power[onset:] >= level / 100)) / RATE


def moved_clip(options: Options, instrument: str) -> Row:
    """Play a line, and the same line some samples later; say when the first one begins, and how far off the others are."""
    errors, begins = [], 0.0
    length = round(0.3 * RATE)
    for move in (0, *MOVES):
        notes = [(5000 + move + i * length, 5000 + move + (i + 1) * length, p, 80) for i, p in enumerate(LINE)]
        stream = _stream(options, instrument, {"vibrato": 0.0})
        audio = play(stream, notes, len(LINE) * length + RATE + 12_345 + stream.declared, 1024)[stream.declared :]
        level = np.convolve(audio**2, np.full(HEARD, 1 / HEARD), "same")
        if move == 0:
            still, begins = level, begins_ms(audio, notes[0][0], (0.1, 0.25))
            continue
        shifts = np.arange(-200, 201)
        span = slice(6000, len(LINE) * length)
        fit = [np.corrcoef(still[span], level[span.start + move + s : span.stop + move + s])[0, 1] for s in shifts]
        errors.append(1000 * abs(int(shifts[int(np.argmax(fit))])) / RATE)
    return {"begins_ms": round(begins, 2), "worst_ms": round(max(errors), 3)}


def speed(options: Options, instrument: str) -> Row:
    """Play a line with chords as fast as the machine allows."""
    stream = _stream(options, instrument, {})
    length, seconds = round(0.25 * RATE), max(4.0, options.seconds / 2)
    notes = [
        (i * length, (i + 1) * length, LINE[i % len(LINE)] + up, 80)
        for i in range(int(seconds * RATE / length))
        for up in ((0, 7) if i % 4 == 0 else (0,))
    ]
    began = time.process_time()
    play(stream, notes, round(seconds * RATE), 1024)
    return {"work_share": round((time.process_time() - began) / seconds, 3)}


def play(stream: LiveStream, notes: Sequence[tuple[int, int, int, int]], length: int, block: int) -> np.ndarray:
    """Give notes (onset, offset, pitch, velocity) to a stream in blocks; return its audio (length,)."""
    events = sorted(
        [NoteOn(on, pitch, velocity) for on, _, pitch, velocity in notes]
        + [NoteOff(off, pitch) for _, off, pitch, _ in notes],
        key=lambda event: event.sample,
    )
    pieces, given = [], 0
    for start in range(0, length, block):
        first = given
        while given < len(events) and events[given].sample < start + block:
            given += 1
        silence = np.zeros((stream.spec.channels_in, block), np.float32)
        pieces.append(stream.process(start, silence, events[first:given]).audio[0])
    return np.concatenate(pieces).astype(np.float64)


def _stream(options: Options, instrument: str, settings: dict[str, float | str]) -> LiveStream:
    return open_stream(
        find_model("performer", options.models), {"instrument": instrument, **settings}, RATE, options.provider
    )


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line."""
    return run(NAME, measure, SECONDS, words=words)


if __name__ == "__main__":
    raise SystemExit(main())
