"""The network's two executions agree, and its outputs have the shapes, the number and the reach that they say."""

import pytest
import torch
from torch import Tensor

from models.transcriber.config import PITCHES, TranscriberConfig
from models.transcriber.network import OUTPUTS, SHIFT_REACH, TranscriberNetwork

CONFIG = TranscriberConfig()
HOPS, BATCH = 40, 2


@pytest.fixture(scope="module")
def network() -> TranscriberNetwork:
    """Random weights, with heads that speak up: as they are made, they say almost nothing."""
    torch.manual_seed(5)
    network = TranscriberNetwork(CONFIG).eval()
    with torch.no_grad():
        network.heads.weight *= 20
        network.heads.bias.zero_()
    return network


@pytest.fixture(scope="module")
def audio() -> Tensor:
    """(batch, samples) of noise that swells, so that every hop is another."""
    generator = torch.Generator().manual_seed(6)
    swell = torch.linspace(0, 0.5, HOPS * CONFIG.hop)
    return swell * torch.randn(BATCH, HOPS * CONFIG.hop, generator=generator)


@pytest.fixture(scope="module")
def whole(network: TranscriberNetwork, audio: Tensor) -> dict[str, Tensor]:
    with torch.no_grad():
        return network(audio)


@torch.no_grad()
def test_steps_give_what_the_whole_gives(network, audio, whole):
    state, steps = network.initial_state(BATCH), []
    for hop in range(HOPS):
        outputs, state = network.step(audio[:, hop * CONFIG.hop : (hop + 1) * CONFIG.hop], state)
        steps.append(outputs)
    for name in OUTPUTS:
        difference = (whole[name] - torch.stack([outputs[name] for outputs in steps], 1)).abs().max()
        assert whole[name].std() > 0.01, "the outputs hardly move: nothing is compared"
        assert difference < 1e-5, name  # measured 7e-7


def test_every_output_speaks_for_each_frame_head_and_pitch(whole):
    assert tuple(whole) == ("onset", "frame", "velocity", "shift")
    for name, value in whole.items():
        assert value.shape == (BATCH, HOPS, len(CONFIG.look_ahead_hops), PITCHES)
        lowest, highest = (-SHIFT_REACH, SHIFT_REACH) if name == "shift" else (0, 1)
        assert lowest <= value.min()
        assert value.max() <= highest


def test_there_are_six_heads_up_to_160_ms(network):
    assert CONFIG.look_ahead_ms == (0, 16, 32, 48, 80, 160)
    outputs, _ = network.step(torch.zeros(1, CONFIG.hop), network.initial_state(1))
    assert {tuple(value.shape) for value in outputs.values()} == {(1, 6, 88)}


@torch.no_grad()
def test_new_audio_never_changes_what_was_said(network, audio, whole):
    changed = audio.clone()
    changed[:, 20 * CONFIG.hop :] = 0
    for name, value in network(changed).items():
        assert torch.equal(value[:, :20], whole[name][:, :20])
        assert not torch.equal(value[:, 20:], whole[name][:, 20:])


@torch.no_grad()
def test_streams_of_a_batch_do_not_hear_each_other(network, audio, whole):
    alone = network(audio[1:])
    for name in OUTPUTS:
        assert (alone[name][0] - whole[name][1]).abs().max() < 1e-5  # measured 0


def test_a_first_state_is_silent_and_comes_back_in_its_shape(network, audio):
    state = network.initial_state(BATCH)
    assert not any(tensor.any() for tensor in state.values())
    _, new = network.step(audio[:, : CONFIG.hop], state)
    assert {name: tensor.shape for name, tensor in new.items()} == {name: t.shape for name, t in state.items()}


def test_the_network_has_134_thousand_parameters(network):
    assert network.parameter_count == 133_848


def test_a_config_survives_json():
    other = TranscriberConfig(hop=320, look_ahead_hops=(0, 4), channels=8)
    assert TranscriberConfig.from_json(other.to_json()) == other
