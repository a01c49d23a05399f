"""Which provider is taken: the words, what is measured, and what is said where CUDA is not there."""

import onnxruntime
import pytest
from numpy import array, full

from models.model_file import read_manifest
from models.registry import bundled_files
from server.errors import BacklineError
from server.providers import Choice, check_provider, choose_provider, cuda_problem, faster, time_ticks
from server.row_plan import plan_rows

PROBE, DRUMMER = bundled_files()["probe"], bundled_files()["drummer"]
GRAPH = read_manifest(PROBE).graphs[0]
without_cuda = pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="this ONNX Runtime has CUDA"
)


def test_a_provider_is_one_of_three_words():
    assert [check_provider(word) for word in ("auto", "cpu")] == ["auto", "cpu"]
    for word in ("tpu", "tensorrt"):  # why there is no TensorRT: docs/decisions.md
        with pytest.raises(BacklineError, match=f"provider is '{word}'; allowed: auto, cpu, cuda$"):
            check_provider(word)


@without_cuda
def test_cuda_that_was_asked_for_and_is_not_there_is_refused_in_a_sentence():
    sentence = (
        r"provider is 'cuda', and this ONNX Runtime is built without CUDA .*`--provider auto` runs on the CPU here$"
    )
    for ask in (check_provider, lambda word: choose_provider(word, (PROBE, GRAPH.file, ()), GRAPH, 1000.0)):
        with pytest.raises(BacklineError, match=sentence):
            ask("cuda")


@without_cuda
def test_auto_without_cuda_is_the_cpu_and_says_why():
    choice = choose_provider("auto", (PROBE, GRAPH.file, ()), GRAPH, 1000.0)
    assert (choice.provider, choice.why) == ("cpu", cuda_problem())


def test_a_graph_that_runs_once_a_beat_stays_on_the_cpu():
    [plan] = read_manifest(DRUMMER).graphs
    assert choose_provider("auto", (DRUMMER, plan.file, ()), plan, 8000.0) == Choice(
        "cpu", "one step a beat needs no other"
    )


@pytest.mark.parametrize(
    ("cpu", "cuda", "taken"),
    [
        (full(24, 500.0), full(24, 200.0), "cuda"),
        (full(24, 500.0), full(24, 480.0), "cpu"),  # not by a tenth
        (full(24, 200.0), full(24, 500.0), "cpu"),
        (full(24, 900.0), array([100.0] * 18 + [1500.0] * 6), "cpu"),  # faster, but often over the budget
        (full(24, 3000.0), full(24, 2000.0), "cuda"),  # neither keeps within it
        (array([900.0] * 18 + [1500.0] * 6), full(24, 950.0), "cuda"),  # the slower one is in time
    ],
)
def test_the_faster_one_within_the_budget_is_taken(cpu, cuda, taken):
    choice = faster({"cpu": cpu, "cuda": cuda}, 1000.0)
    assert choice.provider == taken
    assert choice.why.startswith("measured cpu ")
    assert choice.why.endswith("budget 1000 us")


@pytest.mark.parametrize("batch", [1, 4])
def test_ticks_of_all_rows_are_timed_one_by_one(batch: int):
    times = time_ticks(plan_rows((PROBE, GRAPH.file, ()), GRAPH, "cpu", batch).group(), 0.0, count=5)
    assert times.shape == (5,)
    assert (times > 0).all()
