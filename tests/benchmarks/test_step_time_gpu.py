"""What is measured on a GPU, rehearsed on the CPU: every runtime that there is without one gives a whole row and the CPU's outputs."""

import subprocess
import sys
from os import environ
from pathlib import Path

import pytest

from benchmarks.device_step import DeviceStep
from benchmarks.gpu_parity import group_difference, step_difference
from benchmarks.record import ROOT, Row, read_rows
from benchmarks.step_time_gpu import BATCHES, COMPILED_BATCHES, REHEARSED, measure_graph, rows_of, tensorrt_session
from models.model_file import read_manifest
from models.registry import bundled_files
from server.errors import BacklineError
from server.keep_warm import RESTS_MS
from server.onnx_step import OnnxStep, open_session

FIGURES = {"count", "first_us", "p50_us", "p95_us", "p99_us", "p99.9_us", "max_us"}
PROBE, TRANSCRIBER = bundled_files()["probe"], bundled_files()["transcriber"]
PROBE_GRAPH, GRAPH = read_manifest(PROBE).graphs[0], read_manifest(TRANSCRIBER).graphs[0]
WITHOUT_A_GPU = (
    "onnxruntime cpu", f"onnxruntime {REHEARSED}", f"onnxruntime {REHEARSED}, unbound", f"onnxruntime {REHEARSED}, rows",
    f"onnxruntime {REHEARSED}, rows, graph", "torch cpu", f"torch {REHEARSED}",
)  # fmt: skip


def rehearse(batch: int) -> dict[str, Row]:
    rows = measure_graph(PROBE, "probe", PROBE_GRAPH, batch, "cpu", 0.02, 0.0027)
    return {row["case"].removeprefix(f"probe, batch {batch}, "): row for row in rows}


def test_every_runtime_gives_a_whole_row_and_what_is_not_there_is_said(capsys: pytest.CaptureFixture[str]):
    rows = rehearse(2)
    assert set(WITHOUT_A_GPU) == set(rows)
    assert all(FIGURES | {"budget_share", "provider"} <= set(row) for row in rows.values())
    assert [float(row["difference"]) for row in rows.values() if row.get("difference")] == [0.0, 0.0, 0.0]
    assert {row["provider"] for row in rows.values()} == {"cpu", REHEARSED}
    said = capsys.readouterr().err
    assert "probe, batch 2: no TensorRT: " in said
    assert "probe, batch 2: torch cannot capture this network: " in said


def test_one_stream_and_many_are_measured_after_a_rest_left_alone_and_kept_warm():
    rows = rehearse(1)
    kept = {f"onnxruntime {REHEARSED}, after a rest of 0.5 s, kept warm every {rest} ms" for rest in RESTS_MS}
    assert kept | {f"onnxruntime {REHEARSED}, after a rest of 0.5 s"} <= set(rows)
    assert all(set(rows[case]) >= FIGURES for case in kept)
    assert 1 in COMPILED_BATCHES


def test_a_rehearsal_is_never_taken_for_a_gpu():
    assert [case for case, row in rehearse(2).items() if "streams" in row] == ["onnxruntime cpu"]


@pytest.mark.parametrize("captured", [False, True])
@pytest.mark.parametrize("batch", BATCHES[:3])
def test_rows_are_held_against_the_cpu_stream_by_stream(batch: int, captured: bool):
    group = rows_of(TRANSCRIBER, GRAPH, batch, "cpu", captured)
    cpu = OnnxStep(open_session(TRANSCRIBER, "cpu", batch, file=GRAPH.file), GRAPH, batch)
    assert group_difference(group, cpu) == 0.0


def test_a_step_that_hears_nothing_is_seen_to_differ():
    class Deaf(OnnxStep):
        def __call__(self, inputs, state):
            return super().__call__({name: 0 * array for name, array in inputs.items()}, state)

    deaf, step = (kind(open_session(PROBE), PROBE_GRAPH) for kind in (Deaf, OnnxStep))
    assert step_difference(deaf, step, PROBE_GRAPH, 1) > 0.1


@pytest.mark.parametrize("batch", [1, 8])
def test_a_step_with_its_buffers_on_a_device_hears_every_hop(batch: int):
    session = open_session(PROBE, "cpu", batch)
    device, cpu = DeviceStep(session, PROBE_GRAPH, batch, "cpu"), OnnxStep(session, PROBE_GRAPH, batch)
    assert step_difference(device, cpu, PROBE_GRAPH, batch) == 0.0


def test_without_its_libraries_tensorrt_is_refused_in_a_sentence():
    with pytest.raises(BacklineError, match=r"this ONNX Runtime is built without it|cannot start it"):
        tensorrt_session(PROBE, PROBE_GRAPH, 1)


def test_the_whole_command_is_rehearsed_and_takes_one_model(tmp_path: Path):
    def rehearsal(*words: str) -> "subprocess.CompletedProcess[str]":
        command = [
            sys.executable,
            "-P",
            "benchmarks/step_time_gpu.py",
            "--provider",
            "cpu",
            "--seconds",
            "0.02",
            *words,
        ]
        environment = environ | {"PYTHONPATH": str(ROOT)}
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)

    done = rehearsal("--only", "probe", "--batches", "2", "--results", str(tmp_path))
    assert done.returncode == 0, done.stderr
    cases = {row["case"] for row in read_rows(tmp_path / "step_time_gpu.jsonl")}
    assert cases == {f"probe, batch 2, {runtime}" for runtime in WITHOUT_A_GPU}
    refused = rehearsal("--only", "piano", "--results", str(tmp_path))
    assert refused.returncode == 2
    assert "there is no model 'piano'; there are: probe, " in refused.stderr


def test_without_a_cuda_device_it_says_so_and_ends_with_code_2():
    command = [sys.executable, "-P", "benchmarks/step_time_gpu.py"]
    environment = environ | {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stderr.startswith("step_time_gpu: ")
    assert done.stderr.count("\n") == 1
