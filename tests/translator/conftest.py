"""What the tests of the translator share: made-up notes, small networks, the model that ships."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from models.manifest import Manifest
from models.model_file import read_manifest
from models.registry import bundled_files
from models.step import Step
from models.translator.config import TranslatorConfig
from models.translator.network import TranslatorNetwork
from server.onnx_step import OnnxStep, open_session

RATE = 32_000
SMALL = TranslatorConfig(
    channels=8, spectral_channels=3, narrow_channels=2, head_channels=6, slot_channels=16, latent=6, symbol_channels=24,
    voice_channels=12, voice_memory=8, pitch_channels=4,
)  # fmt: skip
"""No size of the network is the one that ships; its clock is."""


@pytest.fixture(scope="session")
def tone() -> Callable[..., np.ndarray]:
    """A function (pitch, seconds, level=0.1, partials=8, fall=0.0) -> (samples,) float32: harmonics that begin on the first sample.

    fall: dB a partial; 20 dB for each tenth of a partial's level.
    """

    def make(pitch: float, seconds: float, level: float = 0.1, partials: int = 8, fall: float = 6.0) -> np.ndarray:
        time = np.arange(round(seconds * RATE)) / RATE
        hertz = 440 * 2 ** ((pitch - 69) / 12)
        sound = np.zeros(len(time))
        for number in range(1, partials + 1):
            if number * hertz < 0.45 * RATE:
                sound += level * 10 ** (-fall * (number - 1) / 20) * np.sin(2 * np.pi * number * hertz * time + number)
        return sound.astype(np.float32)

    return make


@pytest.fixture(scope="session")
def small() -> TranslatorNetwork:
    """A small network with random weights."""
    torch.manual_seed(4)
    return TranslatorNetwork(SMALL).eval()


@pytest.fixture(scope="session")
def shipped() -> Path:
    """The folder of the translator that ships."""
    return bundled_files()["translator"]


@pytest.fixture(scope="session")
def manifest(shipped: Path) -> Manifest:
    return read_manifest(shipped)


@pytest.fixture(scope="session")
def steps(shipped: Path, manifest: Manifest) -> dict[str, Step]:
    """Its steps by the names of their graphs."""
    return {graph.name: OnnxStep(open_session(shipped, file=graph.file), graph) for graph in manifest.graphs}
