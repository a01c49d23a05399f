"""What the tests of the published drummer share: a tiny size, and a bass and drums that are made up."""

from collections.abc import Callable

import numpy as np
import pytest

from models.drummer.published.config import PublishedConfig
from models.drummer.published.data import Piece, piece_of

TINY = PublishedConfig(
    sample_rate=8000,
    n_fft=512,
    hop=128,
    bands=32,
    frames=32,
    overlap=8,
    width=4,
    blocks=1,
    patch_width=4,
    unet_width=4,
    ahead=4,
)
BEAT_SECONDS = 0.5


def drums(seconds: float, rate: int, seed: int = 0, beat: float = BEAT_SECONDS) -> np.ndarray:
    """A low thud on every beat and noise on every half: (samples,) float32."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    since, half = time % beat, time % (beat / 2)
    thud = 0.5 * np.sin(2 * np.pi * 60 * since) * np.exp(-since / 0.08)
    return (thud + 0.2 * random.normal(0, 1, len(time)) * np.exp(-half / 0.02)).astype(np.float32)


def bass(seconds: float, rate: int, seed: int = 0, beat: float = BEAT_SECONDS) -> np.ndarray:
    """A low note on every beat: (samples,) float32."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    pitch = random.choice([41.2, 55.0, 73.4], int(seconds / beat) + 1)[(time / beat).astype(int)]
    return (0.4 * np.sin(2 * np.pi * pitch * time) * np.exp(-(time % beat) / 0.3)).astype(np.float32)


@pytest.fixture(scope="session")
def tiny() -> PublishedConfig:
    return TINY


@pytest.fixture(name="drums", scope="session")
def drums_fixture() -> Callable[..., np.ndarray]:
    """The function `drums`."""
    return drums


@pytest.fixture(name="bass", scope="session")
def bass_fixture() -> Callable[..., np.ndarray]:
    """The function `bass`."""
    return bass


@pytest.fixture(scope="session")
def song() -> Callable[..., Piece]:
    """A function (seconds, split="train", seed=0, config=TINY) -> bass and drums as pictures."""

    def make(seconds: float, split: str = "train", seed: int = 0, config: PublishedConfig = TINY) -> Piece:
        stems = (play(seconds, config.sample_rate, seed) for play in (bass, drums))
        return piece_of(f"song{seed}", split, *stems, config)

    return make
