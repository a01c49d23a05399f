"""The published network is the paper's to the parameter, and each correction changes what its name says.

Networks are tiny but where their size is the question; those of the paper's size have no weights (torch's meta device).
"""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from models.performer.published.config import EXTRA_SMALL, PUBLISHED, SMALL, PublishedConfig
from models.performer.published.corrections import Corrections
from models.performer.published.data import log_power, rolls
from models.performer.published.export import export
from models.performer.published.network import MultiBandBlock, PublishedNetwork, load_network, save_network
from models.performer.published.synthesis import HALO, RELEASED_BINS, magnitudes, predict, render

ALL, NONE = Corrections.all(), Corrections.as_released()
TINY = PublishedConfig(
    sample_rate=4000, n_fft=128, hop=32, frames=96, encoder=(16, 16, 16, 16, 16), on_off=(8, 8, 8),
    decoder=(16, 16, 16, 16),
)  # fmt: skip


def network_of(config: PublishedConfig = TINY, corrections: Corrections = ALL, seed: int = 0) -> PublishedNetwork:
    torch.manual_seed(seed)
    return PublishedNetwork(config, corrections).eval()


def unbuilt(config: PublishedConfig, corrections: Corrections = ALL) -> PublishedNetwork:
    """A network without memory for its weights."""
    with torch.device("meta"):
        return PublishedNetwork(config, corrections)


