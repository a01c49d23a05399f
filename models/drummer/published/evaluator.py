"""The published evaluation: from what a person would hear, whether made drums are good, learnt from people's ratings.

Two kinds of features: how each mel band of the made drums goes with that of the song's own ("STOI-like"), and how probable the made
drums are among real ones. Logistic regression on both says how probable a mean grade of 6 to 10 is. It needs the true drums, and it
rewards who copies them: measures of rhythm say more of a drummer. Ratings come from the page that `backline bench drummer_ratings`
writes; that command trains this as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any  # scikit-learn has no types

import numpy as np

from models.drummer.published.config import PUBLISHED, PublishedConfig
from models.drummer.published.frechet import GROUPS, crop_features
from models.drummer.published.mel import picture

QUESTIONS = ("quality", "contamination", "credibility", "time")
WORST, BEST = 1, 10
GOOD = 5.5  # a mean grade that is rounded to 6 or more
STRENGTH = 0.1  # of the regression's weights, the inverse of how they are held back
FOLDS = 5
TINY = 1e-9


@dataclass(frozen=True, slots=True)
class Reference:
    """What real drums are like: a Gaussian for each group of `frechet`'s features. means: (features,); shapes: their inverses."""

    means: dict[str, np.ndarray]
    inverses: dict[str, np.ndarray]
    logarithms: dict[str, float]  # of the covariances' determinants

    @classmethod
    def of(cls, real: np.ndarray) -> Reference:
        """Fit to (crops, 80) of real drums; covariances are drawn to a sphere as Ledoit and Wolf (2004) do."""
        from sklearn.covariance import ledoit_wolf  # type: ignore[import-untyped, unused-ignore]

        means, inverses, logarithms = {}, {}, {}
        for name, part in GROUPS.items():
            shape = ledoit_wolf(real[:, part])[0] + TINY * np.eye(real[:, part].shape[1])
            means[name], inverses[name] = real[:, part].mean(0), np.linalg.inv(shape)
            logarithms[name] = float(np.linalg.slogdet(shape)[1])
        return cls(means, inverses, logarithms)

    def log_density(self, crops: np.ndarray) -> np.ndarray:
        """Return (groups,) the mean log density of (crops, 80), per feature and without its constant."""
        found = []
        for name, part in GROUPS.items():
            apart = crops[:, part] - self.means[name]
            distance = np.einsum("ni,ij,nj->n", apart, self.inverses[name], apart)
            found.append(-(distance.mean() + self.logarithms[name]) / 2 / apart.shape[1])
        return np.array(found)


def correlations(
    original: np.ndarray, made: np.ndarray, sample_rate: int, config: PublishedConfig = PUBLISHED
) -> np.ndarray:
    """Return (bands,) the correlation over time of each mel band, of (samples,) each; 0 where one does not move."""
    import soxr

    samples = min(len(original), len(made))
    heard = [
        picture(soxr.resample(np.asarray(one[:samples], np.float32), sample_rate, config.sample_rate), config)
        for one in (original, made)
    ]
    first, second = (one - one.mean(1, keepdims=True) for one in heard)
    size = np.sqrt((first**2).sum(1) * (second**2).sum(1))
    return np.where(size > TINY, (first * second).sum(1) / np.maximum(size, TINY), 0.0)


def features(original: np.ndarray, made: np.ndarray, sample_rate: int, reference: Reference) -> np.ndarray:
    """Return (bands + groups,) for one clip."""
    likely = reference.log_density(crop_features(made, sample_rate))
    return np.concatenate([correlations(original, made, sample_rate), likely])


@dataclass(frozen=True, slots=True)
class Evaluator:
    """A trained regression. mean, scale, weights: (features,)."""

    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    bias: float

    def probability(self, given: np.ndarray) -> np.ndarray:
        """Return (clips,) how probable it is that people find them good, of (clips, features)."""
        said = (given - self.mean) / self.scale @ self.weights + self.bias
        return np.asarray(0.5 + 0.5 * np.tanh(said / 2))

    def save(self, path: Path) -> None:
        parts = {name: getattr(self, name).tolist() for name in ("mean", "scale", "weights")}
        path.write_text(json.dumps(parts | {"bias": self.bias}) + "\n")

    @classmethod
    def load(cls, path: Path) -> Evaluator:
        kept: dict[str, Any] = json.loads(path.read_text())
        mean, scale, weights = (np.array(kept[name]) for name in ("mean", "scale", "weights"))
        return cls(mean, scale, weights, float(kept["bias"]))


