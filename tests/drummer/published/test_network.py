"""The published networks are the paper's to the parameter, see what it says they see, and learn, travel and export.

Networks are tiny but where their size is the question; those of the paper's size have no weights (torch's meta device).
"""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from models.drummer.published.config import PUBLISHED, SMALL, PublishedConfig
from models.drummer.published.corrections import Corrections
from models.drummer.published.export import export
from models.drummer.published.network import (
    REACH,
    Discriminator,
    Generator,
    LiveGenerator,
    UNet,
    load_network,
    save_network,
)
from models.drummer.published.objectives import OBJECTIVES, POOL, CycleGan, PixToPix, Pool, share_of_rate

ALL, NONE = Corrections.all(), Corrections.as_released()
# exact counts: the generator and discriminator of the named repository; theirs of Pix2Pix with one channel a picture
SIZES = [(PUBLISHED, 11_365_633, 2_762_689, 54_407_873, 2_764_609), (SMALL, 490_945, 174_577, 2_615_985, 175_057)]


def generator(config: PublishedConfig, corrections: Corrections = ALL, kind: type = Generator) -> Generator:
    torch.manual_seed(0)
    return kind(config, corrections).eval()


def linear(network: torch.nn.Module) -> torch.nn.Module:
    """A network without its instance norms, which hear the whole crop, and without rectifiers, with larger weights."""
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, 0.0, 0.5)
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, torch.nn.InstanceNorm2d | torch.nn.ReLU | torch.nn.LeakyReLU | torch.nn.Tanh):
                setattr(module, name, torch.nn.Identity())
    return network


def test_as_published_nothing_is_put_right():
    for name in (field.name for field in fields(Corrections)):
        assert getattr(ALL, name)
        assert not getattr(NONE, name)
    assert Corrections(**NONE.to_json()) == NONE


@pytest.mark.parametrize("corrections", [ALL, NONE])
@pytest.mark.parametrize("counts", SIZES, ids=["published", "small"])
def test_the_sizes_have_their_parameters(counts, corrections):
    config, *wanted = counts
    with torch.device("meta"):
        parts = [
            Generator(config, corrections),
            Discriminator(config),
            UNet(config, corrections),
            Discriminator(config, 2),
        ]
        drawn = [
            network(torch.zeros(1, inputs, config.bands, config.frames))
            for network, inputs in zip(parts, (1, 1, 1, 2), strict=True)
        ]
    assert [network.parameter_count for network in parts] == wanted
    patches = config.frames // 8 - 2
    assert [tuple(one.shape[2:]) for one in drawn] == [(config.bands, config.frames), (patches, patches)] * 2


def test_the_whole_of_the_paper_has_28_million_parameters():
    for config, total in ((PUBLISHED, 28_256_644), (SMALL, 1_331_044)):
        with torch.device("meta"):
            objective = CycleGan(config, NONE, seed=1)
        assert sum(parameter.numel() for parameter in objective.networks.parameters()) == total


@pytest.mark.parametrize("corrections", [ALL, NONE])
def test_the_published_size_takes_a_backward_pass_in_shapes(corrections):
    with torch.device("meta"):
        network, judge = Generator(PUBLISHED, corrections), Discriminator(PUBLISHED)
        judge(network(torch.zeros(1, 1, 256, 256))).square().mean().backward()
    assert all(parameter.grad.shape == parameter.shape for parameter in network.parameters())


@pytest.mark.parametrize("corrections", [ALL, NONE])
def test_the_generator_sees_84_frames_to_each_side(corrections):
    """Of all frames of 4, what shuts for some inputs aside."""
    network = linear(generator(replace(PUBLISHED, width=2, bands=16), corrections)).double()
    seen = []
    for frame in range(128, 132):
        given = torch.zeros(1, 1, 16, 260, dtype=torch.float64, requires_grad=True)
        network(given)[0, 0, :, frame].sum().backward()
        touched = given.grad[0, 0].abs().sum(0).nonzero().flatten()
        seen.append((frame - touched[0].item(), touched[-1].item() - frame))
    assert np.mean(seen) == pytest.approx(REACH, abs=1.5)
    assert np.ptp(seen) <= 6


