"""The benchmarks of the JACK path run and give whole rows. How many xruns there are, is not asserted anywhere."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.hiccup import Gap, Meter
from benchmarks.record import ROOT, read_rows


def rows_of(name: str, folder: Path) -> dict[str, dict[str, object]]:
    """Run a benchmark for a moment; return its rows by case."""
    command = [sys.executable, "-P", f"benchmarks/{name}.py", "--seconds", "0.5", "--results", str(folder)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return {row["case"]: row for row in read_rows(folder / f"{name}.jsonl")}


def test_the_meter_of_hiccups_gives_a_row_for_the_machine(tmp_path: Path) -> None:
    assert {"gaps_a_minute", "longest_gap_ms", "scheduling"} <= set(rows_of("hiccup", tmp_path)["all cores"])


@pytest.mark.parametrize(("moment", "held_up"), [(9.9, False), (10.1, True), (10.6, True), (10.8, False)])
def test_what_happens_in_a_gap_or_soon_after_it_is_the_machines(moment: float, held_up: bool) -> None:
    meter = Meter()
    meter.gaps = [Gap(0, 10.0, 10.5)]
    assert meter.held_up(moment, reach=0.2) == held_up


def test_what_came_in_during_a_gap_is_worked_off_in_as_long_again() -> None:
    meter = Meter()
    meter.gaps = [Gap(0, 10.0, 10.5)]
    assert [meter.held_up(moment, 0.2, again=1.0) for moment in (9.9, 10.2, 11.1, 11.3)] == [False, True, True, False]


def test_the_meter_sees_a_core_stand_still() -> None:
    with Meter() as meter:
        hold_up(max(os.sched_getaffinity(0)), 0.02)
    if meter.scheduling != "fifo":
        pytest.skip("without real-time rights nothing can be held above the meter")
    held = [gap for gap in meter.gaps if gap.core == max(os.sched_getaffinity(0)) and gap.milliseconds > 15]
    assert held
    assert all(gap.milliseconds < 1000 for gap in held)


def hold_up(core: int, seconds: float) -> None:
    """Have a process above the meter's priority spin on a core."""
    spin = (
        f"import os, time; os.sched_setaffinity(0, {{{core}}}); os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(90))\n"
        f"end = time.monotonic() + {seconds}\nwhile time.monotonic() < end: pass"
    )
    subprocess.run([sys.executable, "-c", spin], stderr=subprocess.DEVNULL, timeout=30, check=False)


@pytest.mark.jack
def test_the_jack_benchmark_gives_a_row_for_each_period(tmp_path: Path) -> None:
    rows = rows_of("jack_latency", tmp_path)
    assert {case.partition(", ")[2] for case in rows} == {"256 samples", "64 samples"}
    figures = {
        "callback_p50_us",
        "late_blocks",
        "late_events",
        "late_in_gaps",
        "xruns",
        "xruns_in_gaps",
        "longest_gap_ms",
    }
    assert all(figures <= set(row) for row in rows.values())