def train(given: np.ndarray, good: np.ndarray) -> Evaluator:
    """Fit to (clips, features) and (clips,) of who is good. Raises ValueError where all are, or none is."""
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped, unused-ignore]

    if len(set(good.tolist())) < 2:
        raise ValueError(
            f"of {len(good)} rated clips all are {'good' if good.all() else 'bad'}: there is nothing to learn from them"
        )
    mean, scale = given.mean(0), np.maximum(given.std(0), TINY**0.5)
    fitted = LogisticRegression(C=STRENGTH, max_iter=1000).fit((given - mean) / scale, good)
    return Evaluator(mean, scale, fitted.coef_[0], float(fitted.intercept_[0]))


def accuracy(given: np.ndarray, good: np.ndarray, songs: Sequence[str]) -> dict[str, float]:
    """Return the share judged as people do by regressions that never heard the song, and that of saying always the commoner."""
    from sklearn.model_selection import GroupKFold  # type: ignore[import-untyped, unused-ignore]

    folds = min(FOLDS, len(set(songs)))
    if folds < 2:
        raise ValueError("accuracy is asked of songs that were not learnt from: rate clips of two songs at least")
    right = np.zeros(len(good), bool)
    for learnt, asked in GroupKFold(folds).split(given, good, list(songs)):
        if len(set(good[learnt].tolist())) < 2:
            right[asked] = good[asked] == good[learnt][0]
        else:
            right[asked] = (train(given[learnt], good[learnt]).probability(given[asked]) > 0.5) == good[asked]
    return {"accuracy": float(right.mean()), "always_the_commoner": float(max(good.mean(), 1 - good.mean()))}


@dataclass(frozen=True, slots=True)
class Rating:
    """What one listener gave one clip. grades: (4,) of 1 to 10, in the order of QUESTIONS."""

    song: str
    version: str
    listener: str
    grades: np.ndarray


def read_ratings(path: Path) -> list[Rating]:
    """Read the page's ratings.jsonl. Raises ValueError with the line that cannot be read."""
    found: list[Rating] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            record = json.loads(line)
            for row in record["ratings"]:
                grades = np.array([int(row[name]) for name in QUESTIONS])
                if grades.min() < WORST or grades.max() > BEST:
                    raise ValueError(f"a grade is {grades.tolist()}; allowed: {WORST} to {BEST}")
                found.append(Rating(str(row["phrase"]), str(row["version"]), str(record["listener"]), grades))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}, line {number}, is no ratings of drums: {error!r}") from error
    return found


def mean_grades(ratings: Iterable[Rating]) -> dict[tuple[str, str], float]:
    """Return the mean over listeners and questions, by (song, version)."""
    given: dict[tuple[str, str], list[float]] = {}
    for rating in ratings:
        given.setdefault((rating.song, rating.version), []).append(float(rating.grades.mean()))
    return {clip: float(np.mean(grades)) for clip, grades in given.items()}


def agreement(ratings: Iterable[Rating]) -> dict[tuple[str, str], float]:
    """Return the correlation of every two listeners over the clips that both have rated, as far as there is one."""
    by_listener: dict[str, dict[tuple[str, str], float]] = {}
    for rating in ratings:
        by_listener.setdefault(rating.listener, {})[rating.song, rating.version] = float(rating.grades.mean())
    found = {}
    names = sorted(by_listener)
    for place, first in enumerate(names):
        for second in names[place + 1 :]:
            both = sorted(by_listener[first].keys() & by_listener[second].keys())
            pair = np.array([[by_listener[name][clip] for clip in both] for name in (first, second)])
            if len(both) > 1 and pair.std(1).min() > 0:
                found[first, second] = float(np.corrcoef(pair)[0, 1])
    return found
