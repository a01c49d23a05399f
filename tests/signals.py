"""Signals that tests hear: noise, struck strings, a song."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from models.block import Samples


@pytest.fixture(scope="session")
def noise() -> Callable[..., Samples]:
    """A function (count, seed=0, level=0.1) -> (1, count) float32 of Gaussian noise."""

    def make(count: int, seed: int = 0, level: float = 0.1) -> Samples:
        return (level * np.random.default_rng(seed).standard_normal((1, count))).astype(np.float32)

    return make


@pytest.fixture(scope="session")
def strokes() -> Callable[..., Samples]:
    """A function (rate, seconds, seed=0) -> (1, n) float32 of decaying harmonic tones, six a second, some together.

    Each begins at full level on one sample, so that an onset is where it is said to be.
    """

    def make(rate: int, seconds: float, seed: int = 0) -> Samples:
        generator = np.random.default_rng(seed)
        audio: NDArray[np.float64] = np.zeros(round(rate * seconds))
        for start in np.sort(generator.uniform(0.05, seconds, max(1, round(6 * seconds)))):
            time = np.arange(round(start * rate), audio.size) / rate - round(start * rate) / rate
            pitches = 36 + generator.permutation(48)[: generator.integers(1, 4)]
            for frequency in 440 * 2 ** ((pitches - 69) / 12):
                partials = [
                    np.cos(2 * np.pi * frequency * k * time) / k for k in range(1, 7) if frequency * k < 0.45 * rate
                ]
                audio[-time.size :] += 0.1 * np.exp(-5 * time) * sum(partials)
        return np.clip(audio, -1, 1)[None].astype(np.float32)

    return make


@pytest.fixture(scope="session")
def plucked() -> Callable[..., Samples]:
    """A function (rate, seconds, tones: onset in seconds -> frequency) -> (1, n) float32 of plucked tones that die away."""

    def make(rate: int, seconds: float, tones: Mapping[float, float]) -> Samples:
        time = np.arange(round(rate * seconds)) / rate
        audio = np.zeros_like(time)
        for onset, hertz in tones.items():
            since = np.maximum(0.0, time - onset)
            tone = sum(np.sin(2 * np.pi * k * hertz * since) / k for k in range(1, 6))
            audio += 0.15 * (time >= onset) * np.exp(-4 * since) * tone
        return audio.astype(np.float32)[None]

    return make


@pytest.fixture(scope="session")
def song() -> Callable[..., Samples]:
    """A function (rate, beats, seconds_a_beat=0.5, first=0.0) -> (1, n) float32: a beat in the bass, on each downbeat a fifth below and
    louder, and chords in eighths above, of four bars that come again."""

    def make(rate: int, beats: int, seconds_a_beat: float = 0.5, first: float = 0.0) -> Samples:
        audio = np.zeros(round(rate * (first + beats * seconds_a_beat)))
        roots = (45, 41, 48, 43)
        for eighth in range(2 * beats):
            root, begin = roots[eighth // 8 % 4], round(rate * (first + eighth * seconds_a_beat / 2))
            time = np.arange(min(round(0.6 * seconds_a_beat * rate), audio.size - begin)) / rate
            tones = [(root + 12 + step, 0.06) for step in (0, 4, 7)] + [(root + 24 + (0, 4, 7, 12)[eighth % 4], 0.08)]
            tones += [(root - 12 * (eighth % 8 == 0), 0.25 if eighth % 8 == 0 else 0.12)] if eighth % 2 == 0 else []
            for pitch, level in tones:
                hertz = 440 * 2 ** ((pitch - 69) / 12)
                audio[begin : begin + time.size] += level * np.exp(-5 * time) * np.sin(2 * np.pi * hertz * time)
        return audio[None].astype(np.float32)

    return make
