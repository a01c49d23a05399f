"""Folders of stems, the command line as a process, and a Ray cluster of two nodes on this machine."""

import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest
import soundfile

from exporters.players import export_probe

TREE = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join([str(TREE), os.environ.get("PYTHONPATH", "")])}
COMMAND_LINE = (sys.executable, "-P", "-c", "import sys; from server.cli import main; sys.exit(main())")
CLUSTER = """
import sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False, "object_store_memory": 100_000_000})
cluster.add_node(num_cpus=1, object_store_memory=100_000_000)
print("at", cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""


def write_clicks(path: Path, seed: int, seconds: float = 0.5) -> None:
    """Write clicks at 48 kHz whose places follow from `seed`."""
    audio = np.zeros(round(48_000 * seconds), np.float32)
    audio[np.random.default_rng(seed).integers(0, audio.size, max(1, round(10 * seconds)))] = 0.9
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio, 48_000)


@pytest.fixture(scope="session", name="write_clicks")
def write_clicks_fixture() -> Callable[..., None]:
    """The function `write_clicks`."""
    return write_clicks


@pytest.fixture
def stems(tmp_path: Path) -> Path:
    """A folder with four recordings, two of them in folders, a clip, and what is no music."""
    folder = tmp_path / "stems"
    for seed, name in enumerate(["one.wav", "two.wav", "songs/three.flac", "songs/late night/four.wav"]):
        write_clicks(folder / name, seed)
    notes = [mido.Message("note_on", note=60, velocity=90, time=480), mido.Message("note_off", note=60, time=480)]
    mido.MidiFile(type=0, tracks=[mido.MidiTrack(notes)]).save(folder / "clip.mid")
    (folder / "notes.txt").write_text("no music")
    (folder / "._one.wav").write_text("what a file manager leaves")
    return folder


@pytest.fixture(scope="session")
def start() -> Callable[..., "subprocess.Popen[str]"]:
    """A function that starts `backline WORDS...`."""

    def begin(*words: object) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*COMMAND_LINE, *map(str, words)],
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return begin


@pytest.fixture(scope="session")
def backline(start: Callable[..., "subprocess.Popen[str]"]) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """A function that runs `backline WORDS...` to its end."""

    def run(*words: object) -> "subprocess.CompletedProcess[str]":
        process = start(*words)
        out, err = process.communicate(timeout=400)
        assert "Traceback" not in err, err
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    return run


@pytest.fixture(scope="session")
def contents() -> Callable[[Path], dict[str, bytes]]:
    """A function: folder -> name of each file in it, the journal's folder left out, and its bytes."""

    def read(folder: Path) -> dict[str, bytes]:
        files = [path for path in sorted(folder.rglob("*")) if path.is_file() and ".backline" not in path.parts]
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}

    return read


@pytest.fixture(scope="module")
def ray_address() -> Iterator[str]:
    """The address of a cluster of two nodes with a core each, in processes of its own."""
    if find_spec("ray") is None:
        pytest.skip("the extra `ray` is not installed")
    options: dict[str, Any] = {
        "stdin": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.DEVNULL,
        "text": True,
    }
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", CLUSTER], env=ENVIRONMENT | {"RAY_USAGE_STATS_ENABLED": "0"}, **options
    )
    assert process.stdout is not None
    try:
        line = ""
        while not line.startswith("at "):
            assert select.select([process.stdout], [], [], 400)[0], "the cluster did not start"
            line = process.stdout.readline()
            assert line, f"the cluster ended with {process.wait()}"
        yield line.split()[1]
    finally:
        process.communicate("", timeout=60)


@pytest.fixture(scope="session")
def write_wave() -> Callable[[Path, Any, int], None]:
    """A function (path, (1, n) float32, rate) that writes a file and makes its folder."""

    def write(path: Path, samples: Any, rate: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, samples[0], rate)

    return write


@pytest.fixture(scope="session")
def pulse_model() -> Callable[[Path, float], Path]:
    """A function (path, figure) that exports a probe whose card says `figure`: another model for another one."""

    def make(path: Path, figure: float) -> Path:
        export_probe(None, path, {"figure": figure})
        return path

    return make
