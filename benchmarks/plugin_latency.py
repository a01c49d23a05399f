"""What a musician feels, by block size: from the sample that is played to the frame at which its note leaves the plug-in.

The native plug-in (LV2) in jalv on a dummy JACK server, in real time, between the two ends of jack_probe: frames in, frames
out, no clock. With the probe model every delay is known beforehand: a commit stream's must equal what the plug-in reports, so
that a host can take it back; a live stream reports nothing and its note leaves as soon as it can. With the transcriber
the bundled take is played, and a note counts from the onset of the key that was struck.
"""

import shutil
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import mido
import numpy as np
from numpy.typing import NDArray

from benchmarks.command import Options, run
from benchmarks.hiccup import Meter
from benchmarks.native.jack_probe import JackProbe
from benchmarks.native.jackd import Jackd, jackd
from benchmarks.native.plugin import BUILT, EFFECT, LATE, LIVE, effect_ports, material, open_jalv, reported_by, settings
from benchmarks.native.take import Take
from benchmarks.record import ROOT, Row
from benchmarks.serving import Server
from plugin_bridge.client import BridgeError
from server.audio.file import read_audio
from server.errors import BacklineError

NAME, SECONDS = "plugin_latency", 10.0
RATE = 48_000  # of the take
BLOCKS = (16, 64, 128, 256, 512, 1024, 4096)
KINDS = ("commit", "live")
TAKE = ROOT / "server" / "takes" / "take.ogg"
ANSWER_SECONDS = 0.5  # a note that leaves later than this after what was reported answers another key
EARLY_SECONDS = 0.05  # a note may be placed a little before its onset
TAIL_SECONDS = 0.5  # after the last key, so that its answer is heard
FIGURES = {"p50": 50, "p95": 95, "p99": 99, "max": 100}


@dataclass(frozen=True, slots=True)
class Material:
    """What is played: impulses, or a sound with keys struck at known frames, as (frame, pitch)."""

    frames: int
    impulses: Sequence[int] = ()
    sound: NDArray[np.float32] | None = None
    keys: Sequence[tuple[int, int]] = ()


def measure(options: Options) -> list[Row]:
    """Return a row per player, block size and kind of stream."""
    rows: list[Row] = []
    with Server(options) as server:
        for player, make in (("probe", impulses), ("transcriber", bundled_take)):
            server.load(player)
            for block in BLOCKS:
                played = make(options.seconds, block)
                with jackd(block, RATE) as running:
                    for kind in KINDS:
                        reported, take, meter = listen(running, server.port, settings(kind, player), played)
                        row = {"case": f"{player}, {kind}, block {block}", "reported_ms": ms(reported)}
                        rows.append(row | figures(kind, reported, played, take) | around(take, meter, running))
    return rows


def impulses(seconds: float, block: int) -> Material:
    """Return impulses at ever other places of block and hop, further apart than any delay."""
    places, _, _ = material(RATE, block, max(2, int(seconds * RATE / (2 * RATE // 50 + 4 * block))))
    return Material(places[-1] + round(TAIL_SECONDS * RATE) + 4 * block, places)


def bundled_take(seconds: float, _: int) -> Material:
    """Return the beginning of the take, and when which key was struck."""
    samples, rate = read_audio(TAKE)
    assert rate == RATE
    frames = min(samples.shape[1], round((seconds + TAIL_SECONDS) * RATE))
    keys, now = [], 0.0
    for message in mido.MidiFile(TAKE.with_suffix(".mid")):
        now += message.time
        if message.type == "note_on" and message.velocity and now < frames / RATE - TAIL_SECONDS:
            keys.append((round(now * RATE), message.note))
    return Material(frames, (), samples.mean(axis=0, dtype=np.float32), keys)


def listen(running: Jackd, port: int, given: dict[str, float], played: Material) -> tuple[int, Take, Meter]:
    """Play to one effect in jalv; return what it reports, what was heard, and the machine's gaps meanwhile."""
    with ExitStack() as ends:
        effect = ends.enter_context(open_jalv(running, port, EFFECT, "effect", given))
        probe = ends.enter_context(
            JackProbe(running, effect_ports(), played.impulses, sound=played.sound, frames=played.frames)
        )
        effect.wait_for("status", LIVE, LATE)
        reported = reported_by(probe, "effect:lv2_audio_in_1")
        with Meter() as meter:
            probe.say("start")
            take = probe.finish(30.0 + played.frames / running.rate)
    return reported, take, meter


def figures(kind: str, reported: int, played: Material, take: Take) -> Row:
    """Return how long after its impulse or its key a note leaves; `wrong` counts those of a probe that are not as reported."""
    if played.keys:
        found, count = answers(reported, played, take), len(played.keys)
        return {"notes": len(found), "missing": count - len(found)} | spread(found)
    delays = take.delays(take.impulses, take.onsets)
    found = [delay for delay in delays if delay >= 0]
    wrong = {"wrong": sum(delay != reported for delay in found)} if kind == "commit" else {}
    return {"notes": len(found), "missing": len(delays) - len(found)} | wrong | spread(found)


def answers(reported: int, played: Material, take: Take) -> list[int]:
    """Return for each key that was answered by a note of its pitch how many frames later the note left."""
    heard: dict[int, list[int]] = defaultdict(list)
    for frame, _, pitch, _ in take.struck:
        heard[pitch].append(frame)
    found = []
    for place, pitch in played.keys:
        struck = take.frame_of(place)
        first, last = struck + reported - EARLY_SECONDS * RATE, struck + reported + ANSWER_SECONDS * RATE
        fits = [frame for frame in heard[pitch] if first <= frame < last]
        if fits:
            heard[pitch].remove(fits[0])
            found.append(fits[0] - struck)
    return found


def spread(frames: Sequence[int]) -> Row:
    """Return percentiles of delays in milliseconds; each is one that was seen."""
    if not frames:
        return {}
    values = np.percentile(np.asarray(frames), list(FIGURES.values()), method="higher")
    return {f"felt_{name}_ms": ms(value) for name, value in zip(FIGURES, values, strict=True)}


def ms(frames: float) -> float:
    """Return frames at RATE as milliseconds."""
    return round(1000 * frames / RATE, 2)


def around(take: Take, meter: Meter, running: Jackd) -> Row:
    """Return what JACK and the machine did meanwhile."""
    row: Row = {"xruns": len(take.xruns), "lost_cycles": len(take.jumps), "late_cycles": len(take.late)}
    return row | meter.figures() | {"scheduling": running.scheduling, "block_us": round(1e6 * running.period / RATE)}


def main(measured: Callable[[Options], list[Row]] = measure, name: str = NAME, seconds: float = SECONDS) -> int:
    """Run the command line; where the plug-in or a host is missing there is nothing to measure, and that is no error."""
    missing = [program for program in ("jackd", "jalv") if shutil.which(program) is None]
    if missing or not BUILT.is_dir():
        print(f"{name}: {' and '.join(missing) or 'the plug-in'} is not there (`make plugin` builds it); skipped")
        return 0
    return run(name, measured, seconds, (BridgeError, BacklineError))


if __name__ == "__main__":
    raise SystemExit(main())
