"""What the benchmarks of the plug-in count, and that they run. How fast anything is, is not asserted here."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import plugin_latency, plugin_load
from benchmarks.command import Options
from benchmarks.hiccup import Gap, Meter
from benchmarks.native.plugin import BUILT
from benchmarks.native.take import Take
from benchmarks.plugin_latency import Material, answers, bundled_take, figures, spread

NEEDED = pytest.mark.skipif(
    not all(map(shutil.which, ("jackd", "jalv", "gcc"))) or not (BUILT / "lv2").is_dir(),
    reason="jackd, jalv, gcc or the built plug-in is missing",
)


def take(*midi: tuple[int, int, int, int], **more: object) -> Take:
    return replace(Take(48_000, 64, began=10_000, midi=list(midi)), **more)


def test_a_key_is_answered_by_a_note_of_its_pitch_once() -> None:
    played = Material(96_000, keys=[(1_000, 60), (2_000, 64), (30_000, 60), (60_000, 67)])
    heard = take((11_700, 0x90, 60, 90), (12_900, 0x90, 64, 90), (12_950, 0x90, 65, 90), (40_800, 0x90, 60, 90))
    assert answers(0, played, heard) == [700, 900, 800]
    row = figures("live", 0, played, heard)
    assert (row["notes"], row["missing"], row["felt_max_ms"]) == (3, 1, 18.75)


def test_what_the_player_missed_comes_later() -> None:
    heard = take((13_000, 0x90, 60, 90), jumps=[(9_000, 9_064), (10_500, 10_628)])
    heard.skips = list(heard.jumps)
    assert heard.frame_of(100) == 10_100
    assert heard.frame_of(1_000) == 11_128
    assert answers(0, Material(96_000, keys=[(1_000, 60)]), heard) == [13_000 - 11_128]


def test_a_note_of_a_commit_stream_is_wrong_by_a_single_sample() -> None:
    heard = take((10_500, 0x90, 60, 90), (20_501, 0x90, 60, 90), impulses=[10_100, 20_100, 30_100])
    row = figures("commit", 400, Material(96_000), heard)
    assert (row["notes"], row["missing"], row["wrong"]) == (2, 1, 1)
    assert "wrong" not in figures("live", 0, Material(96_000), heard)


def test_percentiles_are_delays_that_were_seen() -> None:
    assert spread([48, 96, 144, 4_800]) == {
        "felt_p50_ms": 3.0,
        "felt_p95_ms": 100.0,
        "felt_p99_ms": 100.0,
        "felt_max_ms": 100.0,
    }
    assert spread([]) == {}


def test_the_takes_keys_lie_where_its_sound_begins() -> None:
    played = bundled_take(3.0, 64)
    assert played.sound is not None
    assert len(played.keys) > 8
    first = played.keys[0][0]
    assert np.abs(played.sound[: first - 480]).max() < 0.01 < np.abs(played.sound[first : first + 2_400]).max()


def test_late_lost_and_disturbed_results_are_told_apart() -> None:
    impulses = [20_000, 40_000, 60_000, 80_000, 100_000]
    heard = take(
        (20_400, 0x90, 60, 90), (20_600, 0x80, 60, 0), (40_900, 0x90, 60, 90), (41_000, 0x80, 60, 0), (100_400, 0x90, 60, 90),
        (100_500, 0x80, 60, 0), impulses=impulses, jumps=[(80_200, 80_264)],
        at={20_000: 1.0, 40_000: 2.0, 40_900: 2.02, 100_000: 4.0},
    )  # fmt: skip
    meter = Meter()
    row = plugin_load.results(heard, 400, meter)
    expected = {"results": 4, "beside_lost_cycles": 1, "late_results": 1, "lost_results": 1, "early_results": 0,
                "hanging_notes": 0, "unexplained_late_results": 1}  # fmt: skip
    assert expected.items() <= row.items()
    meter.gaps = [Gap(0, 2.005, 2.01)]
    assert plugin_load.results(heard, 400, meter)["unexplained_late_results"] == 0


@NEEDED
def test_the_felt_latency_is_measured_for_both_kinds_of_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin_latency, "BLOCKS", (256,))
    rows = {row["case"]: row for row in plugin_latency.measure(Options(1.0))}
    cases = {f"{player}, {kind}, block 256" for player in ("probe", "transcriber") for kind in ("commit", "live")}
    assert set(rows) == cases
    assert {"reported_ms", "xruns", "longest_gap_ms", "late_cycles"} <= set(rows["probe, commit, block 256"])
    assert rows["probe, live, block 256"]["reported_ms"] == 0


@NEEDED
def test_the_load_is_measured_beside_the_machines_gaps() -> None:
    rows = {row["case"].rpartition(": ")[2]: row for row in plugin_load.measure(Options(1.0))}
    assert {"late_results", "unexplained_late_results", "hanging_notes"} <= set(rows["results"])
    assert {"audio_p99.9_us", "late_cycles", "xruns", "longest_gap_ms"} <= set(rows["audio threads"])
    assert {"engine_late_events", "engine_stale_samples"} <= set(rows["engine"])