def unnormed(network: PublishedNetwork) -> PublishedNetwork:
    """A network whose instance norms, which hear the whole chunk, are gone."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, torch.nn.InstanceNorm1d):
                setattr(module, name, torch.nn.Identity())
    return network


def test_as_released_is_every_mistake_that_runs():
    for name in (field.name for field in fields(Corrections)):
        assert getattr(ALL, name)
        assert getattr(NONE, name) == (name in Corrections.CRASHES)
        assert not getattr(Corrections.as_released(crashes=True), name)
    assert Corrections(**NONE.to_json()) == NONE


@pytest.mark.parametrize("corrections", [ALL, NONE, Corrections.as_released(crashes=True)])
def test_the_published_size_has_the_papers_parameters(corrections):
    network = unbuilt(PUBLISHED, corrections)
    assert network.parameter_count == 249_804_801
    parts = [sum(p.numel() for p in part.parameters()) for part in (network.encoder, network.on_off, network.decoder)]
    assert parts == [100_580_864, 6_196_736, 133_970_944]
    blocks = [sum(p.numel() for p in block.parameters()) for block in network.texture]
    assert blocks == [3_147_776, 1_574_912, 788_480, 395_264]


@pytest.mark.parametrize(("config", "count"), [(SMALL, 14_245_953), (EXTRA_SMALL, 4_989_697)])
def test_the_sizes_that_a_processor_can_train(config, count):
    network = unbuilt(config)
    assert network.parameter_count == count
    roll = torch.zeros(1, 128, config.frames, device="meta")
    assert network(roll, roll).shape == (1, 513, 432)


@pytest.mark.parametrize(
    ("corrections", "lengths"), [(ALL, [800, 860, 864, 1000, 1024]), (NONE, [812, 860, 876, 1004, 1036])]
)
def test_only_as_released_does_the_length_change(corrections, lengths):
    network = unbuilt(PUBLISHED, corrections)
    rolls_of = [torch.zeros(1, 128, frames, device="meta") for frames in (800, 860, 864, 1000, 1024)]
    assert [network(roll, roll).shape[-1] for roll in rolls_of] == lengths


def test_the_published_size_takes_a_training_step_in_shapes():
    network = unbuilt(PUBLISHED)
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    roll = torch.zeros(1, 128, PUBLISHED.frames, device="meta")
    network(roll, roll).square().mean().backward()
    optimizer.step()
    assert all(parameter.grad.shape == parameter.shape for parameter in network.parameters())


@pytest.mark.parametrize("config", [TINY, replace(TINY, on_off=()), replace(TINY, multi_bands=())])
def test_ablations_leave_out_what_they_name_and_run(config):
    network, roll = network_of(config), torch.rand(2, 128, 50)
    whole = network(roll, roll)
    assert whole.shape == (2, TINY.bins, 50)
    assert torch.equal(network(roll, -roll), whole) == (not config.on_off)
    assert len(network.texture) == len(config.multi_bands)


def test_a_block_adds_its_input_once_and_as_released_twice():
    x = torch.rand(1, 16, 20)
    torch.manual_seed(1)
    once = MultiBandBlock(16, 4, ALL)
    twice = MultiBandBlock(16, 4, NONE)
    twice.load_state_dict(once.state_dict())
    torch.testing.assert_close(twice(x) - once(x), x)
    with pytest.raises(TypeError, match="item assignment"):
        MultiBandBlock(16, 4, Corrections.as_released(crashes=True))(x)
    with pytest.raises(ValueError, match="16 channels do not split into 3 bands"):
        MultiBandBlock(16, 3, ALL)


def test_the_bands_of_a_block_do_not_hear_each_other():
    block = MultiBandBlock(16, 4, ALL)
    x = torch.rand(1, 16, 20)
    changed = x.clone()
    changed[:, 4:8] += torch.rand(1, 4, 20)
    moved = (block(x) != block(changed)).any(-1)[0]
    assert moved.nonzero().flatten().tolist() == [4, 5, 6, 7]


def test_it_sees_143_frames_back_and_131_ahead():
    """Of the worst frame of 16, instance norms aside: the halo of a window is as wide."""
    network, frames = unnormed(network_of()), 480
    seen = []
    for frame in range(240, 256):
        roll = torch.full((1, 128, frames), 0.5, requires_grad=True)
        network(roll, roll)[0, :, frame].sum().backward()
        touched = roll.grad[0].abs().sum(0).nonzero().flatten()
        seen.append((frame - touched[0].item(), touched[-1].item() - frame))
    back, ahead = (max(side) for side in zip(*seen, strict=True))
    assert back <= HALO
    assert ahead <= HALO
    assert back > 100


def test_windows_with_a_halo_say_what_the_whole_score_says_where_no_norm_hears_it_all():
    config = replace(TINY, frames=480)
    network = unnormed(network_of(config))
    notes = np.array([(0.1 * k, 0.1 * k + 0.25, 40 + k % 40, 80) for k in range(90)])
    whole = replace(ALL, windowed=False)
    windowed = predict(network, notes, 9.0)
    network.corrections = whole
    inside = slice(HALO, -HALO)  # at its ends, the whole score's convolutions see zeros where a window's see silence
    np.testing.assert_allclose(windowed[:, inside], predict(network, notes, 9.0)[:, inside], atol=1e-4)


def test_rolls_sample_the_score_at_each_frame():
    sounding, changes = rolls(np.array([(0.2, 0.5, 60, 90), (0.5, 0.8, 60, 90), (0.31, 0.33, 64, 90)]), 12, 10.0, ALL)
    assert sounding[60].nonzero()[0].tolist() == [2, 3, 4, 5, 6, 7]
    assert changes[60].tolist() == [0, 0, 1, 0, 0, 1, 0, 0, -1, 0, 0, 0]
    assert changes[64].tolist() == [0, 0, 0, 0, 1, -1, 0, 0, 0, 0, 0, 0]  # between two frames: heard for one


def test_as_released_a_repeated_note_has_no_onset_and_a_short_one_is_lost():
    sounding, changes = rolls(np.array([(0.2, 0.5, 60, 90), (0.5, 0.8, 60, 90), (0.31, 0.33, 64, 90)]), 12, 10.0, NONE)
    assert changes[60].tolist() == [0, 0, 1, 0, 0, 0, 0, 0, -1, 0, 0, 0]
    assert not sounding[64].any()
    assert not changes[64].any()


def test_magnitudes_are_those_the_logarithm_was_taken_of():
    wave = np.sin(2 * np.pi * 440 * np.arange(22050) / 22050).astype(np.float32)
    said = log_power(wave, EXTRA_SMALL)
    assert said.shape == (513, 1 + 22050 // 256)
    true = np.abs(torch.stft(torch.from_numpy(wave), 1024, 256, window=torch.hann_window(1024), pad_mode="constant",
                             return_complex=True).numpy())  # fmt: skip
    np.testing.assert_allclose(magnitudes(said, ALL), true, atol=0.01)  # of a peak of 256
    released = magnitudes(said, NONE)
    assert np.array_equal(released[:RELEASED_BINS], said[:RELEASED_BINS])
    assert not released[RELEASED_BINS:].any()
    assert magnitudes(np.full((513, 2), -0.1), ALL).max() == 0


class Oracle(PublishedNetwork):
    """Says the spectrum of a sine at each note's pitch, wherever the pianoroll sounds."""

    def forward(self, pianoroll: torch.Tensor, on_off: torch.Tensor) -> torch.Tensor:
        said = torch.zeros(len(pianoroll), self.config.bins, pianoroll.shape[-1])
        for pitch in range(30, 90):
            place = 440 * 2 ** ((pitch - 69) / 12) / self.config.sample_rate * self.config.n_fft
            near = torch.arange(self.config.bins) - place
            said += torch.log1p((100 * torch.exp(-(near**2))) ** 2)[None, :, None] * pianoroll[:, pitch : pitch + 1]
        return said


