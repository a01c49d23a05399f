"""A bass line to drums, or a voice to a song, by the published network: pictures in windows as long as its crops, then samples.

Offline: it wants 84 frames of the future (2 s) and the whole window for its norms.
"""

from __future__ import annotations

import numpy as np
import torch

from models.drummer.published.inversion import ITERATIONS, sound
from models.drummer.published.mel import picture
from models.drummer.published.network import ALIGNED, Generator, UNet

BATCH = 4  # windows


def render(
    network: Generator | UNet,
    audio: np.ndarray,
    sample_rate: int,
    *,
    method: str = "griffin_lim",
    iterations: int = ITERATIONS,
    seed: int = 0,
) -> np.ndarray:
    """Return (samples,) float32 at the network's rate of (samples,) float32 at `sample_rate`, as long as what was given.

    method: how phases are found, see `inversion.sound`.
    """
    import soxr

    config = network.config
    given = soxr.resample(np.asarray(audio, np.float32), sample_rate, config.sample_rate)
    samples = round(len(audio) * config.sample_rate / sample_rate)
    if not len(given):
        return np.zeros(0, np.float32)
    drawn = draw(network, picture(given, config))
    return sound(drawn, config, samples, method=method, iterations=iterations, seed=seed)


def draw(network: Generator | UNet, grey: np.ndarray) -> np.ndarray:
    """Return the picture (bands, frames) float32 that the network makes of one of any length."""
    config = network.config
    network.eval()
    frames = grey.shape[1]
    if not network.corrections.windowed and isinstance(network, Generator):
        whole = np.pad(grey, ((0, 0), (0, -frames % ALIGNED)), constant_values=-1)
        return _drawn(network, whole[None])[0, :, :frames]
    hop = config.frames - config.overlap
    count = 1 + max(0, -(-(frames - config.frames) // hop))
    padded = np.pad(grey, ((0, 0), (0, (count - 1) * hop + config.frames - frames)), constant_values=-1)
    ramp = (np.arange(config.overlap) + 0.5) / config.overlap
    weight = np.ones(config.frames, np.float32)
    weight[: config.overlap], weight[config.frames - config.overlap :] = ramp, ramp[::-1]
    made, shares = np.zeros_like(padded), np.zeros(padded.shape[1], np.float32)
    starts = range(0, count * hop, hop)
    for first in range(0, count, BATCH):
        some = starts[first : first + BATCH]
        said = _drawn(network, np.stack([padded[:, start : start + config.frames] for start in some]))
        for start, one in zip(some, said, strict=True):
            made[:, start : start + config.frames] += weight * one
            shares[start : start + config.frames] += weight
    return np.asarray(made / shares)[:, :frames]


def _drawn(network: Generator | UNet, pictures: np.ndarray) -> np.ndarray:
    """(batch, bands, frames) -> the same shape."""
    with torch.no_grad():
        return np.asarray(network(torch.from_numpy(pictures.astype(np.float32))[:, None])[:, 0].float().numpy())
