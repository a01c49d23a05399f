"""Streams that share calls: each is as if it were alone, whoever comes and goes beside it."""

import numpy as np
import pytest

from models.manifest import GraphSpec
from models.model_file import read_manifest
from models.registry import bundled_files
from models.step import Tensors
from server.batched_step import SIZES, SlotStep, StepGroup, cover
from server.errors import BacklineError
from server.fallback_step import in_memory
from server.onnx_step import OnnxStep, open_session
from server.row_plan import measure_costs
from server.step_pool import StepPool
from server.together import Together

FILES = bundled_files()
GRAPHS = {
    f"{name} {graph.name}": (FILES[name], graph)
    for name in ("probe", "transcriber", "performer", "translator")
    for graph in read_manifest(FILES[name]).graphs
}
SHARING = (1.0, 1.1, 1.2, 1.3, 1.4)  # costs that have all streams called at once
TOLERANCE = 2e-5
"""Of outputs of 0 to 1 and of the performer's magnitudes: ONNX Runtime takes other kernels for other batches. Measured: 2e-6."""


def group_of(
    name: str, size: int, costs: tuple[float, ...] = SHARING, provider: str = "cpu", captured: bool = False
) -> StepGroup:
    path, graph = GRAPHS[name]
    sizes = SIZES[: SIZES.index(size) + 1]
    sessions = [open_session(path, provider, each, file=graph.file) for each in sizes]
    return StepGroup(sessions, graph, costs[: len(sizes)], provider, captured)


def alone(name: str) -> OnnxStep:
    path, graph = GRAPHS[name]
    return OnnxStep(open_session(path, file=graph.file), graph)


