"""What every streaming layer keeps: steps equal the whole, nothing hears the future, a state has its shape.

A layer of several phases is stepped over as many sequences in turn, and forward hears each of them alone.
"""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.layers.convolution import CausalConvolution, DelayTaps
from models.layers.mixing import IntervalMixing
from models.layers.recurrence import PitchwiseRecurrence

BATCH, FRAMES, PITCHES, CHANNELS = 3, 17, 13, 5
LAYERS = {
    "convolution": lambda: CausalConvolution(CHANNELS, 7, 3),
    "convolution of one frame": lambda: CausalConvolution(CHANNELS, 7, 1),
    "delays": lambda: DelayTaps(CHANNELS, (0, 1, 4)),
    "delays without now": lambda: DelayTaps(CHANNELS, (2,)),
    "recurrence": lambda: PitchwiseRecurrence(CHANNELS, 7),
    "convolution in two phases": lambda: CausalConvolution(CHANNELS, 7, 3, 2),
    "delays in two phases": lambda: DelayTaps(CHANNELS, (0, 1, 4), 2),
    "recurrence in three phases": lambda: PitchwiseRecurrence(CHANNELS, 7, 3),
}
STATES = {
    "convolution": (BATCH, PITCHES, 2, CHANNELS),
    "convolution of one frame": (BATCH, PITCHES, 0, CHANNELS),
    "delays": (BATCH, PITCHES, 4, CHANNELS),
    "delays without now": (BATCH, PITCHES, 2, CHANNELS),
    "recurrence": (BATCH, 1, PITCHES, 7),
    "convolution in two phases": (BATCH, PITCHES, 4, CHANNELS),
    "delays in two phases": (BATCH, PITCHES, 8, CHANNELS),
    "recurrence in three phases": (BATCH, 3, PITCHES, 7),
}


@pytest.fixture(params=LAYERS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def layer(name: str) -> nn.Module:
    torch.manual_seed(1)
    return LAYERS[name]().eval()


@pytest.fixture
def values() -> Tensor:
    """(batch, frames, pitches, channels) of noise."""
    return torch.randn(BATCH, FRAMES, PITCHES, CHANNELS, generator=torch.Generator().manual_seed(2))


@torch.no_grad()
def whole(layer: nn.Module, values: Tensor) -> Tensor:
    """Hear each phase's hops alone and put what was said back in turn."""
    outputs = torch.zeros(*values.shape[:3], layer(values[:, :1]).shape[-1])
    for phase in range(layer.phases):
        outputs[:, phase :: layer.phases] = layer(values[:, phase :: layer.phases])
    return outputs


@torch.no_grad()
def stepped(layer: nn.Module, values: Tensor) -> Tensor:
    state, outputs = layer.initial_state(BATCH, PITCHES), []
    for frame in range(values.shape[1]):
        output, state = layer.step(values[:, frame].flatten(0, 1), state)
        outputs.append(output.unflatten(0, (BATCH, PITCHES)))
    return torch.stack(outputs, 1)


@torch.no_grad()
def test_steps_give_what_the_whole_gives(layer, values):
    difference = (stepped(layer, values) - whole(layer, values)).abs().max()
    assert difference < 1e-6  # measured: convolution 2.4e-7, recurrence 8.9e-8, delays 0


@torch.no_grad()
def test_new_input_never_changes_old_output(layer, values):
    other = values.clone()
    other[:, 9:] = 7.0
    before, after = stepped(layer, values), stepped(layer, other)
    assert torch.equal(before[:, :9], after[:, :9])
    assert not torch.equal(before[:, 9:], after[:, 9:])


def test_a_first_state_is_silence_of_the_declared_shape(name, layer):
    state = layer.initial_state(BATCH, PITCHES)
    assert tuple(state.shape) == STATES[name]
    assert not state.any()


@torch.no_grad()
def test_a_step_leaves_the_state_it_was_given_alone(layer, values):
    state = torch.randn(layer.initial_state(BATCH, PITCHES).shape)
    kept = state.clone()
    _, new = layer.step(values[:, 0].flatten(0, 1), state)
    assert torch.equal(state, kept)
    assert new.shape == state.shape


@torch.no_grad()
def test_pitches_and_streams_do_not_hear_each_other(layer, values):
    together, alone = layer(values), layer(values[1:2, :, 4:5])
    assert (together[1:2, :, 4:5] - alone).abs().max() < 1e-6  # measured 1.2e-7


@torch.no_grad()
def test_a_phase_does_not_hear_the_other(values):
    layer, other = PitchwiseRecurrence(CHANNELS, 7, 2), values.clone()
    other[:, 1::2] = 7.0
    before, after = stepped(layer, values), stepped(layer, other)
    assert torch.equal(before[:, 0::2], after[:, 0::2])
    assert not torch.equal(before[:, 1::2], after[:, 1::2])


@torch.no_grad()
def test_a_convolution_is_the_sum_of_its_last_frames(values):
    layer = CausalConvolution(CHANNELS, 7, 3)
    weight = layer.linear.weight.numpy().reshape(7, 3, CHANNELS)  # the newest frame last
    sounds = values.numpy()
    expected = sum(sounds[0, 10 - delay, 4] @ weight[:, 2 - delay].T for delay in range(3)) + layer.linear.bias.numpy()
    assert np.allclose(layer(values)[0, 10, 4].numpy(), expected, atol=1e-6)  # measured 6e-8


def test_delays_say_again_what_was_said_then(values):
    taps = DelayTaps(CHANNELS, (0, 1, 4))(values).reshape(BATCH, FRAMES, PITCHES, 3, CHANNELS)
    for place, delay in enumerate((0, 1, 4)):
        assert torch.equal(taps[:, delay:, :, place], values[:, : FRAMES - delay])
        assert not taps[:, :delay, :, place].any(), "silence before the first frame"


@torch.no_grad()
def test_mixing_is_a_pitchs_own_word_and_its_neighbours_heard_narrowly(values):
    intervals = (-12, -1, 2, 7)
    layer = IntervalMixing(CHANNELS, 2, 6, intervals)
    narrow = torch.relu(layer.narrow(values)).numpy()
    heard = layer.heard.weight.numpy().reshape(6, len(intervals), 2)
    expected = layer.own(values).numpy()
    for pitch in range(PITCHES):
        for place, interval in enumerate(intervals):
            if 0 <= pitch + interval < PITCHES:  # beyond the keyboard there is silence
                expected[:, :, pitch] += narrow[:, :, pitch + interval] @ heard[:, place].T
    assert np.allclose(layer(values).numpy(), expected, atol=1e-6)  # measured 2.4e-7


@torch.no_grad()
def test_mixing_hears_one_frame_and_stream_as_it_hears_many(values):
    layer = IntervalMixing(CHANNELS, 2, 6, (-12, 3))
    assert (layer(values)[2, 8] - layer(values[2, 8])).abs().max() < 1e-6  # measured 0


@torch.no_grad()
def test_a_step_of_mixing_is_its_forward(values):
    layer = IntervalMixing(CHANNELS, 2, 6, (-12, -1, 2, 7))
    step = layer.step(values[:, 3].flatten(0, 1), PITCHES)
    assert (step.unflatten(0, (BATCH, PITCHES)) - layer(values[:, 3])).abs().max() < 1e-6