def test_the_live_generator_hears_the_past_alone():
    network = generator(replace(SMALL, width=4, bands=16), kind=LiveGenerator).double()
    given = torch.rand(1, 1, 16, 320, dtype=torch.float64) * 2 - 1
    said = network(given)
    for frame in (250, 251, 253, 255):
        changed = given.clone()
        changed[..., frame] = -1
        touched = (network(changed) - said)[0, 0].abs().sum(0).nonzero().flatten()
        assert frame <= touched[0] < frame + 4, "nothing before it, and two levels are halved"
    early = given.clone()
    early[..., 40] = -1
    last = int((network(early) - said)[0, 0].abs().sum(0).nonzero()[-1])
    assert (last - 40) / SMALL.frame_rate == pytest.approx(4.3, abs=0.15)


def test_the_live_objective_asks_for_what_comes_later(tiny):
    """To hear a target 4 frames late and be asked for what comes 4 frames on is to be asked for 8."""
    source, target = torch.rand(2, 1, 1, 32, 32) * 2 - 1
    said = OBJECTIVES["live"](replace(tiny, ahead=8), ALL, seed=1).step(source, target)
    late = OBJECTIVES["live"](replace(tiny, ahead=4), ALL, seed=1).step(source[..., :-4], target[..., 4:])
    assert said == pytest.approx(late)


def test_a_discriminator_judges_patches_of_70():
    network = linear(Discriminator(replace(PUBLISHED, patch_width=2)))
    given = torch.zeros(1, 1, 256, 256, requires_grad=True)
    network(given)[0, 0, 15, 15].backward()
    touched = given.grad[0, 0].abs()
    assert [int((touched.sum(side) > 0).sum()) for side in (0, 1)] == [70, 70]


