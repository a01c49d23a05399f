"""The published networks are the paper's to the parameter; each correction changes what its name says; graphs say the same."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from models.translator.published.config import ONE, SMALL, THREE, TWO, PublishedConfig
from models.translator.published.corrections import Corrections
from models.translator.published.export import export
from models.translator.published.network import Gaussian, PublishedNetwork, load_network, save_network
from models.translator.published.objective import CROSS, divergence, log_normal, log_symbols, terms_of
from models.translator.published.training import Learning
from models.translator.published.vocabulary import Group, Vocabulary, chord_vocabulary, notes_vocabulary

ALL, NONE = Corrections.all(), Corrections.as_released()


def unbuilt(config: PublishedConfig, sources: int) -> PublishedNetwork:
    """A network without memory for its weights."""
    with torch.device("meta"):
        return PublishedNetwork(config, notes_vocabulary(sources), ALL)


@pytest.mark.parametrize(
    ("config", "sources", "signal", "symbol"),
    [
        (ONE, 1, 10_676_884, 1_412_893),
        (TWO, 2, 56_690_884, 1_459_322),
        (THREE, 3, 56_690_884, 4_923_151),
        (SMALL, 1, 1_210_228, 173_661),
    ],
)
def test_the_sizes_have_the_papers_parameters(config, sources, signal, symbol):
    assert unbuilt(config, sources).parameter_counts == (signal, symbol)


def test_as_released_is_every_mistake_that_runs():
    for name in (field.name for field in fields(Corrections)):
        assert getattr(ALL, name)
        assert getattr(NONE, name) == (name in Corrections.CRASHES)
        assert not getattr(Corrections.as_released(crashes=True), name)
    assert Corrections(**NONE.to_json()) == NONE


def test_a_step_of_the_published_size_lowers_the_loss_of_its_batch():
    torch.manual_seed(0)
    network = PublishedNetwork(ONE, notes_vocabulary(), ALL)
    learning = Learning(network)
    spectra, symbols = torch.randn(16, 410).mul(0.2), torch.zeros(16, 29)
    symbols[:, [3, 12, 25]] = 1.0
    first = learning.learn(spectra, symbols, 0.0, 0.0)
    assert np.isfinite(first)
    assert min(learning.learn(spectra, symbols, 0.0, 0.0) for _ in range(3)) < first
    assert all(torch.isfinite(parameter).all() for parameter in network.parameters())


def test_categories_add_up_to_one_and_binary_classes_do_not_know_each_other(network_of):
    vocabulary = Vocabulary((*notes_vocabulary().groups, *chord_vocabulary(60, 64).groups))
    said = network_of(vocabulary=vocabulary).probabilities(torch.randn(4, 8)).detach()
    for group, span in zip(vocabulary.groups, vocabulary.spans, strict=True):
        total = said[:, span].sum(1)
        assert group.several or torch.allclose(total, torch.ones(4))
    assert ((said[:, -5:] > 0) & (said[:, -5:] < 1)).all()


def test_log_normal_and_divergence_are_what_torch_says(network_of):
    torch.manual_seed(1)
    one, other = (Gaussian(torch.randn(5, 8), torch.rand(5, 8) + 0.1) for _ in range(2))
    normals = [torch.distributions.Normal(g.mean, g.variance.sqrt()) for g in (one, other)]
    prior = torch.distributions.Normal(torch.zeros(5, 8), 1.0)
    values = torch.randn(5, 8)
    close = {"rtol": 1e-4, "atol": 1e-4}
    torch.testing.assert_close(log_normal(values, one), normals[0].log_prob(values).sum(1), **close)
    torch.testing.assert_close(divergence(one, other), torch.distributions.kl_divergence(*normals).sum(1), **close)
    torch.testing.assert_close(divergence(one), torch.distributions.kl_divergence(normals[0], prior).sum(1), **close)


def test_a_symbols_likelihood_is_a_logarithm_and_as_released_a_probability():
    vocabulary = Vocabulary((Group("mode", ("a", "b")), Group("tags", ("x", "y"), several=True)))
    logits = torch.tensor([[2.0, 0.0, 1.0, -1.0]])
    symbols = torch.tensor([[1.0, 0.0, 1.0, 0.0]])
    put_right = log_symbols(symbols, logits, vocabulary, ALL)[0]
    released = log_symbols(symbols, logits, vocabulary, NONE)[0]
    probability = torch.tensor([2.0, 0.0]).softmax(0)[0]
    assert put_right[0].item() == pytest.approx(probability.log().item(), abs=1e-6)
    assert released[0].item() == pytest.approx(probability.item(), abs=1e-6)
    assert put_right[1].item() == pytest.approx(2 * torch.tensor(1.0).sigmoid().log().item(), abs=1e-6)
    unknown = log_symbols(torch.tensor([[float("nan"), float("nan"), 1.0, 0.0]]), logits, vocabulary, ALL)[0]
    assert (unknown[0].item(), unknown[1].item()) == (0.0, pytest.approx(put_right[1].item()))


def test_samples_spread_by_the_deviation_and_as_released_by_the_variance():
    torch.manual_seed(0)
    given = Gaussian(torch.zeros(20000, 1), torch.full((20000, 1), 0.04))
    assert given.sample(ALL).std().item() == pytest.approx(0.2, rel=0.03)
    assert given.sample(NONE).std().item() == pytest.approx(0.04, rel=0.03)


def test_a_variance_has_a_floor_and_as_released_none(network_of):
    for corrections, least in ((ALL, 1e-3), (NONE, 0.0)):
        network = network_of(corrections)
        torch.nn.init.constant_(network.signal_encoder.spread.bias, -60.0)
        variance = network.signal_encoder(torch.randn(3, 410)).variance
        assert variance.max().item() == pytest.approx(least, abs=1e-7)


def test_incomplete_pairs_teach_what_they_can(network_of):
    network = network_of().train()
    spectra, symbols = torch.randn(6, 410), torch.zeros(6, 29)
    symbols[:, [3, 12, 25]] = 1.0
    without_symbols, without_spectra = torch.full_like(symbols, torch.nan), torch.full_like(spectra, torch.nan)
    only_signal = terms_of(network, spectra, without_symbols)
    assert (only_signal.symbol.item(), only_signal.cross.item()) == (0, 0)
    only_signal.total(1.0).backward()
    assert network.symbol_encoder.mean.weight.grad is None
    assert network.signal_decoder.mean.weight.grad.abs().sum() > 0
    network.zero_grad()
    only_symbols = terms_of(network, without_spectra, symbols)
    only_symbols.total(1.0).backward()
    assert network.signal_decoder.mean.weight.grad is None
    assert network.symbol_encoder.mean.weight.grad.abs().sum() > 0
    half = symbols.clone()
    half[:3] = torch.nan
    half[3:, 23:] = torch.nan  # dynamics alone unknown
    mixed = terms_of(network, spectra, half)
    assert mixed.cross.item() > 0
    assert all(torch.isfinite(getattr(mixed, name)) for name in ("signal", "symbol", "cross"))


def test_the_loss_weighs_the_encoders_disagreement_ten_times_and_warms_up(network_of):
    network = network_of()
    spectra, symbols = torch.randn(8, 410), torch.eye(29)[:8]
    terms = terms_of(network, spectra, symbols)
    plain = (terms.signal + terms.symbol).item()
    assert terms.total(0.0).item() == pytest.approx(plain, rel=1e-5)
    rest = (terms.signal_divergence + terms.symbol_divergence + CROSS * terms.cross).item()
    assert terms.total(1.0).item() == pytest.approx(plain + rest, rel=1e-5)
    assert CROSS == 10


def test_the_rate_is_the_papers_and_falls_and_as_released_neither(network_of):
    spectra, symbols = torch.randn(8, 410), torch.eye(29)[:8]
    rates = {}
    for name, corrections in (("all", ALL), ("none", NONE)):
        learning = Learning(network_of(corrections))
        for progress in (0.0, 0.5, 1.0):
            learning.learn(spectra, symbols, progress, 0.0)
            rates[name, progress] = learning.optimizers[0].param_groups[0]["lr"]
    assert rates["all", 0.0] == pytest.approx(1e-3)
    assert rates["all", 0.5] == pytest.approx(0.505e-3)
    assert rates["all", 1.0] == pytest.approx(1e-5)
    assert {rates["none", progress] for progress in (0.0, 0.5, 1.0)} == {1e-5}


def test_as_released_the_second_of_two_backward_passes_is_refused(network_of):
    learning = Learning(network_of(replace(ALL, joint_once=False)))
    assert len(learning.optimizers) == 2
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        learning.learn(torch.randn(8, 410), torch.eye(29)[:8], 0.0, 0.0)


def test_a_checkpoint_comes_back_with_sizes_symbols_and_corrections(network_of, tmp_path: Path):
    network = network_of(NONE, chord_vocabulary(40, 60))
    save_network(network, tmp_path / "deep" / "one.safetensors", {"seed": "3"})
    back, card = load_network(tmp_path / "deep" / "one.safetensors")
    assert (back.config, back.corrections, back.vocabulary) == (network.config, NONE, network.vocabulary)
    assert card["seed"] == "3"
    spectra = torch.rand(2, 410)
    assert torch.equal(back.listen(spectra), network.listen(spectra))


@pytest.mark.parametrize("size", ["tiny", "published"])
def test_the_graphs_say_what_the_network_says(network_of, tmp_path: Path, size):
    network = network_of(config=ONE) if size == "published" else network_of()
    listen, play = tmp_path / "listen.onnx", tmp_path / "play.onnx"
    export(network, listen, play)
    rng = np.random.default_rng(0)
    spectra = rng.normal(0, 0.2, (5, 410)).astype(np.float32)
    symbols = np.stack([network.vocabulary.row({"octave": str(k), "pitch": "C", "dynamics": "f"}) for k in range(5)])
    for path, given, name, said in (
        (listen, spectra, "spectra", network.listen(torch.from_numpy(spectra))),
        (play, symbols, "symbols", network.play(torch.from_numpy(symbols))),
    ):
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        np.testing.assert_allclose(session.run(None, {name: given})[0], said.detach().numpy(), atol=1e-4)
