"""Is the arranger in time with a host, and what does a bar cost?

    backline bench arranger_bars [-- --bars N] [--model FILE]

A host's transport rolls at 120 BPM for so many bars over a band that repeats with changes, on a virtual clock: how long before its
downbeat each bar is committed, once its computing is counted in, how many are late, how far notes lie from the sixteenths' lines,
and what computing takes of a bar's duration on one core: all by the time that its thread computed, whatever else the machine does.
Of the first bar nothing can be planned, and it does not count.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.command import report
from benchmarks.record import RESULTS, Row, percentiles
from models.arranger.leading import Committed
from models.arranger.processor import ArrangerProcessor
from models.events import NoteOn, Transport
from server.live_stream import LiveStream
from server.model_store import Model, find_model, open_stream

NAME = "arranger_bars"
RATE, HOP = 48_000, 960
BPM = 120.0
BEAT = RATE * 60 / BPM
BAR = round(4 * BEAT)
BARS, FILE_BARS = 1_000, 64
MODEL = "arranger"
DEADLINE_MS = 100.0
ROOTS = (45, 41, 48, 43, 38, 40, 45, 40)


def band(bars: int, seed: int = 1) -> np.ndarray:
    """Return (1, n) float32 at RATE: bass on the beats, chords in eighths, a voice, a drum; another turn every eight bars."""
    rng = np.random.default_rng(seed)
    audio = np.zeros(bars * BAR)
    for eighth in range(8 * bars):
        bar, begin = eighth // 8, round(eighth * BEAT / 2)
        root = ROOTS[(bar + bar // 8) % len(ROOTS)]
        now = np.arange(min(RATE // 3, audio.size - begin)) / RATE
        minor = root % 12 in (9, 2, 4)
        tones = [(root + 12 + step, 0.05) for step in (0, 3 if minor else 4, 7)]
        tones += [(root + 24 + int(rng.choice((0, 7, 12, 3 if minor else 4))), 0.1)] if rng.random() < 0.7 else []
        tones += [(root, 0.2)] if eighth % 2 == 0 else []
        for pitch, level in tones:
            hertz = 440 * 2 ** ((pitch - 69) / 12)
            wave = sum(np.sin(2 * np.pi * k * hertz * now) / k for k in (1, 2, 3))
            audio[begin : begin + now.size] += level * np.exp(-5 * now) * wave
        audio[begin : begin + 2000] += (
            0.1 * np.exp(-np.arange(2000) / 400)[: audio.size - begin] * rng.standard_normal(2000)
        )
    return audio[None].astype(np.float32)


def in_time(model: Model, bars: int, mode: str) -> Row:
    """Play along with a host; return how early bars are there, how exact, and what they cost."""
    stream = open_stream(model, {"stream": "live", "mode": mode}, RATE, "cpu")
    sound = band(min(bars, 64))
    told: tuple[Transport, ...] = (Transport(0, True, 0, BPM),)
    early, busy, hops, off, notes, last = [], 0.0, [], 0.0, 0, None
    for start in range(0, bars * BAR, HOP):
        at = start % sound.shape[1]
        began = time.thread_time()
        outgoing = stream.process(start, sound[:, at : at + HOP], told)
        spent = time.thread_time() - began
        told, busy = (), busy + spent
        hops.append(1e6 * spent)
        committed = committed_by(stream)
        if committed is not None and committed is not last and committed.number > 0:
            # On the model's clock, whose hop ends here: what computing took is lost as well.
            early.append(1000 * ((committed.downbeat - committed.at) / stream.spec.sample_rate - spent))
        last = committed
        places = np.array([e.place for e in outgoing.emissions if isinstance(e.event, NoteOn)])
        if len(places):
            step = BEAT / 4
            off, notes = max(off, float(np.abs(places - np.round(places / step) * step).max())), notes + len(places)
    return {
        "case": f"{mode} along with a host",
        "bars": len(early),
        "notes": notes,
        "committed_before_least_ms": round(min(early), 1),
        "committed_before_p50_ms": round(float(np.median(early)), 1),
        "late_bars": int((np.array(early) < DEADLINE_MS).sum()),
        "late_events": stream.scheduler.late,
        "off_the_grid_samples": round(off, 2),
        "compute_of_a_bar_share": round(busy / (bars * BAR / RATE), 4),
    } | percentiles(hops, prefix="hop_")


def committed_by(stream: LiveStream) -> Committed | None:
    """Return the last bar that the stream's processor decided."""
    processor = stream._processor
    assert isinstance(processor, ArrangerProcessor)
    return processor.committed


def file(model: Model, bars: int) -> Row:
    """Return what a file of so many bars costs, followed at a constant latency and with the beat found in it."""
    stream, sound = open_stream(model, {}, RATE, "cpu"), band(bars)
    began = time.thread_time()
    for start in range(0, sound.shape[1], HOP):
        stream.process(start, sound[:, start : start + HOP])
    seconds = time.thread_time() - began
    length = sound.shape[1] / RATE
    return {
        "case": "a file, its beat found",
        "seconds": round(seconds, 2),
        "real_time_factor": round(seconds / length, 4),
    }


def main(words: Sequence[str] | None = None) -> int:
    """Measure, write the rows, print the table."""
    parser = argparse.ArgumentParser(prog=f"backline bench {NAME}")
    parser.add_argument("--bars", type=int, default=BARS, metavar="N", help=f"of each mode (default {BARS:,})")
    parser.add_argument("--model", default=MODEL, help=f"a model's name, or its folder (default {MODEL})")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR")
    arguments = parser.parse_args(words)

    def measured() -> list[Row]:
        model = find_model(arguments.model)
        rows = [in_time(model, arguments.bars, mode) for mode in ("plan", "follow")]
        rows.append(file(model, min(FILE_BARS, arguments.bars)))
        return rows

    return report(NAME, measured, arguments.results)


if __name__ == "__main__":
    sys.exit(main())
