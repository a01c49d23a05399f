"""Somebody talking: what a microphone in a music room hears between the takes, and no transcriber should call notes.

A source of glottal pulses or breath goes through the resonances of a mouth that changes with every syllable (the source
and filter model of Fant, 1960). Formants are those of adult vowels (Peterson and Barney, 1952), scaled to the speaker.
"""

from __future__ import annotations

import numpy as np

VOWELS_HZ = (
    (270, 2290, 3010),
    (530, 1840, 2480),
    (660, 1720, 2410),
    (730, 1090, 2440),
    (570, 840, 2410),
    (300, 870, 2240),
)
BANDS_HZ = (70.0, 110.0, 160.0)
SILENT, WHISPERED = 0.2, 0.2  # shares of syllables


def talk(length: int, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return (length,) float32 of one to three speakers, peak 1."""
    voices = [_speaker(length, sample_rate, rng) for _ in range(int(rng.choice((1, 1, 2, 3))))]
    mixed = np.sum([rng.uniform(0.3, 1) * voice for voice in voices], axis=0)
    return np.asarray(mixed / (np.abs(mixed).max() + 1e-9), np.float32)


def _speaker(length: int, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    from scipy.signal import lfilter

    out = np.zeros(length + sample_rate)
    middle, liveliness, size = rng.uniform(85, 260), rng.uniform(0.05, 0.25), rng.uniform(0.85, 1.25)
    rate, place = rng.uniform(3, 6.5), int(rng.uniform(0, 0.3) * sample_rate)
    pitch = middle
    while place < length:
        count = int(sample_rate * rng.uniform(0.6, 1.4) / rate)
        kind = rng.random()
        if kind >= SILENT:
            following = middle * np.exp(rng.normal(0, liveliness))
            hz = np.linspace(pitch, following, count) * (1 + 0.01 * np.interp(np.arange(count), np.arange(0, count + 80, 80),
                                                                              rng.standard_normal((count + 159) // 80)))  # fmt: skip
            pitch = following
            turns = np.cumsum(hz) / sample_rate
            pulses = np.diff(np.floor(turns), prepend=0.0)
            source = 0.08 * rng.standard_normal(count)
            source = (
                source + lfilter([1.0], [1.0, -0.95], pulses)
                if kind >= SILENT + WHISPERED
                else 3 * np.diff(source, prepend=0)
            )
            for formant, band in zip(VOWELS_HZ[int(rng.integers(len(VOWELS_HZ)))], BANDS_HZ, strict=True):
                radius = np.exp(-np.pi * band / sample_rate)
                angle = 2 * np.pi * min(size * formant, 0.45 * sample_rate) / sample_rate
                source = lfilter([1 - radius], [1.0, -2 * radius * np.cos(angle), radius**2], source)
            swell = np.sin(np.pi * np.minimum(1, (np.arange(count) + 1) / count)) ** rng.uniform(0.3, 1.0)
            spoken = swell * source
            out[place : place + count] += rng.uniform(0.2, 1) * spoken / (np.abs(spoken).max() + 1e-9)
        place += count if rng.random() > 0.08 else count + int(rng.uniform(0.2, 0.8) * sample_rate)
    return out[:length]