@pytest.mark.parametrize(("corrections", "even"), [(ALL, True), (NONE, False)])
def test_only_put_right_is_every_point_reached_equally_often(corrections, even):
    """What a constant picture becomes behind an enlarging convolution of constant weights: plain, or a chequerboard."""
    network = generator(replace(PUBLISHED, width=2, bands=32, frames=32), corrections)
    x = torch.ones(1, 8, 8, 8)
    for layer in network.up:
        if isinstance(layer, torch.nn.InstanceNorm2d):
            break
        if isinstance(layer, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            torch.nn.init.constant_(layer.weight, 1.0)
        x = layer(x)
    inner = x[0, 0, 2:-2, 2:-2].detach()
    assert inner.shape == (12, 12)
    assert (float(inner.max() - inner.min()) < 1e-4) == even


def test_pix2pix_wants_square_pictures():
    with pytest.raises(ValueError, match="a crop is 64 x 32; allowed for Pix2Pix: squares of 32, 64, 128"):
        UNet(replace(SMALL, bands=64, frames=32), ALL)


def test_a_network_draws_the_same_beside_anything(tiny):
    given = torch.rand(3, 1, 32, 32) * 2 - 1
    for kind in (Generator, UNet):
        network = generator(tiny, kind=kind)
        torch.testing.assert_close(network(given)[1:2], network(given[1:2]), atol=1e-5, rtol=0)


def test_a_pool_shows_new_pictures_until_it_is_full_and_old_ones_half_the_time():
    pool = Pool(POOL, seed=1)
    first = torch.arange(POOL, dtype=torch.float32).reshape(-1, 1, 1, 1)
    assert torch.equal(pool.swap(first), first)
    shown = torch.cat([pool.swap(torch.full((1, 1, 1, 1), float(POOL + n))) for n in range(1000)]).flatten()
    new = (shown == POOL + torch.arange(1000)).float().mean().item()
    assert new == pytest.approx(0.5, abs=0.06)
    assert len(pool.kept) == POOL
    seen = shown[shown != POOL + torch.arange(1000)]
    assert len(set(seen.tolist())) == len(seen), "a picture is given away once"


def test_the_rate_stays_for_100_epochs_and_falls_for_100():
    assert [share_of_rate(epoch) for epoch in (0, 31, 99)] == [1, 1, 1]
    assert share_of_rate(100) == pytest.approx(100 / 101)
    assert share_of_rate(199) == pytest.approx(1 / 101)


def test_a_step_of_cyclegan_is_its_papers_losses(tiny):
    """Told once more in plain terms, from the weights before the step."""
    objective = CycleGan(tiny, NONE, seed=3)
    source, target = (torch.rand(1, 1, 32, 32) * 2 - 1 for _ in range(2))
    parts = dict(objective.networks.items())
    with torch.no_grad():
        drawn, returned = parts["draws"](source), parts["returns"](target)
        truth = ((parts["judges_target"](drawn) - 1) ** 2).mean() + ((parts["judges_source"](returned) - 1) ** 2).mean()
        cycle = (parts["returns"](drawn) - source).abs().mean() + (parts["draws"](returned) - target).abs().mean()
        identity = (parts["draws"](target) - target).abs().mean() + (parts["returns"](source) - source).abs().mean()
        judges = sum(
            0.5 * ((judge(real) - 1) ** 2).mean() + 0.5 * (judge(fake) ** 2).mean()
            for judge, real, fake in (
                (parts["judges_target"], target, drawn),
                (parts["judges_source"], source, returned),
            )
        )
    said = objective.step(source, target)
    wanted = {"truth": truth, "cycle": cycle, "identity": identity, "judges": judges}
    assert said == pytest.approx({name: float(value) for name, value in wanted.items()}, rel=1e-4)
    for optimizer in objective.optimizers.values():
        assert (optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["betas"]) == (2e-4, (0.5, 0.999))


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_on_one_pair_the_losses_fall(kind, tiny):
    objective = OBJECTIVES[kind](tiny, ALL, seed=1, rate=4e-3)
    source = torch.sin(torch.arange(32) / 3).expand(1, 1, 32, 32)
    target = source.mT
    rows = [objective.step(source, target) for _ in range(30)]
    name = "cycle" if kind == "cyclegan" else "likeness"
    assert rows[-1][name] < 0.9 * rows[0][name]
    assert all(np.isfinite(list(row.values())).all() for row in rows)


def test_pix2pix_shows_its_judge_what_was_given(tiny):
    objective = PixToPix(tiny, ALL, seed=1)
    assert objective.networks["judges"].layers[0].in_channels == 2
    assert objective.paired
    assert not CycleGan.paired


@pytest.mark.parametrize("kind", [Generator, UNet, LiveGenerator])
def test_a_checkpoint_comes_back_with_its_sizes_and_corrections(kind, tiny, tmp_path: Path):
    network = generator(tiny, NONE, kind)
    save_network(network, tmp_path / "deep" / "one.safetensors", {"task": "bass2drums"})
    back, card = load_network(tmp_path / "deep" / "one.safetensors")
    assert (type(back), back.config, back.corrections, card["task"]) == (kind, tiny, NONE, "bass2drums")
    given = torch.rand(1, 1, 32, 32)
    assert torch.equal(back(given), network(given))
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["one.safetensors"]


@pytest.mark.parametrize(("kind", "corrections"), [(Generator, ALL), (UNet, NONE), (LiveGenerator, ALL)])
def test_the_graph_says_what_the_network_says(kind, corrections, tiny, tmp_path: Path):
    network, path = generator(tiny, corrections, kind), tmp_path / "published.onnx"
    export(network, path)
    given = np.random.default_rng(0).uniform(-1, 1, (1, 1, 32, 32)).astype(np.float32)
    said = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"source": given})[0]
    with torch.no_grad():
        np.testing.assert_allclose(said, network(torch.from_numpy(given)).numpy(), atol=1e-4)
