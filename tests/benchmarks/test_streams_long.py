"""Many streams are played and counted, over several engines and with calls shared, and searched for. No time is asserted."""

import os
import subprocess
from dataclasses import replace

import pytest

from benchmarks.command import Options
from benchmarks.soak_streams import EIGHT
from benchmarks.streams_long import Load, measure, used_seconds
from benchmarks.streams_search import most_streams, search

FIGURES = {"blocks", "late_blocks", "late_in_gaps", "late_outside", "lost_blocks", "engine_share", "longest_gap_ms"}
IMPULSES = next(part for part in EIGHT if part.model == "probe")


@pytest.mark.usefixtures("program")
def test_streams_are_shared_by_engines_and_every_block_is_counted():
    load = Load(replace(IMPULSES, block=480), streams=3, engines=2, batch=2)
    (row,) = measure(Options(1.0), load)
    assert row["case"] == "impulses, 3 streams, block 480, engines 2, batch 2"
    assert set(row) >= FIGURES
    assert row["blocks"] >= 3 * 1.0 * 48_000 / 480
    assert row["hanging"] == 0
    assert row["late_blocks"] == row["late_in_gaps"] + row["late_outside"]


def test_an_engine_that_is_replaced_does_not_end_a_trial():
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert set(used_seconds([gone.pid, os.getpid()])) == {os.getpid()}


@pytest.mark.usefixtures("program")
def test_a_search_says_what_it_found_and_how_the_last_trial_went():
    row = most_streams(Options(0.5), replace(IMPULSES, block=1024), most=2)
    assert 0 <= row["most_streams"] <= 2
    assert 1 <= row["tried"] <= 2
    assert set(row) >= FIGURES


@pytest.mark.parametrize(("limit", "most", "found"), [(0, 64, 0), (1, 64, 1), (11, 64, 11), (63, 64, 63), (99, 64, 64)])
def test_the_most_streams_are_found_in_few_trials(limit, most, found):
    tried = []
    assert search(lambda count: tried.append(count) or count <= limit, most) == found
    assert len(tried) <= 12
    assert len(set(tried)) == len(tried)
    assert all(1 <= count <= most for count in tried)
