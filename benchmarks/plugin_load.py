"""Does the plug-in hold at 64 frames for ten minutes with a core kept busy? Late results and the audio thread, beside the machine's gaps.

Two plug-ins in jalv hear one probe on a dummy JACK server: a transcriber that hears the bundled take again and again, and a
probe model in a commit stream, whose every note is known beforehand: `late_results` left after the frame that was
reported, `lost_results` never came, `early_results` would be a fault. The recorder is the last of the graph, so that what lies between
the player's callback and the recorder's in one cycle is what the plug-ins' audio threads took, waking included: `audio_` figures.
A cycle is late where that is longer than the period. Each late one is held against the gaps that the hiccup meter saw:
what is left over, `unexplained`, is ours. `engine_` figures are the server's own word about its two streams.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np

from benchmarks.command import Options
from benchmarks.hiccup import Meter
from benchmarks.native.jack_probe import JackProbe
from benchmarks.native.jackd import jackd
from benchmarks.native.plugin import EFFECT, LATE, LIVE, effect_ports, open_jalv, reported_by, settings
from benchmarks.native.take import Take
from benchmarks.plugin_latency import RATE, bundled_take, main
from benchmarks.record import Row
from benchmarks.serving import Server

NAME, SECONDS = "plugin_load", 600.0
BLOCK = 64
APART = 2_399  # samples between impulses: 20 a second, at ever other places of block and hop
LOST_SECONDS = (
    0.25  # a note that is later than this did not come: the plug-in starts none that is a fifth of a second late
)
MARGIN_SECONDS = (
    3 * BLOCK / RATE
)  # a gap this long before something can still make it late: the bridge, and the cycle itself
LEVEL = 0.08  # of the take: the probe model hears what is above 0.1
PLAYERS = ("transcriber", "probe")


def measure(options: Options) -> list[Row]:
    """Return a row of results, one of the audio threads, one of the engines."""
    frames = round(options.seconds * RATE)
    impulses = range(APART, frames - RATE // 4, APART)
    with ExitStack() as ends:
        server = ends.enter_context(Server(options))
        running = ends.enter_context(jackd(BLOCK, RATE))
        connect = []
        for player in PLAYERS:
            server.load(player)
            given = settings("commit", player)
            effect = ends.enter_context(open_jalv(running, server.port, EFFECT, player, given))
            effect.wait_for("status", LIVE, LATE)
            connect += effect_ports(player)
        connect.remove(("transcriber:lv2_events_out", "record:midi_in"))  # its notes are not known beforehand
        sound = bundled_take(60.0, BLOCK).sound
        assert sound is not None
        sound = (LEVEL / np.abs(sound).max() * sound).astype(np.float32)
        probe = ends.enter_context(JackProbe(running, connect, impulses, sound=sound, frames=frames))
        reported = reported_by(probe, "probe:lv2_audio_in_1")
        ends.enter_context(one_core_busy())
        with Meter() as meter:
            probe.say("start")
            take = probe.finish(30.0 + options.seconds)
        engines = server.status()
    how = {"seconds": options.seconds, **meter.figures(), "scheduling": running.scheduling}
    cases = {"results": results(take, reported, meter), "audio threads": audio(take, meter), "engine": engine(engines)}
    return [{"case": f"{BLOCK} samples, one core busy: {name}"} | row | how for name, row in cases.items()]


def results(take: Take, reported: int, meter: Meter) -> Row:
    """Return what became of the impulses. Those beside cycles that JACK lost are counted apart: time itself broke there."""
    whole = [frame for frame in take.impulses if not take.disturbed(frame, frame + reported)]
    heard_at, expected = set(take.onsets), {frame + reported for frame in take.impulses}
    others = [frame for frame in take.onsets if frame not in expected]
    row: Row = {
        "results": len(whole),
        "beside_lost_cycles": len(take.impulses) - len(whole),
        "reported_samples": reported,
    }
    late, lost = [], 0
    for frame in whole:
        if frame + reported in heard_at:
            continue
        answer = next((other for other in others if frame < other < frame + reported + LOST_SECONDS * RATE), None)
        lost += answer is None
        if answer is not None:
            others.remove(answer)
            late.append((frame, answer))
    row |= {"late_results": len(late), "lost_results": lost, "hanging_notes": len(take.sounding(take.impulses[-1]))}
    row["early_results"] = sum(answer < frame + reported for frame, answer in late)
    unexplained = [a for f, a in late if not meter.held_up(take.at[a], take.at[a] - take.at[f] + MARGIN_SECONDS)]
    return row | {"unexplained_late_results": len(unexplained)}


def audio(take: Take, meter: Meter) -> Row:
    """Return how the audio threads and JACK did."""
    times, late = take.totals["through_us"], take.late
    row: Row = {f"audio_{name}_us": times[name] for name in ("p50", "p99", "p99.9", "max")}
    row |= {"cycles": times["count"], "late_cycles": len(late), "unexplained_late_cycles": unexplained(late, meter)}
    row |= {
        "xruns": len(take.xruns),
        "unexplained_xruns": unexplained(take.xruns, meter),
        "lost_cycles": len(take.jumps),
    }
    return row | {"period_us": round(1e6 * BLOCK / RATE)}


def unexplained(moments: list[float], meter: Meter) -> int:
    """Return how many moments follow no gap of the machine."""
    return sum(not meter.held_up(moment, MARGIN_SECONDS) for moment in moments)


def engine(status: dict[str, dict[str, object]]) -> Row:
    """Return what the server counted for its streams together."""
    names = ("late_events", "stale_samples", "lost_samples")
    return {f"engine_{name}": sum(int(str(row.get(name, 0))) for row in status.values()) for name in names}


@contextmanager
def one_core_busy() -> Iterator[None]:
    """Keep the first core busy with a loop of ordinary priority."""
    core = min(os.sched_getaffinity(0))
    loop = f"import os\nos.sched_setaffinity(0, {{{core}}})\nwhile True: pass"
    process = subprocess.Popen([sys.executable, "-c", loop])
    try:
        yield
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    raise SystemExit(main(measure, NAME, SECONDS))
