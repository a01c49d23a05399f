"""Sources of a mixture by decoders that each know one instrument: what they would have to be told is inferred from the sum.

The trained decoders of single instruments stay as they are. A new inference network looks at the mixture's spectrum and gives a
distribution over the product of their latent spaces, and over a coefficient for each source beside them: the logarithm of its
gain, normal about 0 a priori. It learns from mixtures alone, without their symbols, and each source's symbols are then what
its own symbol decoder says of its part of the latent space.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.translator.published.data import Material
from models.translator.published.features import FLOOR, Statistics
from models.translator.published.network import Gaussian, PublishedNetwork, ToGaussian
from models.translator.published.objective import divergence, log_normal

RATE, BATCH = 1e-3, 64
WARM_UP_SHARE = 1 / 3


@dataclass(frozen=True, slots=True)
class Separated:
    """magnitudes: (frames, sources, bands), gains in them; gains: (frames, sources); probabilities: one (frames, symbols) each."""

    magnitudes: np.ndarray
    gains: np.ndarray
    probabilities: tuple[np.ndarray, ...]


class Separation:
    """An inference network over trained decoders. `learn` to begin with, then `separate`.

    singles: networks of one instrument, each with what normalises its spectra. mixed: what normalises the mixture's.
    """

    def __init__(self, singles: Sequence[tuple[PublishedNetwork, Statistics]], mixed: Statistics, hidden: int) -> None:
        self.singles, self.mixed = tuple((network.eval(), statistics) for network, statistics in singles), mixed
        for network, _ in self.singles:
            network.requires_grad_(False)
        first = self.singles[0][0]
        self.latent = first.config.latent
        outputs = len(self.singles) * (self.latent + 1)
        self.inference = ToGaussian(first.config.bands, hidden, outputs, first.corrections)

    def learn(
        self, material: Material, *, minutes: float, seed: int = 1, clock: Callable[[], float] = time.process_time
    ) -> list[float]:
        """Train for `minutes` of a core, at least one step, on mixtures of the singles in their order; return each step's loss."""
        torch.manual_seed(seed)
        rng, began, losses, progress = np.random.default_rng(seed), clock(), list[float](), 0.0
        optimizer = torch.optim.Adam(self.inference.parameters(), lr=RATE)
        self.inference.train()
        while progress < 1.0:
            loss = self.loss(material.batch(BATCH, rng)[0], min(1.0, progress / WARM_UP_SHARE))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            progress = (clock() - began) / (minutes * 60)
        self.inference.eval()
        return losses

    def loss(self, spectra: Tensor, beta: float) -> Tensor:
        """Return the negative evidence lower bound of mixtures, (batch, bands) normalised."""
        inferred = self.inference(spectra)
        said = self._mixed(*self._parts(inferred.sample(self.singles[0][0].corrections)))
        return (beta * divergence(inferred) - log_normal(spectra, said)).mean()

    def separate(self, spectra: Tensor) -> Separated:
        """(frames, bands) normalised -> what each source is, by the mean of the inferred distribution."""
        with torch.no_grad():
            mean = self.inference(spectra).mean
            magnitudes, _, gains = self._parts(mean)
            latents = mean[:, : -len(self.singles)].split(self.latent, 1)
            named = [single.probabilities(z).numpy() for (single, _), z in zip(self.singles, latents, strict=True)]
        return Separated(magnitudes.numpy(), gains.numpy(), tuple(named))

    def probabilities(self, spectra: np.ndarray) -> np.ndarray:
        """(frames, bands) normalised -> (frames, symbols), source after source, as a network of the mixture gives them."""
        return np.concatenate(self.separate(torch.from_numpy(spectra)).probabilities, 1)

    def _parts(self, sampled: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the sources' magnitudes, the variances of their normalised logarithms, and their gains."""
        gains = sampled[:, -len(self.singles) :].exp()
        magnitudes, variances = [], []
        latents = sampled[:, : -len(self.singles)].split(self.latent, 1)
        for place, ((single, statistics), z) in enumerate(zip(self.singles, latents, strict=True)):
            said = single.signal_decoder(z)
            magnitudes.append(gains[:, place : place + 1] * (said.mean * statistics.span + statistics.mean).exp())
            variances.append(said.variance * (statistics.span / self.mixed.span) ** 2)
        return torch.stack(magnitudes, 1), torch.stack(variances, 1), gains

    def _mixed(self, magnitudes: Tensor, variances: Tensor, gains: Tensor) -> Gaussian:
        """Sources whose phases have nothing to do with one another: their powers add, and the louder one says the variance."""
        powers = magnitudes.square()
        total = powers.sum(1)
        share = powers / total.clamp_min(FLOOR**2)[:, None]
        logarithm = 0.5 * total.clamp_min(FLOOR**2).log()
        return Gaussian((logarithm - self.mixed.mean) / self.mixed.span, (share * variances).sum(1).clamp_min(1e-4))
