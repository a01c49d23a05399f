"""What torchrun runs in each of two processes: a few steps on this process's part of a batch, then `backline train`.

`test_processes` calls `learn` also by itself, for both parts at once.
"""

import sys
from contextlib import nullcontext
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from models.sound.renders import Render, store_render
from models.transcriber import material, training
from models.transcriber.config import TranscriberConfig
from models.transcriber.network import TranscriberNetwork
from models.transcriber.processes import ALONE, Processes, joined
from models.transcriber.run import Run
from models.transcriber.targets import Score, stack_heads

TINY = TranscriberConfig(
    look_ahead=(0, 640), spectral_channels=4, harmonic_channels=8, channels=8, narrow_channels=4, memory_channels=4,
    head_channels=12, pedal_channels=4,
)  # fmt: skip
FRAMES, STEPS = 20, 4


def segment(seed: int) -> tuple[np.ndarray, Score]:
    """Return noise and the notes, pedal and bend that are said to be in it."""
    rng, length = np.random.default_rng(seed), FRAMES * TINY.frame
    onsets = rng.integers(0, length // 2, 4)
    notes = np.stack(
        [onsets, onsets + length // 3, rng.choice(np.arange(30, 90), 4, False), rng.integers(20, 120, 4)], 1
    )
    bend = np.array([(0, 0.0), (length, 1.0)])
    return rng.normal(0, 0.1, length).astype(np.float32), Score(notes, np.array([(0, length // 2)]), bend)


def learn(processes: Processes, parts: tuple[int, ...]) -> dict[str, torch.Tensor]:
    """Take some steps on these parts of each batch; return the weights."""
    torch.manual_seed(1)
    run = Run(TranscriberNetwork(TINY), Path(), 60.0, 0.02, processes, bfloat16=False)
    for step in range(STEPS):
        heard = [segment(10 * step + part) for part in parts]
        audio = torch.from_numpy(np.stack([samples for samples, _ in heard]))
        run.learn(audio, stack_heads([score for _, score in heard], FRAMES, TINY))
    return run.network.state_dict()


def train(folder: Path) -> Run:
    """Run the command for six seconds of a made clock, four steps and a validation; return its run."""
    from server.cli import main

    runs: list[Run] = []

    class Kept(Run):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments)
            runs.append(self)

    ticks = count()
    training.Run, training.TranscriberConfig = Kept, lambda: TINY
    training.time = SimpleNamespace(monotonic=lambda: float(next(ticks)))
    training.prepare_renders = lambda *_: None
    training.SEGMENT_FRAMES = material.SEGMENT_FRAMES = FRAMES
    training.calibrate_groups = lambda *_: ({}, {})
    output = folder / "run"
    assert main(["train", "transcriber", "--data", str(folder), "--output", str(output), "--minutes", str(4 / 60)]) == 0
    return runs[0]


def write_renders(folder: Path) -> None:
    """Write what `train` hears."""
    for side in material.folders_of(folder / "run", "piano"):
        side.mkdir(parents=True)
        audio = (3000 * np.random.default_rng(0).normal(0, 1, 32_000)).astype(np.int16)
        store_render(Render(audio, np.array([(4000, 9000, 60, 80)], np.int32)), side / "render_00000.npz")


if __name__ == "__main__":
    torch.set_num_threads(1)
    place = Path(sys.argv[1])
    with joined() as processes:
        assert processes != ALONE
        torch.save(learn(processes, (processes.rank,)), place / f"learnt{processes.rank}.pt")
        training.joined = lambda: nullcontext(processes)  # one torchrun's processes can join only once
        run = train(place)
        torch.save({**run.network.state_dict(), "steps": torch.tensor(run.step)}, place / f"trained{processes.rank}.pt")
