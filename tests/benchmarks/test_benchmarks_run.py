"""Every benchmark runs with tiny settings and gives whole rows. How fast anything is, is not asserted here."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.pacing import Pacer, calls
from benchmarks.record import ROOT, read_rows
from server.cli import main
from server.commands.bench import MARK

FIGURES = {"count", "first_us", "p50_us", "p95_us", "p99_us", "p99.9_us", "max_us"}
CASES = {
    "step_time": ("probe, onnxruntime cpu, own pace", FIGURES | {"budget_share"}),
    "batches": ("probe, cpu, 4 a call", FIGURES | {"per_stream_us", "against_apart", "shared", "moved_us", "weights"}),
    "step_conditions": ("probe, memory load", FIGURES | {"against_alone", "budget_share"}),
    "spine_overhead": ("stream, 16 kHz model, hop 256", FIGURES | {"hop_p50_us"}),
    "osc_round_trip": ("probe, block 256", FIGURES),
    "streams": ("probe, streams 4", FIGURES | {"processor_share", "stale_samples"}),
    "memory": ("probe, growth", {"resident_mb", "own_mb", "growth_mb"}),
    "resampler_delay": ("44100 Hz, soxr HQ", {"held_back_ms"}),
    "startup": ("probe, engine killed, blocks answered", {name.replace("_us", "_ms") for name in FIGURES}),
}


@pytest.mark.parametrize("name", CASES)
def test_a_benchmark_gives_whole_rows(name: str, tmp_path: Path):
    command = [sys.executable, "-P", f"benchmarks/{name}.py", "--seconds", "0.1", "--results", str(tmp_path)]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    rows = {row["case"]: row for row in read_rows(tmp_path / f"{name}.jsonl")}
    case, figures = CASES[name]
    assert figures <= set(rows[case])


def test_every_note_of_the_probe_is_where_it_was_declared(tmp_path: Path):
    command = [sys.executable, "-P", "benchmarks/host_to_event.py", "--seconds", "0.1", "--results", str(tmp_path)]
    subprocess.run(
        command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True, capture_output=True, timeout=120
    )
    rows = [row for row in read_rows(tmp_path / "host_to_event.jsonl") if row["case"].startswith("probe, commit")]
    assert {row["case"].rpartition(" ")[2] for row in rows} == {"64", "128", "256", "512", "1024"}
    assert all(FIGURES | {"latency_samples", "late_events"} <= set(row) for row in rows)
    assert all(row["notes"] >= 5 and row["wrong"] == row["missing"] == 0 for row in rows)


def test_a_call_that_was_held_up_counts_from_when_it_was_due():
    pacer = Pacer(0.0)
    first = pacer.wait()
    assert pacer.wait() == first
    assert pacer.late_us == []


@pytest.mark.parametrize(("seconds", "period", "expected"), [(1.0, 0.25, 4), (0.0001, 1.0, 2)])
def test_there_are_two_calls_at_least(seconds: float, period: float, expected: int):
    assert calls(seconds, period) == expected


def test_bench_runs_one_benchmark_by_name_from_the_folder_one_stands_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    (tmp_path / MARK).parent.mkdir()
    (tmp_path / MARK).touch()
    (tmp_path / "benchmarks" / "step_time.py").write_text("import sys; print(sys.argv[1:]); sys.exit(3)")
    monkeypatch.chdir(tmp_path)
    assert main(["bench", "step_time", "--seconds", "2"]) == 3
    assert capfd.readouterr().out.strip() == "['--seconds', '2.0']"
    assert main(["bench", "step_time", "--provider", "cpu"]) == 3
    assert capfd.readouterr().out.strip() == "['--provider', 'cpu']"


def test_bench_names_the_benchmarks_where_the_name_is_unknown(capsys: pytest.CaptureFixture[str]):
    assert main(["bench", "speed"]) == 2
    error = capsys.readouterr().err
    assert "'speed'" in error
    assert "spine_overhead" in error


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "1e9"])
def test_bench_refuses_a_length_that_makes_no_sense(seconds: str, capsys: pytest.CaptureFixture[str]):
    assert main(["bench", "step_time", f"--seconds={seconds}"]) == 2
    assert "allowed: more than 0" in capsys.readouterr().err


def test_bench_says_that_it_needs_a_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("server.commands.bench.__file__", str(tmp_path / "server" / "commands" / "bench.py"))
    assert main(["bench"]) == 2
    assert "checkout" in capsys.readouterr().err
