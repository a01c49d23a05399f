"""Do sixteen transcribers at 64 samples hold for ten minutes? Every block of every stream, beside the machine's own gaps.

    backline bench streams_long -- [--seconds N] [--streams N --block N --player NAME --engines N --batch N --gather no]
                                   [--models DIR --model NAME]

A host's tracks: opened one after the other, then all begin at one moment, and all blocks of a period go out together. The client is
native, as a DAW's plug-in is (native/stream_client.c), so that `client_share` is what a host would spend. A block is late when it is
answered after the two periods that a JACK client of ours waits; `in gaps` are those beside which the machine itself stood still
(hiccup), or which wait for what a gap held up, and `outside` are ours. `engines`: that many share the streams (`serve --engines`),
since an engine is one thread.
"""

import argparse
import sys
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from benchmarks.command import Options, run
from benchmarks.hiccup import Meter
from benchmarks.native.stream_client import StreamClient
from benchmarks.record import Row
from benchmarks.serving import Server, processor_seconds
from benchmarks.soak_streams import EIGHT, Part
from plugin_bridge.client import BridgeError

NAME, SECONDS = "streams_long", 600.0
STREAMS, BLOCK, ENGINES = 16, 64, 2
MARGIN_SECONDS = 0.01  # a gap this long before a block was sent can still make it late
PLAYERS = {part.name: part for part in EIGHT}


@dataclass(frozen=True, slots=True)
class Load:
    """How many streams of a part, over how many engines.

    batch: streams of an engine that may share a call. gather: whether blocks in which nothing happens wait for the next, as with the
    plug-in.
    """

    part: Part
    streams: int = STREAMS
    engines: int = ENGINES
    batch: int = 1
    gather: bool = True


def measure(options: Options, load: Load) -> list[Row]:
    """Return a row of the whole time."""
    with Server(options, ("--batch", str(load.batch), "--engines", str(load.engines))) as server:
        server.load(load.part.model)
        row = play([server], load.part, load.streams, options.seconds, gather=load.gather)
    how = f"{load.part.name}, {load.streams} streams, block {load.part.block}, engines {load.engines}"
    return [{"case": f"{how}, batch {load.batch}{'' if load.gather else ', every block sent'}"} | row]


def play(
    servers: Sequence[Server], part: Part, count: int, seconds: float, cores: Collection[int] = (), gather: bool = True
) -> Row:
    """Let `count` streams play for `seconds` in real time; return what was late and lost, and beside which gaps.

    cores: those that the client keeps to. `engine_share` and `client_share` are of one core. Raises BacklineError where the client
    cannot be compiled or ends early, BridgeError.
    """
    settings = {"gather": "yes" if gather else "no"} | part.settings
    streams = [
        servers[number * len(servers) // count].client.open_stream(part.model, part.rate, settings)
        for number in range(count)
    ]
    with Meter() as meter, StreamClient(part, streams, seconds, cores) as player:
        player.wait("began")
        processes = [process for server in servers for process in (server.pid, *server.engines())]
        began, before = time.monotonic(), used_seconds(processes)
        player.wait("over")
        took, after = time.monotonic() - began, used_seconds(processes)
        played = player.finish()
    late, lost = played.late, played.lost
    outside = [m for m, seconds_late in late if not meter.held_up(m, seconds_late + MARGIN_SECONDS, again=1.0)]
    lost_in_gaps = sum(blocks for moment, blocks in lost if meter.held_up(moment, 1.0))
    return {
        "seconds": round(took, 1),
        "blocks": played.blocks,
        "held_blocks": played.held,
        "late_blocks": len(late),
        "late_in_gaps": len(late) - len(outside),
        "late_outside": len(outside),
        "seconds_with_late_outside": len({int(moment - began) for moment in outside}),
        "latest_ms": round(1000 * max((each for _, each in late), default=0.0), 2),
        "lost_blocks": sum(blocks for _, blocks in lost),
        "lost_outside": sum(blocks for _, blocks in lost) - lost_in_gaps,
        "hanging": played.hanging,
        "engine_share": round(sum(after[process] - before[process] for process in after) / took, 3),
        "client_share": round(played.used / took, 3),
        "client_latest_ms": round(1000 * played.furthest_behind, 2),
        "period_us": round(1e6 * part.block / part.rate),
        **meter.figures(),
        "scheduling": played.scheduling,
    }


def used_seconds(processes: Sequence[int]) -> dict[int, float]:
    """Return the processor time that processes have used, without those that are gone: an engine that hangs is replaced."""
    used: dict[int, float] = {}
    for process in processes:
        with suppress(OSError):
            used[process] = processor_seconds(process)
    return used


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    more = argparse.ArgumentParser(add_help=False)
    more.add_argument("--streams", type=int, default=STREAMS, metavar="N", help=f"streams (default {STREAMS})")
    more.add_argument("--block", type=int, default=BLOCK, metavar="N", help=f"samples a block (default {BLOCK})")
    more.add_argument("--player", choices=PLAYERS, default=EIGHT[0].name, help="what each plays")
    more.add_argument("--model", metavar="NAME", help="a model of --models in place of the part's own")
    more.add_argument(
        "--engines", type=int, default=ENGINES, metavar="N", help=f"engines that share the streams (default {ENGINES})"
    )
    more.add_argument("--batch", type=int, default=1, metavar="N", help="streams that may share a call (default 1)")
    more.add_argument("--gather", choices=("yes", "no"), default="yes", help="no: send every block (default yes)")
    chosen, _ = more.parse_known_args(words)
    part = replace(PLAYERS[chosen.player], block=chosen.block)
    part = replace(part, model=chosen.model, name=f"{part.name} ({chosen.model})") if chosen.model else part
    load = Load(part, chosen.streams, chosen.engines, chosen.batch, chosen.gather == "yes")
    return run(NAME, partial(measure, load=load), SECONDS, (BridgeError,), words, more)


if __name__ == "__main__":
    sys.exit(main())
