"""The published network, its baseline and the separation learn; what they hear and play is judged as the comparison does.

The clock is made: every look at it is a second later.
"""

import json
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch

from models.translator.notes import on_side
from models.translator.published.baseline import Baseline
from models.translator.published.config import PublishedConfig
from models.translator.published.corrections import Corrections
from models.translator.published.data import Material, split_materials
from models.translator.published.features import Statistics
from models.translator.published.listening import Symbol, listener_of, network_listener, spectra_of
from models.translator.published.network import load_network
from models.translator.published.separation import Separation
from models.translator.published.synthesis import render
from models.translator.published.training import CHECKPOINT, CURVE, train
from models.translator.published.validation import examples_of, figures_of, ratios_of, validation_loss
from models.translator.published.vocabulary import notes_vocabulary

ALL, NONE = Corrections.all(), Corrections.as_released()
SIZE = PublishedConfig(48, 32, latent=8)


@pytest.fixture(scope="module")
def materials(notes) -> tuple[Material, Material]:
    return split_materials(notes, ["flute"], ALL, 1)


def trained(
    materials: tuple[Material, Material], folder: Path, size: PublishedConfig, seconds: int, seed: int = 1
) -> Path:
    """Train so many steps, less the looks at the validation."""
    return train(*materials, folder, minutes=seconds / 60, seed=seed, size=size, clock=count().__next__)


def test_a_short_run_lowers_the_loss_and_keeps_the_best_weights(materials, tmp_path):
    path = trained(materials, tmp_path, SIZE, 120)
    curve = [json.loads(line) for line in (tmp_path / CURVE).read_text().splitlines()]
    assert curve[-1]["loss"] < curve[0]["loss"]
    network, card = load_network(path)
    assert (network.config, network.corrections, network.vocabulary) == (SIZE, ALL, notes_vocabulary())
    assert float(card["validation"]) == min(row["validation"] for row in curve)
    assert Statistics(**json.loads(card["statistics"])) == materials[0].statistics
    seen = validation_loss(network, *examples_of(materials[1]))
    assert seen == pytest.approx(float(card["validation"]), rel=1e-4)
    assert {file.name for file in tmp_path.iterdir()} == {CHECKPOINT, CURVE}


def test_the_same_seed_gives_the_same_weights_and_another_does_not(materials, tmp_path):
    one, two, three = (
        load_network(trained(materials, tmp_path / name, SIZE, 4, seed))[0].state_dict()
        for name, seed in (("one", 1), ("two", 1), ("three", 2))
    )
    assert all(torch.equal(value, two[name]) for name, value in one.items())
    assert not torch.equal(one["signal_encoder.mean.weight"], three["signal_encoder.mean.weight"])


def test_a_run_as_released_trains_too(notes, tmp_path):
    released = split_materials([n for n in notes if n.instrument == "flute"], ["flute"], NONE, 1)
    network, _ = load_network(trained(released, tmp_path, SIZE, 6))
    assert network.corrections == NONE


def test_likelihoods_and_ratios_are_told_both_ways(materials, network_of):
    spectra, symbols = examples_of(materials[1], 64)
    symbols[:8, 23:] = torch.nan  # dynamics unknown
    statistics = materials[0].statistics
    figures = figures_of(network_of(), statistics, spectra, symbols)
    assert all(np.isfinite(value) for value in figures.to_json().values())
    assert figures.symbols < 0
    ratios = ratios_of(network_of(), spectra, symbols)
    assert set(ratios) == {"strict", "loose", "strict_symbols", "loose_symbols"}
    assert all(0 <= share <= 1 for shares in ratios.values() for share in shares)
    assert (
        -3 <= -figures_of(network_of(NONE), statistics, spectra, symbols).symbols <= 0
    )  # a probability a group, not a logarithm


def test_the_baseline_learns_pitches(materials, notes):
    training, _ = materials
    baseline = Baseline(PublishedConfig(48, 64, latent=24), training.vocabulary, seed=1)
    losses = baseline.learn(training, minutes=5, clock=count().__next__)
    assert np.mean(losses[-20:]) < 0.5 * np.mean(losses[:20])
    spectra, symbols = examples_of(training, 256)
    said, true = baseline.probabilities(spectra.numpy())[:, 10:23], symbols.numpy()[:, 10:23]
    assert np.mean(said.argmax(1) == true.argmax(1)) > 0.4  # of 13 classes