def hop(graph: GraphSpec, stream: int, number: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng([stream, number])
    return {t.name: generator.uniform(0, 0.3, (1, *t.shape)).astype(np.float32) for t in graph.inputs}


class Player:
    """A stream in a group and the same one alone, which are held against each other at every hop."""

    def __init__(self, name: str, group: StepGroup, together: Together, number: int) -> None:
        self.graph, self.number, self.hops, self.worst = group.graph, number, 0, 0.0
        self.step, self.plain = SlotStep(group, group.take(), together.wait), alone(name)
        self.begin()

    def begin(self) -> None:
        """Begin anew."""
        self.state, self.plain_state = self.step.initial_state(), self.plain.initial_state()

    def play(self) -> None:
        """Run one hop of both."""
        inputs = hop(self.graph, self.number, self.hops)
        self.hops += 1
        outputs, self.state = self.step(inputs, self.state)
        expected, self.plain_state = self.plain(inputs, self.plain_state)
        self._compare(outputs, expected)

    def compare_state(self) -> None:
        """Hold the states against each other."""
        self._compare(in_memory(self.state), self.plain_state)

    def leave(self) -> None:
        """Give the row back."""
        self.step.group.give_back(self.step.row)

    def _compare(self, found: Tensors, expected: Tensors) -> None:
        for key, values in expected.items():
            scale = max(1.0, float(np.abs(values).max()))
            self.worst = max(self.worst, float(np.abs(found[key] - values).max()) / scale)


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize(("provider", "captured"), [("cpu", False), ("cuda", False), ("cuda", True)])
@pytest.mark.parametrize("name", GRAPHS)
def test_streams_that_come_and_go_and_miss_ticks_are_the_streams_alone(name: str, provider: str, captured: bool):
    group = group_of(name, 4, SHARING, provider, captured)
    together, generator = Together(), np.random.default_rng(3)
    players = [Player(name, group, together, number) for number in range(3)]
    heard = list(players)
    for tick in range(24):
        if tick == 6:
            players.pop(1).leave()
        if tick in (9, 14):
            players.append(Player(name, group, together, 10 + tick))
            heard.append(players[-1])
        if tick == 18:
            players[0].begin()
        playing = [player for player in players if generator.random() < 0.7]
        together.run([player.play for player in playing])
    for player in players:
        player.compare_state()
    assert max(player.worst for player in heard) <= TOLERANCE
    assert min(player.hops for player in heard) >= 3


def test_sixteen_streams_take_one_call_and_one_stream_takes_the_smallest():
    counts: list[int] = []

    class Counted:
        def __init__(self, session, size: int) -> None:
            self._session, self._size, self.io_binding = session, size, session.io_binding

        def run_with_iobinding(self, binding) -> None:
            counts.append(self._size)
            self._session.run_with_iobinding(binding)

    path, graph = GRAPHS["probe step"]
    group = StepGroup([Counted(open_session(path, "cpu", size), size) for size in SIZES], graph, SHARING)  # type: ignore[misc]
    together = Together()
    players = [Player("probe step", group, together, number) for number in range(16)]
    together.run([player.play for player in players])
    together.run([player.play for player in players[2:4]])
    together.run([players[5].play])
    players[7].play()  # outside of a tick, as when a stream opens
    assert counts == [16, 2, 1, 1]
    assert max(player.worst for player in players) == 0.0


def test_a_state_that_was_handed_out_is_the_streams_wherever_its_neighbours_take_it():
    group, together = group_of("transcriber step", 4), Together()
    players = [Player("transcriber step", group, together, number) for number in range(4)]
    for active in ((0, 1, 2, 3), (0, 1, 2), (1, 2, 3), (0, 3), (1, 2, 3)):
        together.run([players[number].play for number in active])
        for player in players:
            player.compare_state()
    assert max(player.worst for player in players) <= TOLERANCE


def test_a_stream_may_run_several_hops_in_a_tick_in_which_others_run_one():
    group, together = group_of("probe step", 4), Together()
    players = [Player("probe step", group, together, number) for number in range(3)]

    def thrice() -> None:
        for _ in range(3):
            players[0].play()

    together.run([thrice, players[1].play, players[2].play])
    assert [player.hops for player in players] == [3, 1, 1]
    assert max(player.worst for player in players) == 0.0


def test_a_full_group_takes_nobody_and_a_row_that_was_given_back_begins_in_silence():
    group, together = group_of("probe step", 2), Together()
    players = [Player("probe step", group, together, number) for number in range(2)]
    with pytest.raises(BacklineError, match="2 streams share this step, which is the most"):
        group.take()
    together.run([player.play for player in players])
    players[0].leave()
    newcomer = Player("probe step", group, together, 9)
    together.run([newcomer.play, players[1].play])
    assert newcomer.worst == players[1].worst == 0.0


def test_what_a_shared_call_raises_reaches_everybody_who_waited_for_it():
    group, together, caught = group_of("probe step", 2), Together(), []
    players = [Player("probe step", group, together, number) for number in range(2)]
    group.run = lambda rows: (_ for _ in ()).throw(RuntimeError("lost"))  # type: ignore[method-assign]

    def play(player: Player) -> None:
        try:
            player.play()
        except RuntimeError as error:
            caught.append(str(error))

    together.run([lambda one=player: play(one) for player in players])
    assert caught == ["lost", "lost"]


@pytest.mark.parametrize(
    ("active", "costs", "ranges"),
    [
        (0b0000, (1, 1, 1), ()),
        (0b0001, (1, 2, 4), ((0, 1),)),
        (0b1000, (1, 2, 4), ((3, 1),)),
        (0b1111, (1, 1.5, 2.5), ((0, 4),)),
        (0b1111, (1, 1.5, 3.5), ((0, 2), (2, 2))),
        (0b1111, (1, 3, 9), ((0, 1), (1, 1), (2, 1), (3, 1))),  # sharing does not pay
        (0b1001, (1, 1.5, 2.5), ((0, 1), (3, 1))),
        (0b1011, (1, 1.5, 2.5), ((0, 4),)),
    ],
)
def test_the_cheapest_ranges_are_called(active: int, costs: tuple[float, ...], ranges: tuple[tuple[int, int], ...]):
    assert cover(active, 4, costs)[1] == ranges


def test_every_cover_holds_every_active_row_once():
    for active in range(1 << 8):
        rows = [row for first, count in cover(active, 8, (1, 1.4, 2.5, 3.9))[1] for row in range(first, first + count)]
        assert len(rows) == len(set(rows))
        assert {row for row in range(8) if active >> row & 1} <= set(rows)


def test_a_pool_makes_a_new_group_where_one_is_full_and_takes_rows_back():
    path, graph = GRAPHS["probe step"]
    pool = StepPool("cpu", 2)
    streams = [pool.stream() for _ in range(5)]
    steps = [stream.make((path, graph.file, ()), graph, 2667.0) for stream in streams]
    assert len({id(step.group) for step in steps if isinstance(step, SlotStep)}) == 3
    assert pool.provider() == "cpu"
    first = steps[0].group  # type: ignore[attr-defined]
    streams[0].close()
    newcomer = pool.stream().make((path, graph.file, ()), graph, 2667.0)
    assert isinstance(newcomer, SlotStep)
    assert newcomer.group is first


@pytest.mark.parametrize("batch", [0, 3, 32])
def test_a_batch_of_another_size_is_refused(batch: int):
    with pytest.raises(BacklineError, match=f"batch is {batch}; allowed: 1, 2, 4, 8, 16 streams a call"):
        StepPool("cpu", batch)


def test_costs_are_measured_for_every_size():
    path, graph = GRAPHS["probe step"]
    costs = measure_costs([open_session(path, "cpu", size) for size in SIZES[:3]], graph)
    assert len(costs) == 3
    assert min(costs) > 0
