"""The ear: streamed equals whole, every key is heard alike, and it learns."""

import numpy as np
import pytest
import torch

from models.arranger.config import BANDS, CHORD, HEARD, PITCHES, ROOTS
from models.arranger.ear_network import EarConfig, EarNetwork, load_ear
from models.arranger.ear_training import losses_of
from models.layers.checkpoint import write_tensors

SMALL = EarConfig(bands=4, channels=6, context=8, reduced=2, pulse=5, colours=3, chords=8)


@pytest.fixture
def network() -> EarNetwork:
    torch.manual_seed(0)
    return EarNetwork(SMALL).eval()


def spectra(frames: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).uniform(-90, 0, (2, frames, BANDS)).astype(np.float32))


@torch.no_grad()
def test_it_says_of_a_stream_what_it_says_of_the_whole(network):
    whole = network(spectra(70))
    state = network.initial_state(2)
    for frame in range(70):
        said, state = network.step(spectra(70)[:, frame], state)
        for name, value in said.items():
            torch.testing.assert_close(value, whole[name][:, frame], atol=1e-5, rtol=0)  # measured 4e-7


@torch.no_grad()
def test_outputs_have_their_shapes_and_bounds(network):
    said = network(spectra(5))
    assert {name: tuple(value.shape[2:]) for name, value in said.items()} == {
        "beat": (2,), "chord": (CHORD,), "heard": (len(HEARD), PITCHES), "loudness": (1,),
    }  # fmt: skip
    torch.testing.assert_close(said["chord"][..., :ROOTS].sum(-1), torch.ones(2, 5))
    assert all(((value >= 0) & (value <= 1)).all() for value in said.values())


@torch.no_grad()
def test_chords_turn_with_the_key(network):
    """A chord head that reads twelve rotations by the same weights moves its answer with what it hears."""
    colours = torch.rand(1, 1, 12 * 2 * SMALL.colours)
    moved = colours.unflatten(-1, (12, -1)).roll(3, 2).flatten(2)
    hidden, context = torch.zeros(1, SMALL.channels, 1, PITCHES), torch.zeros(1, 1, 2 * SMALL.context)
    first, second = (network._read(hidden, context, one, torch.zeros(1, 1, BANDS))["chord"] for one in (colours, moved))
    torch.testing.assert_close(first[..., :12].roll(3, -1), second[..., :12])
    torch.testing.assert_close(first[..., ROOTS : ROOTS + 12].roll(3, -1), second[..., ROOTS : ROOTS + 12])


def test_it_learns_what_it_is_shown():
    torch.manual_seed(1)
    network = EarNetwork(SMALL)
    crops = {
        "spectrum": spectra(80),
        "beat": torch.zeros(2, 80, 2),
        "chord": torch.zeros(2, 80, CHORD),
        "heard": torch.zeros(2, 80, len(HEARD), PITCHES),
    }
    crops["chord"][..., ROOTS - 1] = crops["chord"][..., CHORD - 1] = 1
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    first = sum(losses_of(network, crops).values()).item()
    for _ in range(40):
        optimizer.zero_grad()
        loss = sum(losses_of(network, crops).values())
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.5 * first


def test_a_checkpoint_is_the_same_network(network, tmp_path):
    write_tensors(tmp_path / "ear.safetensors", dict(network.state_dict()), {"config": SMALL.to_json()})
    again = load_ear(tmp_path / "ear.safetensors")
    assert again.config == SMALL
    with torch.no_grad():
        torch.testing.assert_close(again(spectra(9))["heard"], network(spectra(9))["heard"])