class Oracle:
    """Says the same of every frame."""

    def __init__(self, *said: dict[str, str]) -> None:
        self.row = np.concatenate([notes_vocabulary().row(one) for one in said])

    def __call__(self, spectra: np.ndarray) -> np.ndarray:
        return np.tile(0.9 * self.row + 0.001, (len(spectra), 1))


def test_a_listener_says_each_source_that_is_not_silent(tone):
    silent = dict.fromkeys(("octave", "pitch", "dynamics"), "silent")
    heard = {"octave": "5", "pitch": "A#", "dynamics": "mf"}
    hears = listener_of(Oracle(silent, heard), notes_vocabulary(2), Statistics(-8, 8), ALL)
    assert hears(tone(60), 22050) == [Symbol(5, 10, 2)]
    assert hears(np.zeros(22050, np.float32), 22050) == []
    assert listener_of(Oracle(silent), notes_vocabulary(), Statistics(-8, 8), ALL)(tone(60), 22050) == []


def test_a_listener_takes_any_rate_and_leading_silence(tone, network_of):
    import soxr

    statistics, audio = Statistics(-8.0, 8.0), tone(60)
    here = spectra_of(audio, 22050, statistics, ALL)
    later = spectra_of(np.pad(soxr.resample(audio, 22050, 44100), (4410, 0)), 44100, statistics, ALL)
    loud = here > -0.25
    np.testing.assert_allclose(later[loud], here[loud], atol=0.05)
    assert len(network_listener(network_of(), statistics)(audio, 22050)) <= 1


def test_as_released_another_sources_spectra_are_rolled_and_normalised_by_themselves(tone):
    statistics, audio = Statistics(-8.0, 8.0), tone(60)
    own = spectra_of(audio, 22050, statistics, ALL)
    released = spectra_of(audio, 22050, statistics, replace(ALL, same_features=False), foreign=True)
    assert released.argmax(1).tolist() == (own.argmax(1) + 1).tolist()
    assert np.abs(released).max() == pytest.approx(1)


def test_the_separation_finds_gains_and_sources_by_decoders_that_stay_as_they_are(notes, tmp_path):
    singles = []
    for instrument in ("flute", "cello"):
        training, validation = split_materials(notes, [instrument], ALL, 1)
        network, _ = load_network(trained((training, validation), tmp_path / instrument, SIZE, 12))
        singles.append((network, training.statistics))
    training, _ = split_materials(notes, ["flute", "cello"], ALL, 1)
    before = [{name: value.clone() for name, value in network.state_dict().items()} for network, _ in singles]
    torch.manual_seed(0)
    separation = Separation(singles, training.statistics, SIZE.signal)
    losses = separation.learn(training, minutes=1.2, clock=count().__next__)
    assert np.mean(losses[-20:]) < np.mean(losses[:20])
    spectra, _ = training.batch(16, np.random.default_rng(5))
    found = separation.separate(spectra)
    assert found.magnitudes.shape == (16, 2, 410)
    assert found.gains.shape == (16, 2)
    assert (found.gains > 0).all()
    assert [part.shape for part in found.probabilities] == [(16, 29), (16, 29)]
    assert separation.probabilities(spectra.numpy()).shape == (16, 58)
    for (network, _), kept in zip(singles, before, strict=True):
        assert all(torch.equal(value, kept[name]) for name, value in network.state_dict().items())


def test_symbols_become_sound(network_of):
    rows = np.stack([notes_vocabulary().row({"octave": "4", "pitch": "A", "dynamics": "f"})] * 4)
    audio = render(network_of(), Statistics(-6.0, 4.0), rows, iterations=2)
    assert audio.shape == (44100,)
    assert audio.dtype == np.float32
    assert np.isfinite(audio).all()
    assert audio.any()


def test_what_is_trained_on_is_the_training_side_alone(notes, materials):
    flute = [n for n in notes if n.instrument == "flute"]
    assert len(materials[0].sources[0].frames) == 15 * len(on_side(flute, "train"))
