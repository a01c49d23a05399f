"""An hour of eight mixed streams: does anything hang, get lost or grow?

    backline bench soak -- [--seconds N] [--seed N]

The five players and the probe play over the real wire to a real server, paced by clocks of their own, while clients come and go,
engines are killed and frozen, players are swapped, clocks drift, and everybody hurries for a while (soak_chaos). Of every kind of
event there is a row of what came of it, and one of the whole:

* **hanging, doubled, stray**: notes that sound when their stream is closed; note-ons of what sounds; ends of what does not.
* **lost events, too many**: what guests to whom nothing happened should have heard, to the sample, and did not, and the other way round.
* **lost blocks** were never answered. Kinds that harm nothing lose none, but beside gaps of the machine, which are counted apart.
* **late blocks** were answered after the two periods that a JACK client of ours waits; in gaps: the machine stood still there.
* **attached**: from when an engine's loss was known to when another worked. **answered, on time**: from the event (after a stall: from
  when the machine went on) to the first block answered, and answered on time. **missed**: blocks sent meanwhile.
* **memory** is of a server and its engines, each with its spare, after five minutes and at the end.
"""

import argparse
import math
import sys
import time
from bisect import bisect_right
from collections.abc import Sequence

from benchmarks.command import Options, run
from benchmarks.hiccup import Meter
from benchmarks.record import Row
from benchmarks.serving import Server
from benchmarks.soak_chaos import HARMLESS, KINDS, REPLACED, Chaos, Happened, schedule
from benchmarks.soak_replay import compared, expected
from benchmarks.soak_stage import Stage, lost_datagrams
from benchmarks.soak_streams import Account, Band
from plugin_bridge.client import BridgeError

NAME, SECONDS, SEED = "soak", 3600.0, 1
LONGEST_SLOT, SHORTEST_SLOT = 12.0, 3.0  # seconds
EARLY_SECONDS, EARLY_SHARE = 300.0, 0.25  # of the whole, where that is less: then memory is read first
OF_THE_WHOLE = (
    "seconds", "seed", "streams", "blocks", "note_ons", "note_offs", "hanging", "doubled", "stray", "silent", "guests",
    "guests_held_up", "guest_events", "lost_events", "events_too_many", "server_early_mb", "engines_early_mb", "server_last_mb",
    "engines_last_mb", "server_growth_share", "engines_growth_share", "engines_early", "engines_last", "gaps_a_minute",
    "longest_gap_ms", "scheduling", "client_latest_ms", "answered_p50_ms", "on_time_p50_ms",
)  # fmt: skip
"""Figures that do not stand in the table that is printed."""
MARGIN_SECONDS = 0.01  # a gap this long before a block was sent can still make it late


def measure(options: Options, seed: int = SEED) -> list[Row]:
    """Return a row per kind of event and one of the whole."""
    slot_seconds = min(LONGEST_SLOT, max(SHORTEST_SLOT, options.seconds / len(KINDS)))
    slots = schedule(options.seconds, slot_seconds, seed)
    band, history, memory = Band(), list[Happened](), list[Row]()
    with Server(options) as server, Meter() as meter:
        band.start()
        try:
            stage = Stage(server, band)
            chaos, began = Chaos(stage), time.monotonic()
            for slot in slots:
                if not memory and slot.begin >= min(EARLY_SECONDS, EARLY_SHARE * options.seconds):
                    chaos.restore()
                    memory.append(stage.memory())
                _sleep_until(began + slot.begin)
                if band.problem is not None:
                    raise band.problem
                happened, lost = Happened(slot, time.monotonic()), lost_datagrams()
                chaos.act(happened)
                _sleep_until(began + slot.end)
                happened.ended, happened.lost_datagrams = time.monotonic(), lost_datagrams() - lost
                history.append(happened)
            chaos.restore()
            memory.append(stage.memory())
            stage.end()
        finally:
            band.end()
    accounts = [client.account for client in stage.gone]
    rows = [_of_kind(kind, history, accounts, meter) for kind in KINDS if any(h.slot.kind == kind for h in history)]
    row: Row = {"case": "soak, whole", "seconds": round(time.monotonic() - began, 1), "seed": seed}
    row |= _notes(accounts) | _heard(stage) | _blocks(history, accounts, meter, HARMLESS)
    row |= _memory(memory) | meter.figures() | {"scheduling": band.scheduling}
    row["client_latest_ms"] = round(1000 * band.furthest_behind, 1)
    return [*rows, row]


