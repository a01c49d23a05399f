"""Drums that are like real ones are near to them, and what people rate well is told from what they do not."""

import json
from pathlib import Path

import numpy as np
import pytest

from models.drummer.published.evaluator import (
    Evaluator,
    Rating,
    Reference,
    accuracy,
    agreement,
    correlations,
    features,
    mean_grades,
    read_ratings,
    train,
)
from models.drummer.published.frechet import FEATURES, GROUPS, crop_features, frechet_distance, mel_frechet

RATE = 22050


def test_frechets_distance_is_that_of_gaussians():
    """Of diagonal ones it is known in closed form: means apart, and deviations apart, both in the real ones' deviations."""
    random = np.random.default_rng(0)
    real = random.normal(0, [1, 2, 3], (20_000, 3))
    made = random.normal([1, 0, 3], [2, 2, 1.5], (20_000, 3))
    wanted = 1 + 1 + (2 - 1) ** 2 + (0.5 - 1) ** 2
    assert frechet_distance(real, made) == pytest.approx(wanted, rel=0.05)
    assert frechet_distance(real, real) == pytest.approx(0, abs=1e-6)
    turned = real @ np.linalg.qr(random.normal(size=(3, 3)))[0]
    assert frechet_distance(turned, turned[::-1]) == pytest.approx(0, abs=1e-6)
    with pytest.raises(ValueError, match="there are 1 real and 5 made crops; allowed: 2 and more of each"):
        frechet_distance(real[:1], made[:5])


@pytest.fixture(scope="module")
def real(drums) -> list[tuple[np.ndarray, int]]:
    return [(drums(12.0, RATE, seed, 0.4 + 0.03 * seed), RATE) for seed in range(4)]


def test_crops_are_told_by_what_the_docstring_says(drums):
    assert sum(part.stop - part.start for part in GROUPS.values()) == FEATURES == 80
    told = crop_features(drums(12.0, 44100), 44100)
    assert told.shape == (3, 80)  # 517 frames: crops begin at 0, 128 and 256
    assert np.isfinite(told).all()
    np.testing.assert_allclose(crop_features(0.1 * drums(12.0, 44100), 44100), told, atol=0.2)
    slow, fast = (
        crop_features(drums(6.1, RATE, beat=beat), RATE)[:, GROUPS["rhythm"]].reshape(4, 8) for beat in (1.0, 0.25)
    )
    assert fast[0].argmax() > slow[0].argmax(), "the thuds of the lowest region come oftener"
    assert np.ptp(crop_features(np.zeros(RATE, np.float32), RATE)[0, GROUPS["timbre"]]) == 0


def test_other_drums_are_nearer_to_drums_than_basses_noise_and_silence(real, drums, bass):
    alike = [(drums(12.0, RATE, seed, 0.4 + 0.03 * seed), RATE) for seed in range(4, 8)]
    noise = np.random.default_rng(0).normal(0, 0.1, 12 * RATE).astype(np.float32)
    far = [[(bass(12.0, RATE, seed), RATE) for seed in range(4)], [(noise, RATE)], [(0 * noise, RATE)]]
    near = mel_frechet(real, alike)
    assert all(mel_frechet(real, others) > 3 * near for others in far)


def test_bands_that_move_alike_correlate(drums):
    audio = drums(3.0, RATE)
    same = correlations(audio, audio, RATE)
    assert same.shape == (256,)
    assert same == pytest.approx(np.ones(256), abs=1e-5)
    assert np.abs(correlations(audio, np.zeros_like(audio), RATE)).max() == 0
    apart = correlations(audio, drums(3.0, RATE, 1, 0.37), RATE)
    assert apart.mean() < 0.6


def test_real_drums_are_likelier_than_a_bass(real, drums, bass):
    reference = Reference.of(np.concatenate([crop_features(*one) for one in real]))
    likely = [reference.log_density(crop_features(play(12.0, RATE, 9, 0.45), RATE)) for play in (drums, bass)]
    assert likely[0].shape == (4,)
    assert (likely[0] > likely[1]).all()


def test_a_regression_learns_what_people_find_good(real, drums, tmp_path: Path):
    """People of this test find those clips good that go with the song's own drums."""
    reference = Reference.of(np.concatenate([crop_features(*one) for one in real]))
    told, good, songs = [], [], []
    for number in range(8):
        original = drums(6.1, RATE, number, 0.4 + 0.02 * number)
        for fine in (True, False):
            made = drums(6.1, RATE, 50 + number, 0.4 + 0.02 * number if fine else 0.31)
            told.append(features(original, made, RATE, reference))
            good.append(fine)
            songs.append(str(number))
    given, wanted = np.array(told), np.array(good)
    assert given.shape == (16, 260)
    assert accuracy(given, wanted, songs) == {"accuracy": 1.0, "always_the_commoner": 0.5}
    trained = train(given, wanted)
    trained.save(tmp_path / "evaluator.json")
    again = Evaluator.load(tmp_path / "evaluator.json").probability(given)
    np.testing.assert_allclose(again, trained.probability(given))
    assert ((again > 0.5) == wanted).all()
    with pytest.raises(ValueError, match="of 16 rated clips all are good: there is nothing to learn from them"):
        train(given, wanted | True)
    with pytest.raises(ValueError, match="rate clips of two songs at least"):
        accuracy(given, wanted, ["one"] * 16)


def test_ratings_are_read_and_compared(tmp_path: Path):
    path = tmp_path / "ratings.jsonl"
    rows = [
        {"phrase": "a", "version": "x", "quality": 8, "contamination": 6, "credibility": 9, "time": 7},
        {"phrase": "a", "version": "y", "quality": 1, "contamination": 1, "credibility": 2, "time": 2},
    ]
    lower = [row | {"quality": 1} for row in rows]
    path.write_text(
        "\n".join(json.dumps({"listener": who, "ratings": given}) for who, given in (("p", rows), ("q", lower)))
    )
    ratings = read_ratings(path)
    assert mean_grades(ratings) == {("a", "x"): (7.5 + 5.75) / 2, ("a", "y"): 1.5}
    assert agreement(ratings) == {("p", "q"): pytest.approx(1.0)}
    assert agreement([Rating("a", "x", "p", np.ones(4))]) == {}
    path.write_text(
        path.read_text() + '\n{"listener": "r", "ratings": [{"phrase": "a", "version": "x", "quality": 11}]}'
    )
    with pytest.raises(ValueError, match=r"ratings\.jsonl, line 3, is no ratings of drums: KeyError"):
        read_ratings(path)
    path.write_text(json.dumps({"listener": "r", "ratings": [rows[0] | {"time": 11}]}))
    with pytest.raises(ValueError, match=r"a grade is \[8, 6, 9, 11\]; allowed: 1 to 10"):
        read_ratings(path)
