"""From the sample that is struck to the frame at which its note leaves: by register, polyphony, block size and load, beside peers.

A real JACK server on the dummy driver and jack_probe, which plays strikes with known onsets into Backline's JACK client and hears the
MIDI that comes back in the same graph: a latency is a difference of two frames of one clock, exact to the sample, and holds
everything from port to port. `declared` is what the MIDI port says: a live stream leaves as soon as it can and declares
nothing, a commit stream must leave at what it declares, give or take where it places the onset. Beside it, on the same strikes:
aubionotes at JACK (one voice at a time, so chords are not its business), and Basic Pitch in a window that rolls, by the recording's
clock plus computing. `found` of `notes` were answered, `wrong` answers nothing that was struck; neither says how good a
transcriber is on music: transcription_curve does.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path

from benchmarks.command import Options, run
from benchmarks.end_to_end_graph import (
    AUBIO,
    MODEL,
    Listening,
    missing_aubionotes,
    through_aubionotes,
    through_backline,
)
from benchmarks.end_to_end_material import RATE, Material, find_font, make_material
from benchmarks.end_to_end_scores import judge_take, ms, rows_of
from benchmarks.hiccup import Meter
from benchmarks.native.jackd import jackd
from benchmarks.plugin_load import one_core_busy
from benchmarks.record import Row
from benchmarks.rolling_window import PEER, basic_pitch_rows
from benchmarks.serving import Server
from benchmarks.transcription_programs import TITLES
from plugin_bridge.client import BridgeError
from server.commands.options import parse_settings
from server.errors import BacklineError

NAME, SECONDS = "end_to_end", 30.0
BLOCKS = (64, 128, 256)
HIDDEN = (
    "latency_p95_samples",
    "latency_max_samples",
    "declared_ms",
    "xruns",
    "lost_cycles",
    "late_blocks",
    "late_events",
    "gaps_a_minute",
    "longest_gap_ms",
    "version",
    "scheduling",
    "sound",
)
"""What is in the file and not in the table, which has room for so many figures."""
CASES = (("live", False), ("live", True), ("commit", False))  # kind of stream, and whether a core is kept busy


def measure(options: Options, extra: argparse.Namespace) -> list[Row]:
    """Return the rows of Backline, then those of the peers. seconds: of one take; there are four a block size."""
    settings = parse_settings(extra.set)
    material = make_material(options.seconds, extra.font or find_font())
    rows: list[Row] = []
    with Server(options) as server:
        server.load(MODEL)
        for block in extra.blocks:
            for kind, busy in CASES:
                case = f"{kind}, block {block}{', one core busy' if busy else ''}"
                rows += play(case, material, block, busy, server.port, {**settings, "stream": kind})
    rows += aubionotes_rows(material, extra.blocks)
    try:
        rows += basic_pitch_rows(material, extra.peers_python)
    except BacklineError as error:
        rows.append({"case": TITLES[PEER], "missing": str(error)})
    return [row | {"sound": material.played_by} for row in rows]


def aubionotes_rows(material: Material, blocks: Sequence[int]) -> list[Row]:
    """Return the rows of aubionotes, or the one that says why there are none."""
    missing, rows = missing_aubionotes(), list[Row]()
    try:
        for block in blocks if not missing else ():
            rows += play(f"{AUBIO}, block {block}", material, block, False)
    except BacklineError as error:
        missing = str(error)
    return rows + ([{"case": AUBIO, "missing": missing}] if missing else [])


def play(
    case: str, material: Material, block: int, busy: bool, port: int = 0, settings: dict[str, str | float] | None = None
) -> list[Row]:
    """Return the rows of one take through Backline's client with `settings`, or through aubionotes where there are none."""
    with ExitStack() as ends:
        running = ends.enter_context(jackd(block, RATE))
        ends.enter_context(one_core_busy() if busy else nullcontext())
        with Meter() as meter:
            heard: Listening = (
                through_aubionotes(running, material)
                if settings is None
                else through_backline(running, port, settings, material)
            )
    outcome = judge_take(material.strikes, heard.take, heard.declared)
    declared = {"declared_samples": heard.declared, "declared_ms": ms(heard.declared)}
    print(f"{case}: done", file=sys.stderr)
    whole, *groups = rows_of(case, outcome)
    whole |= {"disturbed": outcome.disturbed} | heard.incidents | meter.figures() | {"scheduling": running.scheduling}
    return [row | declared for row in (whole, *groups)]


def options_here() -> argparse.ArgumentParser:
    """Return the options that this benchmark alone takes."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument(
        "--blocks", type=int, nargs="+", default=list(BLOCKS), metavar="N", help="JACK's periods (default 64 128 256)"
    )
    parser.add_argument(
        "--font", type=Path, metavar="FILE", help="a sound font (default: Debian's TimGM6mb, if it is there)"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter of the transcriber"
    )
    parser.add_argument("--peers-python", type=Path, metavar="PYTHON", help="a Python that has basic-pitch")
    return parser


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; on a machine without JACK there is nothing to measure, and that is no error."""
    parser = options_here()
    extra, _ = parser.parse_known_args(words)
    if shutil.which("jackd") is None:
        print(f"{NAME}: jackd is not installed; skipped")
        return 0
    refusals = (BridgeError, BacklineError)
    return run(NAME, lambda options: measure(options, extra), SECONDS, refusals, words, parser, HIDDEN)


if __name__ == "__main__":
    raise SystemExit(main())
