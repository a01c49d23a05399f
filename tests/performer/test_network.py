"""The performer network: the same by hops and whole, silent without notes, and as loud as its partials say."""

import numpy as np
import pytest
import torch

from models.performer.config import CONTROLS, PerformerConfig
from models.performer.measures import recorded_power
from models.performer.network import PerformerNetwork
from models.performer.score import describe

CONFIG = PerformerConfig()


@pytest.fixture(scope="module")
def network() -> PerformerNetwork:
    """Random weights in every tensor, also where training begins at zero."""
    torch.manual_seed(3)
    network = PerformerNetwork(CONFIG).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.05)
    return network


def scene(frames: int, notes: list[list[float]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    features, pitches, _ = describe(np.array(notes).reshape(-1, 4), frames, CONFIG, CONFIG.look_ahead[-1])
    controls = np.zeros((frames, len(CONTROLS)), np.float32)
    controls[:, [CONTROLS.index("room"), CONTROLS.index("violin")]] = 1
    return tuple(torch.from_numpy(a)[None] for a in (features, pitches, controls))


NOTES = [[1000.0, 9000.0, 60, 80], [8000.0, 20000.0, 64, 90], [20000.0, 30000.0, 64, 30], [20000.0, 26000.0, 71, 100]]


def test_hop_by_hop_equals_the_whole(network):
    features, pitches, controls = scene(160, NOTES)
    with torch.no_grad():
        whole = network.power(features, pitches, controls)
        state, frames = network.initial_state(1), []
        for k in range(160):
            outputs, state = network.step(features[:, k], pitches[:, k], controls[:, k], state)
            frames.append(outputs["magnitude"] ** 2)
    assert whole.max() > 1e-6
    torch.testing.assert_close(torch.stack(frames, 1), whole, rtol=1e-3, atol=1e-9)


def test_no_note_is_silence(network):
    with torch.no_grad():
        assert not network.power(*scene(30, [])).any()


def test_what_was_played_does_not_depend_on_what_comes_beyond_the_look_ahead(network):
    features, pitches, controls = scene(60, NOTES)
    features[:, 50:], pitches[:, 50:] = 0, 0
    with torch.no_grad():
        cut, whole = network.power(features, pitches, controls), network.power(*scene(60, NOTES))
    assert torch.equal(cut[:, :50], whole[:, :50])
    assert not torch.equal(cut[:, 50:], whole[:, 50:])


def test_a_partial_puts_the_power_of_its_sinusoid_where_the_transform_finds_it(network):
    amplitude, pitch = 0.25, 69.3
    hertz = 440 * 2 ** ((pitch - 69) / 12)
    time = torch.arange(CONFIG.n_fft, dtype=torch.float64) / CONFIG.sample_rate
    heard = recorded_power(amplitude * torch.sin(2 * torch.pi * hertz * time).float()[None], CONFIG)[0, 0]
    partials = torch.zeros(1, 1, CONFIG.partials)
    partials[..., 0] = amplitude
    places, lobes = network._lobes(torch.tensor([[pitch]]), partials)
    said = torch.zeros(CONFIG.bins).scatter_add(0, places.flatten(), lobes.flatten())
    peak = heard.max()
    assert said[heard.argmax()] == pytest.approx(float(peak), rel=0.01)
    assert float((said - heard).abs().max() / peak) < 0.01


@pytest.mark.parametrize("missing", [{"on_off": False}, {"multi_bands": ()}])
def test_it_can_be_built_without_what_the_paper_argues_for(missing):
    network = PerformerNetwork(PerformerConfig(**missing)).eval()
    features, pitches, controls = scene(20, NOTES)
    with torch.no_grad():
        whole = network.power(features, pitches, controls)
        outputs, _ = network.step(features[:, 0], pitches[:, 0], controls[:, 0], network.initial_state(1))
    assert torch.isfinite(whole).all()
    assert outputs["magnitude"].shape == (1, CONFIG.bins)
