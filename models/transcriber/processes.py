"""One training run in several processes, a GPU or a core each, as torchrun starts them; one alone is a run of size 1.

Here they find each other, their devices, and a clock they agree on. `run` averages their gradients. Called by `training`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed

PATIENCE = timedelta(days=1)  # with the first process, while it renders, validates and calibrates


@dataclass(frozen=True, slots=True)
class Processes:
    """Who this process is among how many, and where it computes."""

    rank: int = 0
    size: int = 1
    device: str = "cpu"

    @property
    def first(self) -> bool:
        """Whether it is this one that renders, validates, writes and reports."""
        return self.rank == 0

    def once(self, work: Callable[[], None]) -> None:
        """Have the first do it while the others wait; where it cannot, it says why, and the others end quietly."""
        failure: Exception | None = None
        if self.first:
            try:
                work()
            except (ValueError, OSError) as error:
                failure = error
        if self.agree(float(failure is not None)):
            raise failure or SystemExit(2)

    def agree(self, value: float) -> float:
        """Return the first process's value in all of them."""
        if self.size == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64)
        distributed.broadcast(shared, 0)
        return float(shared.item())


ALONE = Processes()


@contextmanager
def joined() -> Iterator[Processes]:
    """Join the processes that torchrun started, if it did; leave them at the end.

    A process computes on a GPU where its machine has one for each of its processes, else on the CPU.
    """
    size, rank = (int(os.environ.get(name, default)) for name, default in (("WORLD_SIZE", "1"), ("RANK", "0")))
    here, of_machine = int(os.environ.get("LOCAL_RANK", "0")), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    on_gpu = torch.cuda.device_count() >= of_machine
    processes = Processes(rank, size, f"cuda:{here}" if on_gpu else "cpu")
    if on_gpu:
        torch.cuda.set_device(here)
    if size == 1:
        yield processes
        return
    distributed.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo", timeout=PATIENCE)
    try:
        yield processes
    finally:
        distributed.destroy_process_group()
