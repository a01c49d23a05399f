"""Is the drummer in time, and what does it cost?

    backline bench drummer_timing [-- --data DIR]

On its own: share of onsets on a planned grid and late events, a planned beat's cost, a long take's speed, and how soon a new pattern
in the bass is answered. DIR holds songs as for `drummer_table`, with sound: there it plays as `backline run` does, with the beats and
without, and the beats it finds are held against the true ones (mir_eval, within 70 ms; extra `train`).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import permutations
from pathlib import Path

import numpy as np

from benchmarks.command import report
from benchmarks.device_step import open_step
from benchmarks.drummer_mel_systems import hits_of, read_songs, run_drummer
from benchmarks.drummer_scores import score
from benchmarks.record import RESULTS, Row, percentiles
from models.drummer.hearing import BassLine, BassNote
from models.drummer.manifest import read_styles
from models.drummer.planner import Planner, Settings
from models.events import NoteOn, Transport
from server.beats_file import found_beats
from server.model_store import find_model, open_stream
from server.onnx_step import open_session
from server.run_file import Take, run_stream

NAME = "drummer_timing"
RATE = 48_000
GRID_BPM = 171.3
GRID_EVENTS = 20_000
TAKE_SECONDS = 300.0
PLANNED_BEATS = 2_000
PATTERNS = ((0, 1, 2, 3), (0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5), (0, 2), (0, 0.75, 1.5, 2.5, 3.25), (0, 1.5, 2, 3.5))
"""Of the bass, in beats of a bar."""


def on_the_grid(events: int) -> Row:
    """Play on a host's grid with no swing and no humanise; return how many onsets lie off it and came late."""
    stream = open_stream(find_model("drummer"), {"swing": 50.0, "humanise": 0.0, "density": 3.0}, RATE, "cpu")
    sixteenth = RATE * 60 / GRID_BPM / 4
    bass = np.tile(_strokes(GRID_BPM, [0, 0.5, 1, 2, 2.75, 3], 4.0), (1, 16))
    ons = off = start = 0
    worst = 0.0
    roll: tuple[Transport, ...] = (Transport(0, True, 0, GRID_BPM),)
    while ons < events:
        at = start % (bass.shape[1] - 512)
        emissions = stream.process(start, bass[:, at : at + 512], roll).emissions
        places = np.array([e.place for e in emissions if isinstance(e.event, NoteOn)])
        roll, start = (), start + 512
        if len(places):
            errors = np.abs(places - np.round(places / sixteenth) * sixteenth)
            ons, off, worst = ons + len(places), off + int((errors > 1).sum()), max(worst, float(errors.max()))
    late = stream.scheduler.late
    return {
        "case": "planned grid",
        "onsets": ons,
        "off_by_more_than_a_sample": off,
        "worst_samples": round(worst, 3),
        "late": late,
    }


def planning() -> Row:
    """Return what a planned beat costs, network and all."""
    model = find_model("drummer")
    step = open_step(open_session(model.path, "cpu"), model.manifest.graphs[0])
    planner, line, rng = Planner(step, read_styles(model.manifest)), BassLine(), np.random.default_rng(1)
    spent = []
    for beat in range(PLANNED_BEATS):
        for place in rng.choice(4, 2, replace=False):
            line.hear(BassNote(beat - 1 + place / 4, 0.25, 40 + int(rng.integers(0, 8)), 0.8))
        began = time.perf_counter_ns()
        planner.plan(line, beat, beat % 4, 4, 120.0, 2, Settings())
        spent.append((time.perf_counter_ns() - began) / 1e3)
    return {"case": "a planned beat"} | percentiles(spent[1:]) | {"first_us": round(spent[0], 1)}


def long_take() -> Row:
    """Return how long five minutes of bass take from sound to sound, as `backline run` plays them."""
    bass = np.tile(_strokes(120.0, [0, 1, 1.5, 2, 3, 3.5], 4.0), (1, 150))[:, : int(TAKE_SECONDS * RATE)]
    stream = open_stream(find_model("drummer"), {}, RATE, "cpu")
    began = time.perf_counter()
    run_stream(stream, bass, block=512)
    seconds = time.perf_counter() - began
    return {
        "case": "five minutes of bass",
        "seconds": round(seconds, 2),
        "real_time_factor": round(seconds / TAKE_SECONDS, 4),
    }


