"""How often does this machine itself stand still? The scale that every latency here is to be read against.

A process on each core sleeps a quarter of a millisecond at a time, above all other priorities where it may (JACK has 70,
an engine 50), and notes every wake-up that came more than a millisecond late. What it then sees is the machine: a
hypervisor that gave the core to somebody else, an interrupt, the kernel. Without real-time rights it also sees every
program that had the core first, so that a gap is no excuse for ours; `scheduling` says which of the two it was. It is
native (native/hiccup.c): a Python process in its place takes so much of a core's cache that a transcriber's step beside it
takes an eighth longer than beside none, woken every millisecond, and a quarter longer at this rate. Other benchmarks run a
Meter beside themselves and ask it which of their late ones lay in a gap.
"""

import os
import subprocess
import time
from dataclasses import dataclass
from types import TracebackType

from benchmarks.command import Options, run
from benchmarks.native.build import build
from benchmarks.record import Row

NAME, SECONDS = "hiccup", 10.0
SLEEP_NS = 250_000  # a gap that begins while it sleeps looks shorter by so much at most
GAP_NS = 1_000_000  # a wake-up this late is a gap; half a millisecond is usual on a busy machine
PRIORITY = 80  # above JACK and the engines: what holds this up is no program of ours
END_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which a core did not come back. start, end: seconds of time.monotonic."""

    core: int
    start: float
    end: float

    @property
    def milliseconds(self) -> float:
        """How long it was."""
        return 1000 * (self.end - self.start)


class Meter:
    """The machine's gaps while something else is measured; a context manager. Read `gaps` after it.

    Entering it raises BuildError where the watch cannot be compiled.
    """

    def __init__(self) -> None:
        self.gaps: list[Gap] = []
        self.scheduling = ""
        self.seconds = 0.0
        self._processes: dict[int, subprocess.Popen[str]] = {}  # by core

    def __enter__(self) -> "Meter":
        program = str(build("hiccup"))
        self._began = time.monotonic()
        for core in sorted(os.sched_getaffinity(0)):
            words = [program, *map(str, (core, SLEEP_NS, GAP_NS, PRIORITY))]
            self._processes[core] = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        for process in self._processes.values():
            assert process.stdout is not None
            self.scheduling = process.stdout.readline().strip()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds = time.monotonic() - self._began
        for process in self._processes.values():
            process.terminate()
        for core, process in self._processes.items():
            try:
                text, _ = process.communicate(timeout=END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                text, _ = process.communicate()
            self.gaps += [Gap(core, *map(float, line.split())) for line in text.splitlines()]
        self.gaps.sort(key=lambda gap: gap.end)

    def held_up(self, moment: float, reach: float, again: float = 0.0) -> bool:
        """Whether a gap lies within the `reach` seconds before `moment` on the monotonic clock.

        Args: again: how long what came in meanwhile takes to be worked off, of the gap's own length: 1 at half load.
        """
        return any(
            gap.end + again * (gap.end - gap.start) >= moment - reach and gap.start <= moment for gap in self.gaps
        )

    def figures(self) -> Row:
        """Return how many there were and how long they lasted."""
        lengths = [gap.milliseconds for gap in self.gaps]
        return {
            "gaps_a_minute": round(60 * len(lengths) / self.seconds, 1),
            "longest_gap_ms": round(max(lengths, default=0.0), 2),
        }


def measure(options: Options) -> list[Row]:
    """Return a row per core of what the machine does by itself, and one of all."""
    with Meter() as meter:
        time.sleep(options.seconds)
    rows: list[Row] = []
    for core in sorted({gap.core for gap in meter.gaps}):
        lengths = sorted(gap.milliseconds for gap in meter.gaps if gap.core == core)
        rows.append(
            {
                "case": f"core {core}",
                "gaps": len(lengths),
                "p50_gap_ms": round(lengths[len(lengths) // 2], 2),
                "longest_gap_ms": round(lengths[-1], 2),
            }
        )
    rows.append({"case": "all cores", **meter.figures()})
    return [row | {"scheduling": meter.scheduling, "seconds": round(meter.seconds, 1)} for row in rows]


if __name__ == "__main__":
    raise SystemExit(run(NAME, measure, SECONDS))
