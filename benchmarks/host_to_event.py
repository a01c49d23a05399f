"""How late is a note? From the host's audio to the note in the host's hands, by block size.

Two clocks. In samples: each event says where it belongs (`place`) and when it leaves (`due`); for the probe, fed with
impulses, both are known beforehand, so `wrong` counts those that are not exactly as declared. On the wall clock: from
the moment the block that holds the due sample was sent to the arrival of the event, which is what a bridge must allow
for; a host plays a block while the next is recorded, so under one block is in time.
"""

import time

import numpy as np

from benchmarks.command import Options, run
from benchmarks.networks import model_files
from benchmarks.pacing import Pacer, calls, real_time
from benchmarks.record import Row, percentiles
from benchmarks.serving import Server
from benchmarks.spine_overhead import RATE
from models.block import Samples
from plugin_bridge.client import BridgeError, BridgeStream
from plugin_bridge.protocol import MidiMessage
from server.midi.message import NOTE_ON

NAME, SECONDS = "host_to_event", 2.5
BLOCKS = (64, 128, 256, 512, 1024)
APART = 1999  # samples between impulses: 24 a second, a prime so that they fall everywhere in a block
TONE_SECONDS = 0.2
TRIAD = (1.0, 1.26, 1.5)  # three notes a stroke, so that a few seconds give enough of them
TAIL_SECONDS = 0.25  # after what was asked for: no player answers later


def measure(options: Options) -> list[Row]:
    """Return a row per model, kind of stream and block size."""
    rows = []
    with Server(options) as server, real_time() as scheduling:
        for model in model_files(options.models):
            server.load(model)
            for kind in ("commit", "live"):
                for block in BLOCKS if kind == "commit" else (256,):
                    stream = server.client.open_stream(model, RATE, {"stream": kind})
                    figures = play(stream, block, signal(model, options.seconds), model == "probe" and kind == "commit")
                    status = server.status()[str(stream.number)]
                    stream.close()
                    rows.append(
                        {
                            "case": f"{model}, {kind}, block {block}",
                            "latency_samples": stream.latency,
                            **figures,
                            "late_events": status["late_events"],
                            "block_us": round(1e6 * block / RATE),
                        }
                    )
    return [row | {"scheduling": scheduling} for row in rows]


def signal(model: str, seconds: float) -> Samples:
    """Return what a model hears: impulses for the probe, struck tones for all others, (1, samples)."""
    audio = np.zeros(round((seconds + TAIL_SECONDS) * RATE), np.float32)
    if model == "probe":
        audio[APART::APART] = 0.9
        return audio[None]
    stroke = np.arange(round(TONE_SECONDS * RATE)) / RATE
    for turn, start in enumerate(range(0, audio.size - stroke.size, stroke.size)):
        frequency = 440 * 2 ** ((turn * 7 % 36 - 18) / 12)
        partials = sum(np.sin(2 * np.pi * frequency * root * k * stroke) / k for root in TRIAD for k in range(1, 6))
        audio[start : start + stroke.size] = 0.1 * np.exp(-12 * stroke) * partials
    return audio[None]


def play(stream: BridgeStream, block: int, audio: Samples, impulses: bool) -> Row:
    """Send `audio` in real time; return the wall-clock percentiles of its note-ons and what was not as declared."""
    times: list[float] = []
    sent: dict[int, int] = {}
    notes = wrong = 0
    pacer = Pacer(block / RATE)
    # One block is sent and answered within a period, so that an event is read as it comes.
    for turn in range(min(calls(audio.shape[1] / RATE, block / RATE), audio.shape[1] // block)):
        sent[turn] = pacer.wait()
        stream.send(turn * block, audio[:, turn * block : (turn + 1) * block])
        for message in stream.wait((turn + 1) * block):
            if isinstance(message, MidiMessage) and message.status & 0xF0 == NOTE_ON:
                notes += 1
                times.append((time.perf_counter_ns() - sent[message.due // block]) / 1000)
                wrong += impulses and (message.place % APART != 0 or message.due - message.place != stream.latency)
    expected = (turn * block - stream.latency) // APART if impulses else notes
    row: Row = {"notes": notes} | ({"missing": max(0, expected - notes), "wrong": wrong} if impulses else {})
    return row | percentiles(times) | {"wake_p99_us": percentiles(pacer.late_us).get("p99_us", 0.0)}


if __name__ == "__main__":
    raise SystemExit(run(NAME, measure, SECONDS, (BridgeError,)))
