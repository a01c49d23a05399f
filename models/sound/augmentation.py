"""What stands between an instrument and a recording: room, equalisation, noise, hum, clipping, codecs and level.

Applied anew whenever training hears a segment. The direct sound keeps its time, so labels stay true. All randomness is
from the generator given.
"""

from __future__ import annotations

import io

import numpy as np

from models.sound.speech import talk

# libsndfile's containers and encoders, and the ends of its compression level that sound like 10 to 35 kb/s at 16 kHz
CODECS = (("OGG", "VORBIS", 0.3, 1.0), ("OGG", "OPUS", 0.9, 1.0), ("MP3", "MPEG_LAYER_III", 0.5, 0.95))

WRITTEN_AT_ONCE = 65536  # samples: libsndfile's Vorbis encoder ends the process where it is given minutes at once


def record(samples: np.ndarray, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Make a dry instrument (samples,) float32 into a recording of the same length, peak -30..0 dB."""
    from scipy.fft import irfft, next_fast_len, rfft

    length = next_fast_len(len(samples) + int(1.5 * sample_rate), real=True)
    spectrum = rfft(samples, length) * equalisation(length, sample_rate, rng)
    if rng.random() < 0.75:
        spectrum *= rfft(room(sample_rate, rng), length)
    recorded = irfft(spectrum, length)[: len(samples)].astype(np.float32)
    recorded /= np.abs(recorded).max() + 1e-6
    if rng.random() < 0.1:
        drive = rng.uniform(1, 3)
        recorded = np.tanh(drive * recorded) / np.float32(np.tanh(drive))
    if rng.random() < 0.7:
        loudness = np.sqrt(np.mean(recorded**2)) + 1e-4
        recorded += (
            loudness * np.float32(10 ** (rng.uniform(-65, -20) / 20)) * background(len(samples), sample_rate, rng)
        )
    if rng.random() < 0.05:
        ceiling = np.float32(rng.uniform(0.15, 0.8))
        recorded = np.clip(recorded, -ceiling, ceiling)
    if rng.random() < 0.04:  # 20 to 120 ms for 8 s: rarely is often enough
        recorded = coded(recorded, sample_rate, CODECS[int(rng.integers(len(CODECS)))], rng)
    return recorded * np.float32(10 ** (rng.uniform(-30, 0) / 20))


def coded(
    samples: np.ndarray, sample_rate: int, codec: tuple[str, str, float, float], rng: np.random.Generator
) -> np.ndarray:
    """Pass (samples,) float32 through one of CODECS at a low rate; libsndfile takes the codec's delay out again.

    Sample rates are those of the encoder: 8, 12, 16, 24 and 48 kHz suit all of them.
    """
    import soundfile

    form, encoder, least, most = codec
    peak = np.abs(samples).max() + np.float32(1e-6)
    stream = io.BytesIO()
    with soundfile.SoundFile(
        stream, "w", sample_rate, 1, encoder, format=form, compression_level=float(rng.uniform(least, most))
    ) as file:
        for first in range(0, len(samples), WRITTEN_AT_ONCE):
            file.write(samples[first : first + WRITTEN_AT_ONCE] / peak)
    stream.seek(0)
    decoded, _ = soundfile.read(stream, dtype="float32")
    kept = min(len(decoded), len(samples))
    return np.pad(decoded[:kept], (0, len(samples) - kept)) * peak


def nothing_played(length: int, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return (length,) float32 of what is not music: silence, noise, hum, clicks, speech."""
    kind = rng.integers(14)
    if kind == 0:
        return (rng.normal(0, 1, length) * 10 ** rng.uniform(-6, -4)).astype(np.float32)
    if kind >= 5:
        return record(talk(length, sample_rate, rng), sample_rate, rng)
    noise = background(length, sample_rate, rng)
    if kind == 1:
        noise = np.zeros(length, np.float32)
        for start in rng.integers(0, length - 200, int(rng.integers(3, 40))):
            noise[start : start + 200] += (
                rng.normal(0, 1, 200) * np.exp(-np.arange(200) / rng.uniform(2, 60)) * rng.uniform(0.1, 1)
            )
    elif kind == 2:  # syllables: noise whose loudness moves four times a second
        knots = rng.uniform(0, 1, length * 8 // sample_rate + 2) ** 2
        noise *= np.interp(np.arange(length), np.linspace(0, length, len(knots)), knots).astype(np.float32)
    return noise / (np.abs(noise).max() + 1e-6) * np.float32(10 ** (rng.uniform(-60, -3) / 20))


def room(sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return an impulse response (samples,) float32 whose first sample, 1, is the direct sound."""
    decay_seconds = float(np.exp(rng.uniform(np.log(0.15), np.log(1.5))))  # to -60 dB
    length = int(min(decay_seconds, 1.5) * sample_rate)
    time = np.arange(length) / sample_rate
    tail = rng.normal(0, 1, length) * 10 ** (-3 * time / decay_seconds)
    tail[: int(rng.uniform(0.002, 0.02) * sample_rate)] = 0
    darkness = rng.uniform(0.0, 0.8)  # one-pole low-pass by two passes of a short kernel
    kernel = darkness ** np.arange(24)
    tail = np.convolve(tail, kernel / kernel.sum())[:length]
    tail *= 10 ** (rng.uniform(-25, 3) / 20) / (np.sqrt(np.sum(tail**2)) + 1e-9)
    for _ in range(int(rng.integers(0, 8))):
        delay = int(rng.uniform(0.001, 0.04) * sample_rate)
        if delay < length:
            tail[delay] += rng.choice([-1, 1]) * rng.uniform(0, 0.4)
    tail[0] = 1
    return tail.astype(np.float32)


def equalisation(length: int, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return the gain (length // 2 + 1,) of broad bumps and dips on a tilt, over the bins of a real FFT."""
    frequency = np.maximum(np.arange(length // 2 + 1) * sample_rate / length, 20)
    octave = np.log2(frequency / 640).astype(np.float32)
    gain_db = rng.uniform(-3, 3) * octave
    for _ in range(int(rng.integers(0, 5))):
        gain_db = gain_db + rng.uniform(-9, 7) * np.exp(
            -0.5 * ((octave - rng.uniform(-4, 3.5)) / rng.uniform(0.4, 1.5)) ** 2
        )
    if rng.random() < 0.3:  # a small loudspeaker or microphone loses the bass
        gain_db = gain_db - 12 * np.maximum(0, np.log2(rng.uniform(50, 160) / frequency))
    return np.asarray(10 ** (gain_db / 20), np.float32)


def background(length: int, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return (length,) float32 of coloured noise, hum, or both, at a root mean square of 1."""
    from scipy.fft import irfft, next_fast_len, rfft

    size = next_fast_len(length, real=True)
    frequency = np.maximum(np.arange(size // 2 + 1) * sample_rate / size, 20).astype(np.float32)
    spectrum = rfft(rng.standard_normal(size, np.float32)) * (frequency / 500) ** -rng.uniform(0, 1.2)
    sound = irfft(spectrum, size)[:length]
    sound /= np.sqrt(np.mean(sound**2)) + 1e-9
    if rng.random() < 0.4:
        time = np.arange(length) / sample_rate
        mains = rng.choice([50, 60]) * (1 + rng.normal(0, 0.002))
        hum = sum(
            rng.uniform(0, 1) / n * np.sin(2 * np.pi * n * mains * time + rng.uniform(0, 6))
            for n in range(1, int(rng.integers(2, 12)))
        )
        hum /= np.sqrt(np.mean(hum**2)) + 1e-9
        share = rng.uniform(0, 1)
        sound = share * hum + (1 - share) * sound
    return sound.astype(np.float32)
