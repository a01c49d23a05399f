"""Onsets come closer to where the notes really begin; what is unclear stays, and the order of notes with it."""

from collections.abc import Callable

import numpy as np
import pytest

from models.performer.alignment import refine_onsets

RATE = 32_000


def line(seed: int, count: int = 24) -> np.ndarray:
    """Notes of 160 ms without gaps."""
    rng = np.random.default_rng(seed)
    onsets = 0.2 + 0.16 * np.arange(count)
    pitches = 57 + np.cumsum(rng.choice([-3, -2, 2, 4, 5], count)) % 24
    return np.stack([onsets, onsets + 0.16, pitches, np.full(count, 80.0)], 1)


def test_onsets_rounded_to_thirty_milliseconds_are_found_again(bowed: Callable[..., np.ndarray]) -> None:
    true = line(0)
    rounded = true.copy()
    rounded[:, :2] = np.round(true[:, :2] / 0.03) * 0.03 + 0.008
    refined = refine_onsets(bowed(true, 4.5, RATE), RATE, rounded)
    given, found = np.abs(rounded[:, 0] - true[:, 0]), np.abs(refined[:, 0] - true[:, 0])
    assert np.median(given) > 0.006
    assert np.median(found) < 0.005
    assert np.mean(found < 0.01) > 0.85


def test_the_order_stays_and_offsets_do_not_pass_the_next_onset(bowed: Callable[..., np.ndarray]) -> None:
    true = line(1)
    given = true.copy()
    given[:, 0] += np.random.default_rng(2).uniform(-0.03, 0.03, len(given))
    given[:-1, 1] = given[1:, 0]
    refined = refine_onsets(bowed(true, 4.5, RATE), RATE, given)
    assert (refined[:, 2] == given[:, 2]).all()
    assert (np.diff(refined[:, 0]) > 0).all()
    assert (refined[:, 1] >= refined[:, 0] + 0.03 - 1e-9).all()
    assert (refined[:-1, 1] <= refined[1:, 0] + 1e-9).all()
    assert np.abs(refined[:, 0] - given[:, 0]).max() <= 0.05


@pytest.mark.parametrize("level", [0.0, 0.05])
def test_where_nothing_rises_nothing_moves(level: float) -> None:
    notes = line(3)
    held = level * np.sin(2 * np.pi * 440 * np.arange(5 * RATE) / RATE)
    assert refine_onsets(held.astype(np.float32), RATE, notes) == pytest.approx(notes)


def test_the_notes_of_a_chord_may_be_spread(bowed: Callable[..., np.ndarray]) -> None:
    true = np.array([(0.50, 1.0, 57, 80.0), (0.53, 1.0, 64, 80.0), (0.56, 1.0, 73, 80.0)])
    given = true.copy()
    given[:, 0] = 0.53
    refined = refine_onsets(bowed(true, 1.5, RATE), RATE, given)
    assert refined[:, 0] == pytest.approx(true[:, 0], abs=0.012)
