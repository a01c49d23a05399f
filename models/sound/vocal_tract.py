"""A voice from what its mouth does: pulses and breath through resonances that move, and hiss in front of them.

A track says every STEP_SECONDS how high the voice is (Hz), how much voice, breath and hiss there is, where the hiss lies (Hz,
octaves) and where the first four formants are (Hz). Called by `speech`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

STEP_SECONDS = 0.0075  # of the tracks that a voice follows
WINDOW_STEPS, FILTER_STEPS = 4, 6  # of a window of its filter, and with what rings on
PITCH, VOICE, BREATH, HISS, HISS_HZ, HISS_OCTAVES, FORMANTS = 0, 1, 2, 3, 4, 5, slice(6, 10)  # columns of a track
BANDS_HZ = (70.0, 100.0, 150.0, 220.0)
HIGHER_HZ = ((4500, 300.0), (5600, 400.0), (6700, 500.0))  # formants that do not move, and their bands


@dataclass(frozen=True, slots=True)
class Speaker:
    """middle: Hz; size: of the formants to an adult man's; rate: syllables a second; lively: semitones; jitter, shimmer: of a period."""

    middle: float
    size: float
    rate: float
    lively: float
    jitter: float
    shimmer: float
    breath: float
    dullness: float
    creaks: float
    whispers: bool

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Speaker:
        middle = np.exp(rng.uniform(np.log(70), np.log(340)))
        size = float(np.clip(0.92 * (middle / 110) ** 0.33 * rng.uniform(0.9, 1.12), 0.8, 1.5))
        shaken = np.exp(rng.uniform(np.log(0.0005), np.log(0.02)))  # from a machine's voice to a hoarse one
        return cls(
            middle, size, rng.uniform(3, 7), rng.uniform(0.4, 3.5), shaken, 5 * shaken, 10 ** rng.uniform(-2.2, -0.7),
            rng.uniform(0.8, 0.98), rng.choice((0.0, 0.3, 0.8)), bool(rng.random() < 0.07),
        )  # fmt: skip


def sound(track: np.ndarray, length: int, sample_rate: int, speaker: Speaker, rng: np.random.Generator) -> np.ndarray:
    """Make (length,) samples of a track."""
    from scipy.signal import lfilter

    at = np.arange(length) / (STEP_SECONDS * sample_rate)
    pitch, voice, breath, hiss = (
        np.interp(at, np.arange(len(track)), track[:, c]) for c in (PITCH, VOICE, BREATH, HISS)
    )
    if speaker.whispers:
        voice, breath = 0 * voice, breath + 0.5 * voice
    pulses = lfilter([1.0], [1.0, -speaker.dullness], _pulses(pitch, sample_rate, speaker, rng))
    noise = rng.standard_normal(length)
    mouth = voice * pulses / (np.std(pulses) + 1e-9) + (breath + speaker.breath * voice) * noise
    frequency = np.fft.rfftfreq(_window(sample_rate)[1], 1 / sample_rate)
    spoken = _filtered(mouth, _resonances(track[:, FORMANTS], speaker.size, frequency, sample_rate), sample_rate)
    distance = np.log2(np.maximum(frequency, 50) / track[:, HISS_HZ, None]) / track[:, HISS_OCTAVES, None]
    hissed = _filtered(hiss * rng.standard_normal(length), np.exp(-0.5 * distance**2), sample_rate)
    spoken /= np.percentile(np.abs(spoken), 99) + 1e-9
    return np.asarray(spoken + 0.5 * hissed)


def _pulses(pitch: np.ndarray, sample_rate: int, speaker: Speaker, rng: np.random.Generator) -> np.ndarray:
    """A pulse a period, each a little early or late and louder or softer; more so in a creak."""
    turns = np.cumsum(pitch) / sample_rate
    starts = np.interp(np.arange(1, int(turns[-1]) + 1), turns, np.arange(len(pitch)))
    hz = pitch[starts.astype(int)]
    jitter = np.where(hz < 0.65 * speaker.middle, 0.08, speaker.jitter)
    starts = np.clip(
        starts + rng.normal(0, 1, len(starts)) * jitter * sample_rate / np.maximum(hz, 20), 0, len(pitch) - 2
    )
    strength = np.maximum(0, 1 + speaker.shimmer * rng.normal(0, 1, len(starts)))
    whole = starts.astype(int)
    pulses = np.zeros(len(pitch))
    np.add.at(pulses, whole, strength * (1 - starts + whole))
    np.add.at(pulses, whole + 1, strength * (starts - whole))
    return pulses


def _resonances(formants: np.ndarray, size: float, frequency: np.ndarray, sample_rate: int) -> np.ndarray:
    """Gains (steps, frequencies), complex, of resonators in a row."""
    turn = np.exp(-2j * np.pi * frequency / sample_rate).astype(np.complex64)
    moving = list(zip(formants.T, BANDS_HZ, strict=True))
    still = [(np.array([hz]), band) for hz, band in HIGHER_HZ if size * hz < 0.45 * sample_rate]
    gain = np.ones((1, len(frequency)), np.complex64)
    for hz, band in (*still, *moving):
        radius = np.exp(-np.pi * band / sample_rate)
        angle = 2 * np.pi * np.minimum(size * hz, 0.47 * sample_rate)[:, None] / sample_rate
        back = (2 * radius * np.cos(angle)).astype(np.float32)
        gain = gain * (1 - back + np.float32(radius**2)) / (1 - turn * (back - np.float32(radius**2) * turn))
    return gain


def _window(sample_rate: int) -> tuple[int, int]:
    """Samples of a step, and of the transform that holds a window and what rings on."""
    step = round(STEP_SECONDS * sample_rate)
    return step, FILTER_STEPS * step


def _filtered(samples: np.ndarray, gains: np.ndarray, sample_rate: int) -> np.ndarray:
    """Pass samples (length,) through gains that change with every step, by overlapping windows."""
    step, size = _window(sample_rate)
    width = WINDOW_STEPS * step
    padded = np.pad(samples, (width // 2, width))
    count = min(len(gains), (len(padded) - width) // step)
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)[: count * step : step]
    heard = np.fft.irfft(np.fft.rfft(windows * np.hanning(width + 1)[:-1], size) * gains[:count], size)
    output = np.zeros((count + FILTER_STEPS) * step)
    for part in range(FILTER_STEPS):  # steps of the windows, each a whole step after the last
        output[part * step : (part + count) * step] += heard[:, part * step : (part + 1) * step].ravel()
    output = output[width // 2 : width // 2 + len(samples)]
    return np.pad(output, (0, len(samples) - len(output)))
