"""A device that fails in the middle of a stream: ONNX Runtime's own session, wrapped so that it raises when it is told to."""

import numpy as np
import pytest

from benchmarks.device_step import DeviceStep
from models.manifest import GraphSpec
from models.model_file import read_manifest
from models.registry import bundled_files
from models.step import Tensors
from server.fallback_step import KEPT_HOPS, FallbackStep
from server.onnx_step import OnnxStep, open_session

FILES = {name: bundled_files()[name] for name in ("probe", "transcriber")}
HOPS = 2 * KEPT_HOPS + 5


class Failing:
    """A session that works until its `left` calls are used up. dead: its memory cannot be read after that either."""

    def __init__(self, session, left: int) -> None:
        self._session, self.left = session, left
        self.io_binding = session.io_binding

    def run_with_iobinding(self, binding) -> None:
        """Run, or raise what ONNX Runtime raises."""
        self.left -= 1
        if self.left < 0:
            raise RuntimeError("CUDA failure 719: unspecified launch failure\nand more")
        self._session.run_with_iobinding(binding)


class Row:
    """A device's tensor that cannot be read once the device is lost."""

    def __init__(self, value, session: Failing) -> None:
        self._value, self._session = value, session

    def numpy(self) -> np.ndarray:
        """Return a copy."""
        if self._session.left < 0:
            raise RuntimeError("the device is lost")
        return self._value.numpy()


class LostDevice(DeviceStep):
    """A DeviceStep whose state goes with the device."""

    def __call__(self, inputs: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        """See Step."""
        outputs, new = super().__call__(inputs, getattr(state, "values_there", state))
        return outputs, Handed({name: Row(value, self._session) for name, value in new.items()}, new)  # type: ignore[return-value]


class Handed(dict):  # type: ignore[type-arg]
    """A state that comes back, and what the device calls it."""

    def __init__(self, rows: dict[str, Row], values_there: Tensors) -> None:
        super().__init__(rows)
        self.values_there = values_there


def steps(name: str, fails_at: int) -> tuple[FallbackStep, OnnxStep, GraphSpec]:
    """Return a step that loses its device at that hop, one that never had any, and their graph."""
    graph, session = read_manifest(FILES[name]).graphs[0], open_session(FILES[name])
    device = LostDevice(Failing(session, fails_at), graph, 1, "cpu")
    return FallbackStep(device, OnnxStep(session, graph), graph), OnnxStep(session, graph), graph


def hop(graph: GraphSpec, number: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(number)
    return {t.name: generator.uniform(0, 0.3, (1, *t.shape)).astype(np.float32) for t in graph.inputs}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("fails_at", [0, 1, KEPT_HOPS - 1, KEPT_HOPS, KEPT_HOPS + 1, 2 * KEPT_HOPS + 3])
def test_a_stream_whose_device_is_lost_goes_on_as_if_it_had_never_had_one(name: str, fails_at: int):
    falling, plain, graph = steps(name, fails_at)
    state, expected_state = falling.initial_state(), plain.initial_state()
    for number in range(HOPS):
        outputs, state = falling(hop(graph, number), state)
        expected, expected_state = plain(hop(graph, number), expected_state)
        assert all(np.array_equal(outputs[key], expected[key]) for key in expected), f"hop {number}"
        assert bool(falling.problem) == (number >= fails_at)
    assert falling.problem == "CUDA failure 719: unspecified launch failure"


def test_a_stream_that_begins_anew_begins_anew_on_either():
    for fails_at in (3, 6):
        falling, plain, graph = steps("probe", fails_at)
        state = falling.initial_state()
        for number in range(5):
            _, state = falling(hop(graph, number), state)
        state, expected_state = falling.initial_state(), plain.initial_state()
        for number in range(10, 14):
            outputs, state = falling(hop(graph, number), state)
            expected, expected_state = plain(hop(graph, number), expected_state)
            assert np.array_equal(outputs["heard"], expected["heard"])


def test_what_the_caller_does_wrong_is_the_callers_error():
    falling, _, _ = steps("probe", 100)
    with pytest.raises(KeyError):
        falling({}, falling.initial_state())
