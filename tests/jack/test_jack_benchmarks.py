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
