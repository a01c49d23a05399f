"""A minute of what is no music: silence, noise, mains hum, and voices that speak no language.

Each is a function (length, rate, rng) -> (length,) float32. Levels are those of a bad day: noise and hum at -20 dB of full
scale, voices at -12 dB, root mean square.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float32]
NOISE_DB, VOICE_DB = -20.0, -12.0
BUZZ_PARTIALS = 25
VOICES, SYLLABLES_A_SECOND, VOICE_PARTIALS = 3, 4.0, 30
FORMANTS_HZ = ((730, 1090), (270, 2290), (300, 870), (530, 1840), (660, 1720), (440, 1020))  # Peterson and Barney, 1952
VOICE_BAND_HZ = 150.0  # half width of a formant
VOICE_RATE = 16_000


def silence(length: int, rate: int, rng: np.random.Generator) -> Signal:
    """Digital silence."""
    return np.zeros(length, np.float32)


def white(length: int, rate: int, rng: np.random.Generator) -> Signal:
    """White noise."""
    return _level(rng.standard_normal(length), NOISE_DB)


def pink(length: int, rate: int, rng: np.random.Generator) -> Signal:
    """Noise whose power falls with frequency, from 20 Hz up."""
    spectrum = np.fft.rfft(rng.standard_normal(length))
    hertz = np.maximum(np.fft.rfftfreq(length, 1 / rate), 20.0)
    return _level(np.fft.irfft(spectrum / np.sqrt(hertz), length), NOISE_DB)


def hum_50(length: int, rate: int, rng: np.random.Generator) -> Signal:
    """Mains hum of 50 Hz: the fundamental and weak harmonics."""
    return _level(_partials(50.0, (1.0, 0.3, 0.15, 0.05), length, rate), NOISE_DB)


def buzz_60(length: int, rate: int, rng: np.random.Generator) -> Signal:
    """Mains buzz of 60 Hz: a saw wave, as from a ground loop."""
    return _level(_partials(60.0, tuple(1 / k for k in range(1, BUZZ_PARTIALS + 1)), length, rate), NOISE_DB)


def babble(length: int, rate: int, rng: np.random.Generator) -> Signal:
    """Three voices whose pitch glides and whose vowels change four times a second, with pauses between phrases."""
    seconds = length / rate
    time = np.arange(int(seconds * VOICE_RATE) + 1) / VOICE_RATE
    voices = sum(_voice(time, seconds, rng) for _ in range(VOICES))
    return _level(np.interp(np.arange(length) / rate, time, voices), VOICE_DB)


NOISES: Mapping[str, Callable[[int, int, np.random.Generator], Signal]] = {
    "silence": silence, "white": white, "pink": pink, "hum_50_hz": hum_50, "buzz_60_hz": buzz_60, "babble": babble,
}  # fmt: skip


def _voice(time: NDArray[np.float64], seconds: float, rng: np.random.Generator) -> NDArray[np.float64]:
    count = int(seconds * SYLLABLES_A_SECOND) + 2
    knots = np.cumsum(rng.uniform(0.6, 1.4, count)) / SYLLABLES_A_SECOND
    glide = rng.uniform(90, 220) * 2 ** (np.cumsum(rng.normal(0, 0.12, count)) * 0.3 + rng.normal(0, 0.08, count))
    pitch_hz = np.interp(time, knots, np.clip(glide, 75, 320))
    loud = np.interp(time, knots, rng.uniform(0.05, 1, count) * (rng.random(count) > 0.2))
    vowels = np.array(FORMANTS_HZ, float)[rng.integers(len(FORMANTS_HZ), size=count)]
    formants = [np.interp(time, knots, vowels[:, i]) for i in range(2)]
    phase = 2 * np.pi * np.cumsum(pitch_hz) / VOICE_RATE
    sound = np.zeros_like(time)
    for k in range(1, VOICE_PARTIALS + 1):
        gain = sum(1 / (1 + ((k * pitch_hz - formant) / VOICE_BAND_HZ) ** 2) for formant in formants)
        sound += gain * np.sin(k * phase) / k**0.5
    breath = 0.05 * rng.standard_normal(len(time))
    return loud**2 * (sound + breath)


def _partials(fundamental_hz: float, gains: tuple[float, ...], length: int, rate: int) -> NDArray[np.float64]:
    phase = 2 * np.pi * fundamental_hz * np.arange(length) / rate
    return np.sum([gain * np.sin(k * phase) for k, gain in enumerate(gains, 1)], axis=0)


def _level(samples: NDArray[np.float64], level_db: float) -> Signal:
    """Return samples at a root mean square of `level_db`, the peaks clipped as a converter would."""
    loud = samples * 10 ** (level_db / 20) / np.sqrt(np.mean(samples**2))
    return np.clip(loud, -1, 1).astype(np.float32)
