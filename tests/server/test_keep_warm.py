"""A device that nobody plays on is called now and then: when that is, on a clock given by hand, and that it changes nothing."""

import numpy as np
import pytest

from models.manifest import GraphSpec
from models.model_file import read_manifest
from models.registry import bundled_files
from server.batched_step import SIZES, SlotStep, StepGroup
from server.fallback_step import in_memory
from server.keep_warm import AFTER_NS, AHEAD_NS, RESTS_MS, Heard, KeepWarm, measure_rest, start_keeping
from server.onnx_step import open_session
from server.step_pool import StepPool

MS = 1_000_000
FILES = {name: bundled_files()[name] for name in ("probe", "transcriber", "translator")}
TOGETHER, APART = (1.0, 1.1, 1.2), (1.0, 10.0, 100.0)  # costs by which four rows are called at once, and one by one


class Time:
    """A clock that goes on when it is told to. Its device takes `warm` to answer, and `cold` after a rest longer than `cools`."""

    def __init__(self, warm: int = MS // 5, cold: int = 8 * MS, cools: int = 1000 * MS) -> None:
        self.now = self._called = 0
        self._warm, self._cold, self._cools = warm, cold, cools

    def clock(self) -> int:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += round(1e9 * seconds)

    def call(self) -> None:
        self.now += self._warm if self.now - self._called <= self._cools else self._cold
        self._called = self.now


def calls_at(rest_ms: int, streams: list[Heard], until_ms: int) -> list[int]:
    """Return the ms at which calls are made, asked every ms."""
    time, made = Time(warm=0), []
    warmth = KeepWarm(time.call, rest_ms, time.clock)
    for now in range(1, until_ms + 1):
        time.now = now * MS
        if warmth.run(streams):
            made.append(now)
    assert warmth.calls == len(made)
    return made


def test_a_device_that_rests_is_called_every_so_often():
    assert calls_at(20, [Heard(0, 0)], 100) == [20, 40, 60, 80, 100]


def test_without_a_stream_nothing_is_called():
    assert calls_at(20, [], 100) == []


def test_who_plays_keeps_the_device_warm():
    time = Time()
    warmth = KeepWarm(time.call, 20, time.clock)
    for now in range(1, 400):
        time.now = now * MS
        assert not warmth.run([Heard(now // 8 * 8 * MS, 8 * MS)])


def test_no_call_is_made_around_the_moment_at_which_a_block_is_due():
    made = calls_at(10, [Heard(0, 42 * MS), Heard(2 * MS, 100 * MS)], 130)
    assert made == [12, 22, 32, 44, 54, 64, 74, 84, 94, 104, 114, 124]
    assert not [at for at in made for due in (42, 102) if -AHEAD_NS <= (at - due) * MS <= AFTER_NS]


def test_a_client_that_stopped_is_waited_for_no_longer():
    assert calls_at(20, [Heard(0, 8 * MS)], 60) == [20, 40, 60]


def test_a_device_that_raises_is_left_alone():
    def lost() -> None:
        raise RuntimeError("lost")

    time = Time()
    warmth = KeepWarm(lost, 20, time.clock)
    for now in (20, 40):
        time.now = now * MS
        assert not warmth.run([Heard(0, 0)])
    assert warmth.ended
    assert start_keeping(lost) is None


@pytest.mark.parametrize(("cools_ms", "rest_ms"), [(1000, 40), (30, 20), (15, 10), (1, 40)])
def test_a_device_may_rest_as_long_as_that_costs_nothing(cools_ms: int, rest_ms: int):
    time = Time(cools=cools_ms * MS)
    assert measure_rest(time.call, time.clock, time.sleep) == rest_ms
    assert rest_ms in RESTS_MS


def hop(graph: GraphSpec, stream: int, number: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng([stream, number])
    return {t.name: generator.uniform(0, 0.3, (1, *t.shape)).astype(np.float32) for t in graph.inputs}


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize("costs", [TOGETHER, APART])
@pytest.mark.parametrize(("provider", "captured"), [("cpu", False), ("cuda", False), ("cuda", True)])
@pytest.mark.parametrize("name", FILES)
def test_a_call_that_keeps_warm_changes_no_stream_by_a_bit(
    name: str, provider: str, captured: bool, costs: tuple[float, ...]
):
    graph = read_manifest(FILES[name]).graphs[0]
    sessions = [open_session(FILES[name], provider, size, file=graph.file) for size in SIZES[:3]]
    groups = [StepGroup(sessions, graph, costs, provider, captured) for _ in "ab"]
    steps = [[SlotStep(group, group.take(), lambda g, row: g.run([row])) for _ in range(3)] for group in groups]
    states = [[step.initial_state() for step in some] for some in steps]
    generator = np.random.default_rng(5)
    for number in range(12):
        for stream in np.flatnonzero(generator.random(3) < 0.6):  # so that rows come to be on different sides
            found = []
            for some, state in zip(steps, states, strict=True):
                outputs, state[stream] = some[stream](hop(graph, stream, number), state[stream])
                found.append(outputs)
            assert all(np.array_equal(found[0][key], found[1][key]) for key in found[0])
        before = [in_memory(step.group.state_rows(step.row)) for step in steps[0]]
        groups[0].keep_warm()
        for step, kept in zip(steps[0], before, strict=True):
            now = in_memory(step.group.state_rows(step.row))
            assert all(np.array_equal(now[key], kept[key]) for key in kept)


@pytest.mark.parametrize("batch", [1, 2])
def test_an_engines_groups_take_turns_and_one_of_the_cpu_is_never_called(device, batch: int):
    graph = read_manifest(FILES["probe"]).graphs[0]
    for provider in ("cuda", "cpu"):
        pool = StepPool(provider, batch)
        streams = [pool.stream() for _ in range(3)]
        for stream in streams:
            stream.make((FILES["probe"], graph.file, ()), graph, 2667.0)
        groups = pool.on_device()
        assert len(groups) == (0 if provider == "cpu" else 3 if batch == 1 else 2)
        before = device.calls
        for _ in groups:
            pool.keep_warm()
        assert device.calls >= before + len(groups)
        pool.keep_warm()
        for stream in streams:
            stream.close()
        assert pool.on_device() == []
