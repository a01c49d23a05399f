"""What the tests of the published translator share: made notes in files, and a tiny network."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from models.translator.notes import DYNAMICS, Note
from models.translator.published.config import PublishedConfig
from models.translator.published.corrections import Corrections
from models.translator.published.network import PublishedNetwork
from models.translator.published.vocabulary import Vocabulary, notes_vocabulary

TINY = PublishedConfig(24, 16, latent=8)
RATE = 22050


@pytest.fixture(scope="session")
def tone() -> Callable[..., np.ndarray]:
    """A function (pitch, level, seconds, tilt) -> (samples,) float32: harmonics, each weaker by `tilt`."""

    def sound(pitch: float, level: float = 0.3, seconds: float = 1.0, tilt: float = 0.6) -> np.ndarray:
        time = np.arange(round(seconds * RATE)) / RATE
        base = 440 * 2 ** ((pitch - 69) / 12)
        parts = [tilt**k * np.sin(2 * np.pi * (k + 1) * base * time + k) for k in range(12) if (k + 1) * base < 10000]
        return (level * np.sum(parts, 0) * np.minimum(1, time / 0.01)).astype(np.float32)

    return sound


@pytest.fixture(scope="session")
def notes(tone, tmp_path_factory) -> list[Note]:
    """Flute and cello over an octave, five dynamics each, as files; sides are those of the true split."""
    folder, made = Path(tmp_path_factory.mktemp("notes")), []
    for instrument, lowest, tilt in (("flute", 72, 0.3), ("cello", 48, 0.8)):
        for pitch in range(lowest, lowest + 12):
            for loud, dynamic in enumerate(DYNAMICS):
                path = folder / f"{instrument}_{pitch}_{dynamic}.wav"
                soundfile.write(path, tone(pitch, 0.02 * 2**loud, 0.9, tilt), RATE)
                made.append(Note("made", instrument, pitch, dynamic, path))
    return made


@pytest.fixture
def network_of() -> Callable[..., PublishedNetwork]:
    """A function (corrections, vocabulary) -> a tiny network with the same weights each time, ready to be used."""

    def make(
        corrections: Corrections | None = None, vocabulary: Vocabulary | None = None, config: PublishedConfig = TINY
    ) -> PublishedNetwork:
        torch.manual_seed(0)
        return PublishedNetwork(config, vocabulary or notes_vocabulary(), corrections or Corrections.all()).eval()

    return make
