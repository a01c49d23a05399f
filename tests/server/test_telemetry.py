"""ONNX Runtime reports to nobody, and has nothing running beside a session, unless a user wants it to."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from models.telemetry import SWITCH

WAYS = {
    "an engine's session": "from server.onnx_step import open_session; from server.model_store import find_model; "
    "session = open_session(find_model('probe').path)",
    "an export's check": "import exporters.self_check, onnxruntime; from models.registry import bundled_files; "
    "session = onnxruntime.InferenceSession(bundled_files()['probe'])",
}
THREADS = "; import os; print(len(os.listdir('/proc/self/task')))"
SUPPRESSED = ("CI", "TF_BUILD", "GITHUB_ACTIONS", SWITCH)  # with which it is silent anyway


def run(program: str, home: Path, **more: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in SUPPRESSED}
    environment |= {"HOME": str(home), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])} | more
    environment.pop("XDG_CACHE_HOME", None)
    return subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, timeout=60
    ).stdout


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_kept_or_runs_beside_a_session(tmp_path, way):
    threads = run(WAYS[way] + THREADS, tmp_path)
    assert list(tmp_path.rglob("*")) == []
    assert int(threads) <= int(run(WAYS[way] + THREADS, tmp_path, **{SWITCH: "1"})), "as few as where it is told"


def test_whoever_wants_it_may_have_it(tmp_path):
    way = WAYS["an engine's session"] + f"; import os; print(os.environ['{SWITCH}'])"
    assert run(way, tmp_path, **{SWITCH: "0"}) == "0\n"
    if not list(tmp_path.rglob("*.db")):
        pytest.skip("this build of ONNX Runtime has none")