def answered() -> Row:
    """Return how many beats after a new pattern in the bass the drums are not what they would have been, over all pairs of PATTERNS."""
    bars, roll = 8, (Transport(0, True, 0, 120.0),)
    told = {"swing": 50.0, "humanise": 0.0, "fills": 0.0}
    bars_of = [np.tile(_strokes(120.0, pattern, 4.0), (1, bars)) for pattern in PATTERNS]
    waits = []
    for old, new in permutations(bars_of, 2):
        played = []
        for bass in (np.concatenate([old, old], axis=1), np.concatenate([old, new], axis=1)):
            take = run_stream(open_stream(find_model("drummer"), told, RATE, "cpu"), bass, roll, 512)
            played.append({(round(e.sample / RATE * 8), e.pitch) for e in take.events() if isinstance(e, NoteOn)})
        different = [sixteenth for sixteenth, _ in played[0] ^ played[1]]
        waits.append(min(different) / 4 - 4 * bars if different else np.inf)
    return {
        "case": "a new pattern",
        "changes": len(waits),
        "never_answered": int(np.isinf(waits).sum()),
        "answered_after_beats_p50": float(np.median(waits)),
        "within_a_bar": round(float(np.mean(np.array(waits) <= 4)), 3),
    }


def songs(folder: Path) -> Iterator[Row]:
    """Yield the figures of each song, with its beats and without, and their means."""
    rows: list[Row] = []
    for song in read_songs(folder):
        for told in ("beats given", "no beats"):
            take = run_drummer("drummer", song, told == "beats given")
            row: Row = {"case": f"{song.name}: {told}"} | dict(score(song.hits, hits_of(take), song.beats).to_json())
            if told == "no beats":
                row |= lock(take, song.beats.times)
            rows.append(row)
            yield row
    for told in ("beats given", "no beats"):
        some = [row for row in rows if str(row["case"]).endswith(told)]
        names = [name for name in some[0] if name != "case" and all(row[name] is not None for row in some)]
        yield {"case": f"mean of {len(some)}: {told}"} | {
            n: round(float(np.mean([r[n] for r in some])), 3) for n in names
        }


def lock(take: Take, true: np.ndarray) -> Row:
    """Return how the beats found fit: after how many true beats the first was known, F1 from there on, and the phase's error."""
    import mir_eval

    known = found_beats(take.found, take.rate, round(true[-1] * take.rate))
    if known is None:
        return {"locked_after_beats": None, "beat_f1": 0.0, "phase_p95_ms": None}
    locked = take.found[0].sample / take.rate
    estimate, rest = np.array(known.seconds), true[true >= locked]
    near = np.abs(rest - estimate[:, None]).min(1)
    return {
        "locked_after_beats": int((true < locked).sum()),
        "beat_f1": round(float(mir_eval.beat.f_measure(rest, estimate)), 3),
        "phase_p95_ms": round(1e3 * float(np.percentile(near, 95)), 1),
    }


def _strokes(tempo_bpm: float, beats: Sequence[float], length: float) -> np.ndarray:
    """Return a bass that plucks E1 on each of `beats`, (1, samples) of `length` beats."""
    a_beat = RATE * 60 / tempo_bpm
    out = np.zeros((1, round(length * a_beat)), np.float32)
    times = np.arange(round(0.22 * RATE)) / RATE
    pluck = sum(np.sin(2 * np.pi * 41.2 * k * times) / k for k in range(1, 8)) * np.exp(-6 * times) * 0.3
    pluck[-480:] *= np.linspace(1, 0, 480)
    for beat in beats:
        at = round(beat * a_beat)
        out[0, at : at + len(pluck)] += pluck[: out.shape[1] - at]
    return out


def main(words: Sequence[str] | None = None) -> int:
    """Measure, write the rows, print the table."""
    parser = argparse.ArgumentParser(prog=f"backline bench {NAME}")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="songs to judge with, NAME.beats, ref/, audio/, drums/"
    )
    parser.add_argument(
        "--events", type=int, default=GRID_EVENTS, metavar="N", help=f"on the planned grid (default {GRID_EVENTS:,})"
    )
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR")
    arguments = parser.parse_args(words)

    def measured() -> list[Row]:
        rows = [planning(), long_take(), answered(), on_the_grid(arguments.events)]
        if arguments.data is not None:
            rows += songs(arguments.data)
        return rows

    return report(NAME, measured, arguments.results, (ImportError, ValueError))


if __name__ == "__main__":
    sys.exit(main())