@pytest.fixture
def oracle() -> PublishedNetwork:
    torch.manual_seed(0)
    return Oracle(replace(TINY, sample_rate=22050, n_fft=1024, hop=256), ALL)


def test_a_rendering_is_as_long_as_asked_and_sounds_where_the_score_does(oracle):
    notes = np.array([(0.5, 1.5, 69, 90), (2.0, 3.0, 76, 90)])
    audio = render(oracle, notes, 3.7, iterations=5)
    assert audio.shape == (round(3.7 * 22050),)
    assert audio.dtype == np.float32
    assert np.abs(audio).max() <= 1
    for start, frequency in ((0.7, 440.0), (2.2, 659.3)):
        part = audio[round(start * 22050) :][:8192]
        loudest = np.abs(np.fft.rfft(part * np.hanning(8192))).argmax() * 22050 / 8192
        assert loudest == pytest.approx(frequency, abs=11)  # half of a bin, in which the oracle's peaks lie
    level = np.array([np.sqrt(np.mean(part**2)) for part in np.array_split(audio, 37)])  # tenths of a second
    assert level[[1, 2, 17, 34, 35]].max() < 0.05 * level[[8, 12, 22, 28]].min()
    assert len(render(oracle, notes, iterations=1)) == 4 * 22050


def test_as_released_a_long_score_drifts(oracle):
    notes = np.array([(60.0, 60.5, 69, 90)])
    begins = {}
    for exact in (True, False):
        oracle.corrections = replace(ALL, true_frame_rate=exact)
        begins[exact] = int(predict(oracle, notes, 62.0).any(0).argmax())
    assert begins == {True: 5168, False: 5160}  # 86.13 and 86 frames a second


def test_an_empty_score_is_silence_and_as_released_no_score_can_be_played(oracle):
    assert not render(oracle, np.zeros((0, 4)), 1.0, iterations=2).any()
    oracle.corrections = Corrections.as_released(crashes=True)
    with pytest.raises(ValueError, match="own_scores"):
        render(oracle, np.zeros((0, 4)), 1.0)


def test_a_checkpoint_comes_back_with_its_sizes_and_corrections(tmp_path: Path):
    network = network_of(replace(TINY, on_off=()), NONE)
    save_network(network, tmp_path / "deep" / "one.safetensors", {"seed": "3"})
    back, card = load_network(tmp_path / "deep" / "one.safetensors")
    assert (back.config, back.corrections, card["seed"]) == (network.config, NONE, "3")
    roll = torch.rand(1, 128, 40)
    assert torch.equal(back(roll, roll), network(roll, roll))
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["one.safetensors"]


def test_the_graph_says_what_the_network_says(tmp_path: Path):
    network, path = network_of(), tmp_path / "published.onnx"
    export(network, path)
    rng = np.random.default_rng(0)
    given = {"pianoroll": (rng.random((1, 128, TINY.frames)) < 0.02).astype(np.float32)}
    given["on_off"] = rng.choice([-1, 0, 1], (1, 128, TINY.frames), p=[0.01, 0.98, 0.01]).astype(np.float32)
    said = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, given)[0]
    with torch.no_grad():
        expected = network(*(torch.from_numpy(value) for value in given.values())).numpy()
    np.testing.assert_allclose(said, expected, atol=1e-4)
