"""What the paper compares its network with: principal components of the spectrum, then a classifier of two hidden layers."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from sklearn.decomposition import PCA
from sklearn.neural_network import MLPClassifier

from models.translator.published.config import PublishedConfig
from models.translator.published.data import Material
from models.translator.published.vocabulary import Vocabulary

RATE, BATCH = 1e-3, 64
PCA_EXAMPLES = 4096


class Baseline:
    """As many components as the network's latent space has dimensions, hidden units as its symbol decoder; cross-entropy.

    scikit-learn's classifier takes all groups as binary labels; a categorical group's likeliest class is its answer.
    """

    def __init__(self, config: PublishedConfig, vocabulary: Vocabulary, seed: int) -> None:
        self.vocabulary = vocabulary
        self._components = PCA(config.latent, random_state=seed)
        self._classifier = MLPClassifier((config.symbol, config.symbol), learning_rate_init=RATE, random_state=seed)
        self._seed = seed

    def learn(
        self, material: Material, *, minutes: float, clock: Callable[[], float] = time.process_time
    ) -> list[float]:
        """Train for `minutes` of a core, at least one step, on examples all of whose symbols are known; return the losses."""
        rng, began, losses = np.random.default_rng(self._seed), clock(), list[float]()
        self._components.fit(material.batch(PCA_EXAMPLES, rng)[0].numpy())
        while not losses or clock() - began < minutes * 60:
            spectra, symbols = (part.numpy() for part in material.batch(BATCH, rng))
            known = ~np.isnan(symbols).any(1)
            if not known.any():
                continue
            reduced, wanted = self._components.transform(spectra[known]), symbols[known].astype(int)
            classes = np.arange(wanted.shape[1]) if not losses else None
            self._classifier.partial_fit(reduced, wanted, classes=classes)
            losses.append(float(self._classifier.loss_))
        return losses

    def probabilities(self, spectra: np.ndarray) -> np.ndarray:
        """(frames, bands) normalised -> (frames, symbols)."""
        return np.asarray(self._classifier.predict_proba(self._components.transform(spectra)))
