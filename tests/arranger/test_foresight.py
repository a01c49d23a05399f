"""What may come, from bars whose chords are known."""

import numpy as np
import pytest

from models.arranger.config import BEATS_A_BAR, CHORD, ROOTS
from models.arranger.foresight import AHEAD, MODELS, foreseen, models_of


def bars_of(roots: str) -> np.ndarray:
    """Return the chords of bars, a major chord each: (bars, BEATS_A_BAR, CHORD)."""
    out = np.zeros((len(roots), BEATS_A_BAR, CHORD), np.float32)
    for bar, name in enumerate(roots):
        root = "CDEFGAB".index(name)
        root = (0, 2, 4, 5, 7, 9, 11)[root]
        out[bar, :, [root, *(ROOTS + (root + up) % 12 for up in (0, 4, 7))]] = 1
    return out


def roots_foreseen(roots: str) -> str:
    chords = bars_of(roots)
    soon = foreseen(list(chords), *models_of(chords))
    assert soon.shape == (AHEAD, BEATS_A_BAR, CHORD)
    return "".join({0: "C", 2: "D", 4: "E", 5: "F", 7: "G", 9: "A", 11: "B"}[int(bar[0, :12].argmax())] for bar in soon)


@pytest.mark.parametrize(
    ("heard", "comes"),
    [
        ("CAFGCAFGC", "AF"),
        ("CAFGCAFGCA", "FG"),
        ("CAFGCAFGCAFG", "CA"),
        ("CGCGCGCG", "CG"),
        ("CAFGDEDECAF", "GD"),
        ("CCCC", "CC"),
    ],
)
def test_what_came_after_bars_like_these_comes_again(heard: str, comes: str) -> None:
    assert roots_foreseen(heard) == comes


def test_the_beat_that_is_not_heard_yet_decides_nothing() -> None:
    chords = bars_of("CAFGCAFGCA")
    other = chords.copy()
    other[-1, -1] = np.roll(other[-1, -1], 3)
    for mine, its in zip(models_of(chords), models_of(other), strict=True):
        np.testing.assert_array_equal(mine, its)


def test_shares_are_of_few_bars_that_are_followed_by_heard_ones() -> None:
    places, shares = models_of(bars_of("CDEFGABCDEFGABCDEFGAB"))
    assert len(places) == len(shares) == MODELS
    assert shares.sum() == pytest.approx(1)
    assert (np.diff(shares) <= 0).all()
    assert places.min() >= 0
    assert places.max() <= 20 - AHEAD


def test_silence_foresees_silence() -> None:
    chords = np.zeros((AHEAD + 1, BEATS_A_BAR, CHORD), np.float32)
    assert not foreseen(list(chords), *models_of(chords)).any()
