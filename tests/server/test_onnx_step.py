"""The ONNX graph as a Step: its buffers, its state, its refusals. The probe is the graph, since its answer is known."""

import numpy as np
import pytest

from models.model_file import read_manifest
from models.registry import bundled_files
from server.errors import BacklineError
from server.onnx_step import OnnxStep, open_session

PROBE = bundled_files()["probe"]
GRAPH = read_manifest(PROBE).graphs[0]
HOP, TAIL = GRAPH.inputs[0].shape[0], GRAPH.state[0].shape[0]


def new_step() -> OnnxStep:
    return OnnxStep(open_session(PROBE), GRAPH)


def hops(count: int, seed: int = 0) -> list[dict[str, np.ndarray]]:
    generator = np.random.default_rng(seed)
    return [
        {t.name: generator.standard_normal((1, *t.shape)).astype(np.float32) for t in GRAPH.inputs}
        for _ in range(count)
    ]


def test_the_state_is_carried_from_call_to_call():
    step, given = new_step(), hops(7)
    state, heard = step.initial_state(), []
    for inputs in given:
        outputs, state = step(inputs, state)
        heard.append(outputs["heard"].copy())
    audio = np.concatenate([inputs["audio"] for inputs in given], axis=1)
    delayed = np.concatenate([np.zeros((1, TAIL), np.float32), audio], axis=1)[:, : audio.shape[1]]
    assert np.array_equal(np.concatenate(heard, axis=1), delayed)


def test_what_one_call_returns_stays_whole_during_the_next():
    step, (first, second) = new_step(), hops(2)
    outputs, state = step(first, step.initial_state())
    arrays = [*outputs.values(), *state.values()]
    before = [array.copy() for array in arrays]
    step(second, state)
    assert all(np.array_equal(array, kept) for array, kept in zip(arrays, before, strict=True))


def test_an_older_state_can_be_taken_up_again():
    step, (first, second, other) = new_step(), hops(3)
    _, state = step(first, step.initial_state())
    saved = {name: array.copy() for name, array in state.items()}
    expected = step(second, state)[0]["heard"].copy()
    for _ in range(2):  # from either of the two sets of buffers
        step(other, saved)
        assert np.array_equal(step(second, saved)[0]["heard"], expected)


def test_a_fresh_state_starts_the_stream_again():
    step, given = new_step(), hops(3)
    first = step(given[0], step.initial_state())[0]["heard"].copy()
    _, state = step(given[1], step.initial_state())
    step(given[2], state)
    assert np.array_equal(step(given[0], step.initial_state())[0]["heard"], first)


def test_the_callers_arrays_are_not_changed():
    step, [inputs] = new_step(), hops(1)
    state = step.initial_state()
    arrays = [*inputs.values(), *state.values()]
    before = [array.copy() for array in arrays]
    step(inputs, state)
    assert all(np.array_equal(array, kept) for array, kept in zip(arrays, before, strict=True))


def test_the_batch_axis_may_be_left_out_of_one_stream():
    step, [inputs] = new_step(), hops(1)
    with_batch = step(inputs, step.initial_state())[0]["heard"].copy()
    without = step({name: array[0] for name, array in inputs.items()}, step.initial_state())[0]["heard"]
    assert np.array_equal(with_batch, without)


def test_two_steps_over_one_session_share_nothing():
    one, other, given = new_step(), new_step(), hops(4)
    _, state = one(given[0], one.initial_state())
    _, other_state = other(given[1], other.initial_state())
    expected = given[0]["audio"][:, HOP - TAIL :]
    assert np.array_equal(state["audio"], expected)
    assert not np.array_equal(other_state["audio"], expected)


def test_several_streams_in_one_call_are_the_streams_alone():
    batch = OnnxStep(open_session(PROBE, batch=4), GRAPH, batch=4)
    singles, state = [new_step() for _ in range(4)], batch.initial_state()
    states = [step.initial_state() for step in singles]
    for inputs in hops(3):
        many = {name: np.concatenate([array * (n + 1) for n in range(4)]) for name, array in inputs.items()}
        outputs, state = batch(many, state)
        for n, step in enumerate(singles):
            alone, states[n] = step({name: array * (n + 1) for name, array in inputs.items()}, states[n])
            assert np.array_equal(alone["heard"][0], outputs["heard"][n])


def test_a_session_of_the_same_file_is_opened_once():
    assert open_session(PROBE) is open_session(PROBE)


def test_a_file_that_is_no_graph_is_refused_with_its_name(tmp_path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(PROBE.read_bytes()[:500])
    with pytest.raises(BacklineError, match=r"ONNX Runtime cannot load .*broken\.onnx"):
        open_session(broken)


def test_a_session_has_one_provider_and_no_choice():
    with pytest.raises(BacklineError, match="provider is 'auto'; a session has one of: cpu, cuda"):
        open_session(PROBE, "auto")
