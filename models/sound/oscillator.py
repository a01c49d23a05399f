"""Synthetic leads and a singing vowel: one cycle of a waveform, read at whatever pitch and bend a performance asks for.

Notes begin on the sample and bends are exact. Called by `general`.
"""

from __future__ import annotations

import numpy as np

from models.sound.performance import Performance

OSCILLATOR_RATE = 32000  # Hz
HIGHEST_PARTIAL_HZ = 8000
CYCLE = 2048  # samples of one stored cycle
# First three formants of five vowels (Hz), as textbooks give them for tenors and sopranos
VOWELS = (
    ((650, 1080, 2650), (400, 1700, 2600), (290, 1870, 2800), (400, 800, 2600), (350, 600, 2700)),
    ((800, 1150, 2900), (350, 2000, 2800), (270, 2140, 2950), (450, 800, 2830), (325, 700, 2700)),
)
SHAPES = ("sine", "triangle", "square", "saw", "pulse")


def play_oscillator(
    performance: Performance, seconds: float, rng: np.random.Generator, shape: str | None = None
) -> np.ndarray:
    """Return (samples,) float32 at OSCILLATOR_RATE; `shape` is one of SHAPES or "voice", None draws one of SHAPES."""
    output = np.zeros(int(seconds * OSCILLATOR_RATE))
    shape = shape or str(rng.choice(SHAPES))
    voice = int(rng.integers(len(VOWELS))), rng.uniform(0.85, 1.15), rng.uniform(0.8, 1.5)
    attack, release = np.exp(rng.uniform(np.log(0.003), np.log(0.08))), rng.uniform(0.02, 0.15)
    decay, level = rng.uniform(0.1, 2), rng.uniform(0.3, 1)
    doubled, breath = rng.choice([0.0, 0.0, rng.uniform(2, 9)]), 10 ** rng.uniform(-3.5, -1.7)
    darkness, touch, width = rng.uniform(0, 1.2), rng.uniform(0.7, 2), rng.uniform(0.1, 0.45)
    for onset, offset, pitch, velocity in performance.notes:
        first = round(onset * OSCILLATOR_RATE)
        count = min(len(output) - first, int((offset - onset + 6 * release) * OSCILLATOR_RATE))
        if count <= 0:
            continue
        time = np.arange(count) / OSCILLATOR_RATE
        frequency = 440 * 2 ** ((pitch - 69 + _bend(performance, onset + time)) / 12)
        partials = np.arange(1, max(2, int(HIGHEST_PARTIAL_HZ / frequency.max()) + 1))
        tone = np.zeros(count)
        if shape == "voice":
            vowel = VOWELS[voice[0]][int(rng.integers(5))]
            strength = _sung(partials * frequency[0], vowel, *voice[1:])
        else:
            strength = _shaped(shape, partials, width) * partials**-darkness
        cycle = _cycle(strength, rng)
        for cents in (-doubled, doubled) if doubled else (0.0,):
            turns = np.cumsum(frequency * 2 ** (cents / 1200)) / OSCILLATOR_RATE + rng.random()
            tone += np.interp(turns % 1 * CYCLE, np.arange(CYCLE + 1), cycle)
        tone += breath * rng.normal(0, 1, count)
        envelope = np.minimum(time / attack, 1) * (level + (1 - level) * np.exp(-time / decay))
        envelope *= np.exp(-np.maximum(time - (offset - onset), 0) / release)
        output[first : first + count] += (velocity / 127) ** touch * envelope * tone
    return output.astype(np.float32)


def _bend(performance: Performance, times: np.ndarray) -> np.ndarray:
    if not len(performance.bend):
        return np.zeros(len(times))
    return np.interp(times, performance.bend[:, 0], performance.bend[:, 1])


def _shaped(shape: str, partials: np.ndarray, width: float) -> np.ndarray:
    """Strengths of a waveform's partials, the first being 1."""
    odd = partials % 2 == 1
    return {
        "sine": 1.0 * (partials == 1),
        "triangle": odd / partials**2.0,
        "square": odd / partials,
        "saw": 1 / partials,
        "pulse": np.abs(np.sin(np.pi * width * partials)) / np.sin(np.pi * width) / partials,
    }[shape]


def _sung(frequency: np.ndarray, vowel: tuple[int, int, int], size: float, tilt: float) -> np.ndarray:
    """Strengths of partials at these frequencies (Hz): a falling source through three resonances."""
    resonances = [
        gain / (1 + ((frequency - size * formant) / (70 + 0.05 * formant)) ** 2)
        for gain, formant in zip((1, 0.6, 0.35), vowel, strict=True)
    ]
    return (sum(resonances) + 0.02) * (frequency / frequency[0]) ** -tilt


def _cycle(strength: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One cycle (CYCLE + 1,) at a root mean square of 1, its last sample the first again."""
    spectrum = np.zeros(CYCLE // 2 + 1, complex)
    count = min(len(strength), CYCLE // 8)  # eight points for the fastest partial: linear reading is good enough
    spectrum[1 : count + 1] = strength[:count] * np.exp(2j * np.pi * rng.random(count))
    cycle = np.fft.irfft(spectrum, CYCLE)
    cycle /= np.sqrt(np.mean(cycle**2)) + 1e-12
    return np.append(cycle, cycle[0])
