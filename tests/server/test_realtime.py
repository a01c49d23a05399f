"""What a process asks of the system: granted where it may, and everything goes on where it may not."""

import os
import struct
from pathlib import Path

import pytest

from server import realtime
from server.realtime import WakeLock, idle_microseconds, keep_to_core


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in the place of the kernel's."""
    file = tmp_path / "cpu_dma_latency"
    file.touch()
    monkeypatch.setattr(realtime, "IDLE_LIMIT", file)
    return file


def test_the_kernel_is_told_while_it_is_held_and_not_twice(limit: Path):
    lock, before = WakeLock(), descriptors()
    for _ in range(2):
        lock.hold(True)
        assert lock.held
    assert struct.unpack("i", limit.read_bytes()) == (idle_microseconds(),)
    assert descriptors() == before + 1
    for _ in range(2):
        lock.hold(False)
        assert not lock.held
    assert descriptors() == before


def test_where_it_is_not_allowed_everything_is_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(realtime, "IDLE_LIMIT", tmp_path / "missing")
    lock = WakeLock()
    lock.hold(True)
    assert not lock.held
    lock.hold(False)


@pytest.mark.parametrize(("driver", "microseconds"), [("haltpoll\n", 0), ("intel_idle\n", 10), (None, 10)])
def test_a_core_polls_only_where_its_sleep_is_the_hypervisors(tmp_path: Path, monkeypatch, driver, microseconds):
    file = tmp_path / "current_driver"
    if driver is not None:
        file.write_text(driver)
    monkeypatch.setattr(realtime, "_IDLE_DRIVER", file)
    assert idle_microseconds() == microseconds


def test_a_process_keeps_to_a_core_that_there_is():
    cores = os.sched_getaffinity(0)
    try:
        assert keep_to_core(max(cores))
        assert os.sched_getaffinity(0) == {max(cores)}
        assert not keep_to_core(1000)
        assert os.sched_getaffinity(0) == {max(cores)}
    finally:
        os.sched_setaffinity(0, cores)