def _of_kind(kind: str, history: Sequence[Happened], accounts: Sequence[Account], meter: Meter) -> Row:
    """Return what came of all events of one kind."""
    own = [happened for happened in history if happened.slot.kind == kind]
    row: Row = {"case": f"soak, {kind}", "times": len(own)} | _blocks(history, accounts, meter, (kind,))
    row["lost_datagrams"] = sum(happened.lost_datagrams for happened in own)
    attached = [happened.attached_ms for happened in own if happened.attached_ms is not None]
    if kind in REPLACED:
        row["never_attached"] = len(own) - len(attached)
    if attached:
        row["attached_max_ms"] = round(max(attached), 1)
    recoveries = [recovery for happened in own for recovery in happened.recoveries]
    for name in ("answered", "on_time"):
        seconds = sorted(value for each in recoveries if (value := getattr(each, name)) is not None)
        if seconds:
            row |= {
                f"{name}_p50_ms": round(1000 * seconds[len(seconds) // 2], 1),
                f"{name}_max_ms": round(1000 * seconds[-1], 1),
            }
    if recoveries:
        row["missed_max"] = max(each.missed for each in recoveries)
        row["never_on_time"] = sum(each.on_time is None for each in recoveries)
        row["slowest"] = max(recoveries, key=lambda each: each.on_time or math.inf).name
    return row


def _blocks(history: Sequence[Happened], accounts: Sequence[Account], meter: Meter, kinds: Sequence[str]) -> Row:
    """Return how many blocks were late and lost during events of some kinds, and how many of them beside a gap of the machine."""
    times = [(happened.began, happened.ended) for happened in history if happened.slot.kind in kinds]
    late = [each for account in accounts for each in account.late if _within(each[0], times)]
    lost = [each for account in accounts for each in account.lost if _within(each[0], times)]
    return {
        "late_blocks": len(late),
        "late_in_gaps": sum(meter.held_up(moment, seconds + MARGIN_SECONDS) for moment, seconds in late),
        "latest_ms": round(1000 * max((seconds for _, seconds in late), default=0.0), 1),
        "lost_blocks": sum(count for _, count in lost),
        "lost_in_gaps": sum(count for moment, count in lost if meter.held_up(moment, 1.0)),
    }


def _notes(accounts: Sequence[Account]) -> Row:
    """Return what all clients together counted."""
    names = ("blocks", "note_ons", "note_offs", "hanging", "doubled", "stray", "silent")
    return {"streams": len(accounts)} | {name: sum(getattr(each, name) for each in accounts) for name in names}


def _heard(stage: Stage) -> Row:
    """Return whether the guests heard all that they should have."""
    found = [compared(guest, expected(guest)) for guest in stage.guests]
    return {
        "guests": len(found),
        "guests_held_up": stage.disturbed,
        "guest_events": sum(len(guest.heard or ()) for guest in stage.guests),
        "lost_events": sum(missing for missing, _ in found),
        "events_too_many": sum(more for _, more in found),
    }


def _memory(memory: Sequence[Row]) -> Row:
    early, last = memory[0], memory[-1]
    row: Row = {
        f"{name}_{when}_mb": each[f"{name}_mb"]
        for when, each in (("early", early), ("last", last))
        for name in ("server", "engines")
    }
    for name in ("server", "engines"):
        row[f"{name}_growth_share"] = round(last[f"{name}_mb"] / early[f"{name}_mb"] - 1, 4)
    return row | {"engines_early": early["engines"], "engines_last": last["engines"]}


def _within(moment: float, times: Sequence[tuple[float, float]]) -> bool:
    """Whether a moment lies within one of some times, which are in order."""
    place = bisect_right(times, moment, key=lambda each: each[0])
    return place > 0 and moment < times[place - 1][1]


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    more = argparse.ArgumentParser(add_help=False)
    more.add_argument("--seed", type=int, default=SEED, metavar="N", help=f"of what happens and when (default {SEED})")
    chosen, _ = more.parse_known_args(words)
    found: list[Row] = []

    def once(options: Options) -> list[Row]:
        found.extend(measure(options, chosen.seed))
        return found

    # Of the whole there is too much for one line of a table.
    code = run(NAME, once, SECONDS, (BridgeError,), words, more, hidden=OF_THE_WHOLE)
    for name, value in found[-1].items() if code == 0 else ():
        print(f"{name.replace('_', ' ')}: {value}")
    return code


if __name__ == "__main__":
    sys.exit(main())
