"""How many streams of each player does one core carry? The most with which no block is late, but beside the machine's own gaps.

    backline bench streams_search -- [--player NAME] [--seconds N]

All servers run on one core and the clients on the others, if there are any. The number is doubled until a block is late or lost outside
the gaps that the hiccup meter saw, then halved in between; a number that fails is tried once more, since one bad moment is no limit.
An engine hosts sixteen streams: more go to more servers on the same core. A block is late as in streams_long.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial

from benchmarks.command import Options, run
from benchmarks.record import Row
from benchmarks.serving import Server
from benchmarks.soak_streams import EIGHT, Part
from benchmarks.streams_long import play
from plugin_bridge.client import BridgeError
from server.shared_page import MOST_STREAMS

NAME, SECONDS = "streams_search", 10.0
MOST = 64  # streams that are tried
TRIES = 2


def measure(options: Options, player: str = "") -> list[Row]:
    """Return a row per part of the soak that `player` plays, or any where none is named: the most streams, and how the last trial
    that held went. seconds: of a trial.
    """
    return [
        {"case": f"{part.name} ({part.model}), block {part.block}", **most_streams(options, part)}
        for part in EIGHT
        if player in ("", part.model)
    ]


def most_streams(options: Options, part: Part, most: int = MOST) -> Row:
    """Return the most streams of a part, of up to `most`, that one core carries."""
    cores = os.sched_getaffinity(0)
    core, trials, servers = max(cores), dict[int, Row](), list[Server]()
    with ExitStack() as ends:

        def holds(count: int) -> bool:
            while len(servers) * MOST_STREAMS < count:
                servers.append(ends.enter_context(Server(options)))
                os.sched_setaffinity(servers[-1].pid, {core})  # before its engines start: they inherit it
                servers[-1].load(part.model)
            for _ in range(TRIES):
                used = servers[: -(-count // MOST_STREAMS)]
                trials[count] = play(used, part, count, options.seconds, cores - {core})
                if not (trials[count]["late_outside"] or trials[count]["lost_outside"]):
                    return True
            return False

        found = search(holds, most)
    return {"most_streams": found, "tried": len(trials), **trials[found or min(trials)]}


def search(holds: Callable[[int], bool], most: int) -> int:
    """Return the largest number up to `most` that holds, 0 where 1 does not, taking what is less to hold where more does."""
    good, bad, count = 0, most + 1, 1
    while good + 1 < bad:
        if holds(count):
            good = count
        else:
            bad = count
        count = min(2 * good, most) if bad > most else (good + bad) // 2
    return good


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    more = argparse.ArgumentParser(add_help=False)
    more.add_argument("--player", default="", choices=sorted({part.model for part in EIGHT}), help="the only one")
    chosen, _ = more.parse_known_args(words)
    return run(NAME, partial(measure, player=chosen.player), SECONDS, (BridgeError,), words, more)


if __name__ == "__main__":
    sys.exit(main())
