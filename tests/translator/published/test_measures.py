"""Success ratios and spectral distances on cases that one can count by hand."""

import numpy as np
import pytest

from models.translator.published.measures import (
    assigned_ratios,
    itakura_saito,
    log_spectral_distance,
    loose_ratios,
    released_divergence,
    strict_ratios,
)

FIRST, SECOND = (4, 0, 2), (5, 7, 3)  # octave, pitch class, dynamics


def test_strict_asks_for_the_place_loose_for_the_class_and_assigned_for_whole_sources():
    true = np.array([[FIRST, SECOND]])
    exchanged = np.array([[SECOND, FIRST]])
    crossed = np.array([[(4, 7, 2), (5, 0, 3)]])  # pitch classes of each other
    assert strict_ratios(true, true).tolist() == [1, 1, 1]
    assert strict_ratios(exchanged, true).tolist() == [0, 0, 0]
    assert loose_ratios(exchanged, true).tolist() == [1, 1, 1]
    assert assigned_ratios(exchanged, true).tolist() == [1, 1, 1]
    assert strict_ratios(crossed, true).tolist() == [1, 0, 1]
    assert loose_ratios(crossed, true).tolist() == [1, 1, 1]
    assert assigned_ratios(crossed, true).tolist() == [1, 0, 1]


def test_one_answer_does_not_stand_for_two_sources():
    true = np.array([[(4, 0, 2), (4, 0, 2)]])
    said = np.array([[(4, 0, 2), (3, 1, 0)]])
    assert loose_ratios(said, true).tolist() == [0.5, 0.5, 0.5]


def test_loose_is_never_below_strict():
    rng = np.random.default_rng(0)
    true, said = rng.integers(0, 3, (200, 3, 3)), rng.integers(0, 3, (200, 3, 3))
    assert np.all(loose_ratios(said, true) >= strict_ratios(said, true))
    assert assigned_ratios(said, true).sum() >= strict_ratios(said, true).sum()


def test_unknown_symbols_are_not_counted_and_missing_answers_are_wrong():
    true = np.array([[(4, 0, -1)], [(5, 7, 3)]])
    said = np.array([[(4, 0, 1)], [(-2, -2, -2)]])
    assert strict_ratios(said, true).tolist() == [0.5, 0.5, 0.0]
    assert np.isnan(strict_ratios(said[:1], true[:1])[2])


def test_distances_on_linear_power():
    true = np.array([[1.0, 0.5, 0.25]])
    assert itakura_saito(true, true) == 0
    assert log_spectral_distance(true, true) == 0
    assert itakura_saito(true, true * np.sqrt(0.5)) == pytest.approx(2 - np.log(2) - 1)
    assert itakura_saito(true, true * np.sqrt(2)) == pytest.approx(0.5 + np.log(2) - 1)
    assert log_spectral_distance(true, 10 * true) == pytest.approx(20)
    assert itakura_saito(5 * true, 5 * true * 0.9) == pytest.approx(itakura_saito(true, true * 0.9))


def test_what_lies_80_db_below_the_loudest_band_is_not_compared():
    true, said = np.array([[1.0, 1e-7]]), np.array([[1.0, 1e-5]])
    assert log_spectral_distance(true, said) == 0
    with pytest.raises(ValueError, match="no spectra"):
        itakura_saito(np.zeros((0, 4)), np.zeros((0, 4)))


def test_the_released_divergence_does_not_see_power():
    """A tenth of a normalised logarithm may be any number of decibels."""
    normalised = np.zeros((1, 410))
    assert released_divergence(normalised, normalised) == 0
    assert released_divergence(normalised, normalised - 0.1) == pytest.approx(410 * (np.exp(0.1) - 1.1) / (2 * np.pi))
