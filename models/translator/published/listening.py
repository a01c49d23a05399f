"""A recording to its symbols, by anything that gives probabilities of frames: the published network, its baseline, a separation.

What stands in the comparison is a `Listener`, whatever it is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch

from models.translator.notes import attack_of
from models.translator.published.config import SAMPLE_RATE
from models.translator.published.corrections import Corrections
from models.translator.published.features import Statistics, frames_of, logarithms
from models.translator.published.network import PublishedNetwork
from models.translator.published.vocabulary import Vocabulary

SILENT_PITCH = 12  # the class after the pitch classes
LEAST_PROBABILITY = 1e-9


class Symbol(NamedTuple):
    """One source's: octave 0..8, pitch class 0..11 from C, dynamics 0..4, as `Note.symbols` counts them; -1 is no answer."""

    octave: int
    pitch_class: int
    dynamics: int


Listener = Callable[[np.ndarray, int], Sequence[Symbol]]
"""(samples,) float32 of a sound from its beginning on, and its sample rate -> its sources, the surest first, none for silence."""
Probabilities = Callable[[np.ndarray], np.ndarray]
"""(frames, bands) normalised -> (frames, symbols)."""


def spectra_of(
    audio: np.ndarray, rate: int, statistics: Statistics, corrections: Corrections, foreign: bool = False
) -> np.ndarray:
    """Return (frames, bands) normalised log spectra of a sound's stationary part.

    foreign: of a source that was not trained on; as released, rolled by one band and normalised by their own mean and range.
    """
    import soxr

    own = audio[attack_of(audio, rate) :]
    frames = frames_of(np.asarray(soxr.resample(own, rate, SAMPLE_RATE) if rate != SAMPLE_RATE else own, np.float32))
    found = logarithms(frames.magnitudes, corrections)
    if foreign and not corrections.same_features and len(found):
        return Statistics.of(found).normalised(np.roll(found, 1, axis=1))
    return statistics.normalised(found)


def listener_of(
    probabilities: Probabilities,
    vocabulary: Vocabulary,
    statistics: Statistics,
    corrections: Corrections,
    foreign: bool = False,
) -> Listener:
    """Return who listens by these probabilities: a sound's are the geometric mean of its frames'. foreign: see `spectra_of`."""

    def hears(audio: np.ndarray, rate: int) -> list[Symbol]:
        spectra = spectra_of(audio, rate, statistics, corrections, foreign)
        if not len(spectra):
            return []
        said = np.log(np.maximum(probabilities(spectra), LEAST_PROBABILITY)).mean(0)
        parts = [said[span] for span in vocabulary.spans]
        found = []
        for octave, pitch, dynamics in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
            if pitch.argmax() != SILENT_PITCH:
                sounding = [int(part[:-1].argmax()) for part in (octave, pitch, dynamics)]
                found.append((float(pitch.max()), Symbol(*sounding)))
        return [symbol for _, symbol in sorted(found, key=lambda one: -one[0])]

    return hears


def network_listener(network: PublishedNetwork, statistics: Statistics, foreign: bool = False) -> Listener:
    """Return a published network as a listener."""

    def probabilities(spectra: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return np.asarray(network.listen(torch.from_numpy(spectra)).numpy())

    return listener_of(probabilities, network.vocabulary, statistics, network.corrections, foreign)
