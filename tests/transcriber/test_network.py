"""The network's two executions agree, and its outputs have the shapes, the number and the reach that they say."""

import pytest
import torch
from torch import Tensor

from models.transcriber.config import PITCHES, TranscriberConfig
from models.transcriber.network import BEND_REACH, OUTPUTS, SHIFT_REACH, TranscriberNetwork
from models.transcriber.tuning import tuning_taps

CONFIG = TranscriberConfig()
HOPS, BATCH = 41, 2  # an odd number: the phases' sequences are of two lengths
TUNING = torch.from_numpy(tuning_taps(0.0, CONFIG.bins_per_semitone)).expand(BATCH, -1)
HEADS = len(CONFIG.look_ahead)


def speaking(seed: int) -> TranscriberNetwork:
    """Random weights, with heads that speak up: as they are made, they say almost nothing."""
    torch.manual_seed(seed)
    network = TranscriberNetwork(CONFIG).eval()
    with torch.no_grad():
        network.heads.weight.normal_(0, 1.5)
        network.heads.bias.zero_()
        network.pedal_heads.weight *= 20
    return network


@pytest.fixture(scope="module")
def network() -> TranscriberNetwork:
    return speaking(5)


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
def test_steps_give_what_the_whole_gives_in_both_phases(network, audio, whole):
    state, steps = network.initial_state(BATCH), []
    for hop in audio.split(CONFIG.hop, 1):
        outputs, state = network.step(hop, TUNING, state)
        steps.append(outputs)
    for name in (*OUTPUTS, "pedal"):
        difference = (whole[name] - torch.stack([outputs[name] for outputs in steps], 1)).abs().max()
        assert whole[name].std() > 0.01, "the outputs hardly move: nothing is compared"
        assert difference < 1e-5, name  # measured 1.1e-6


@torch.no_grad()
def test_training_hears_the_second_phase(network, audio, whole):
    logits = network.logits(audio)
    for name in ("onset", "frame", "velocity", "offset", "pedal"):
        assert (torch.sigmoid(logits[name]) - whole[name][:, 1::2]).abs().max() < 1e-5


def test_every_output_speaks_for_each_hop_head_and_pitch_and_the_pedal_for_all_keys(whole):
    assert tuple(whole) == ("onset", "frame", "velocity", "shift", "offset", "bend", "pedal")
    reach = {"shift": (-SHIFT_REACH, SHIFT_REACH), "bend": (-BEND_REACH, BEND_REACH)}
    for name, value in whole.items():
        assert value.shape == ((BATCH, HOPS, HEADS) if name == "pedal" else (BATCH, HOPS, HEADS, PITCHES))
        lowest, highest = reach.get(name, (0, 1))
        assert lowest <= value.min()
        assert value.max() <= highest


def test_there_are_six_heads_up_to_160_ms(network):
    assert CONFIG.look_ahead_ms == (0, 10, 20, 40, 80, 160)
    assert CONFIG.frame == 256
    outputs, _ = network.step(torch.zeros(1, CONFIG.hop), TUNING[:1], network.initial_state(1))
    assert {name: tuple(value.shape) for name, value in outputs.items()} == dict.fromkeys(OUTPUTS, (1, 6, 88)) | {
        "pedal": (1, 6)
    }


@torch.no_grad()
def test_new_audio_never_changes_what_was_said(network, audio, whole):
    changed = audio.clone()
    changed[:, 21 * CONFIG.hop :] = 0
    for name, value in network(changed).items():
        assert torch.equal(value[:, :21], whole[name][:, :21])
        assert not torch.equal(value[:, 21:], whole[name][:, 21:])


@torch.no_grad()
def test_streams_of_a_batch_do_not_hear_each_other(network, audio, whole):
    alone = network(audio[1:])
    for name, value in alone.items():
        assert (value[0] - whole[name][1]).abs().max() < 1e-5  # measured 0


def test_a_first_state_is_silent_and_comes_back_in_its_shape(network, audio):
    state = network.initial_state(BATCH)
    assert not any(tensor.any() for tensor in state.values())
    _, new = network.step(audio[:, : CONFIG.hop], TUNING, state)
    assert {name: tensor.shape for name, tensor in new.items()} == {name: t.shape for name, t in state.items()}


def test_a_network_as_it_is_made_expects_few_onsets_and_no_bend(audio):
    torch.manual_seed(7)
    outputs = TranscriberNetwork(CONFIG).eval()(audio)
    for name, most in (("onset", 0.05), ("offset", 0.05), ("frame", 0.25)):
        assert outputs[name].max() < most
    assert not outputs["bend"].any()


def test_the_network_has_145_thousand_parameters(network):
    assert network.parameter_count == 145_322


def test_a_config_survives_json():
    other = TranscriberConfig(hop=320, phases=1, look_ahead=(0, 4), channels=8)
    assert TranscriberConfig.from_json(other.to_json()) == other
