"""Two real processes, started by torchrun, train one network: the one that a single process makes of both their batches."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from models.transcriber.processes import ALONE, joined

SCRIPT = Path(__file__).with_name("one_of_two.py")
OURS = runpy.run_path(str(SCRIPT))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder in which two processes learnt and trained, and what they said."""
    folder = tmp_path_factory.mktemp("both")
    OURS["write_renders"](folder)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = os.environ | {
        "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""
    }  # fmt: skip
    done = subprocess.run(
        [*torchrun, str(SCRIPT), str(folder)], env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def weights(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)


def test_both_processes_end_with_the_weights_that_one_makes_of_both_parts(both):
    first, second = (weights(both[0] / f"learnt{rank}.pt") for rank in (0, 1))
    alone, untrained = OURS["learn"](ALONE, (0, 1)), OURS["TranscriberNetwork"]
    torch.manual_seed(1)
    before = untrained(OURS["TINY"]).state_dict()
    for name, value in alone.items():
        assert torch.equal(first[name], second[name]), name
        assert torch.allclose(first[name], value, rtol=0, atol=1e-5), name
    assert max(float((alone[name] - before[name]).abs().max()) for name in alone) > 5e-4  # they did learn


def test_the_train_command_ends_with_equal_weights_and_one_run_on_disk(both):
    folder, said = both
    first, second = (weights(folder / f"trained{rank}.pt") for rank in (0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert int(first["steps"]) == 4
    assert {path.name for path in (folder / "run").iterdir()} == {
        "renders", "transcriber.safetensors", "resume.safetensors", "curve.jsonl", "curve.png"
    }  # fmt: skip
    assert len((folder / "run" / "curve.jsonl").read_text().splitlines()) == 1
    assert said.count("wrote ") == 1


def test_one_process_is_first_of_one_and_agrees_with_itself(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    with joined() as processes:
        assert (processes.rank, processes.size, processes.first) == (0, 1, True)
        assert processes.agree(2.5) == 2.5


def test_what_the_first_process_cannot_do_it_says():
    done = []
    ALONE.once(lambda: done.append(1))
    assert done == [1]

    def fail() -> None:
        raise FileNotFoundError("there is no font")

    with pytest.raises(FileNotFoundError, match="there is no font"):
        ALONE.once(fail)
