"""A segment's sound becomes what the transcriber eats: 229 mel bands of 153 frames, on beats that are all equally long.

The release stretches a song by a phase vocoder until every beat lasts 0.604 s, cuts segments, transposes them by another one and
takes magnitudes. Here magnitudes are read at the places where the stretched song would have them, which needs no phases. Called by
`data` and `inference`.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from models.arranger.published.config import BANDS, BEAT_SAMPLES, BEATS, FRAMES, PRE_ROLL, SAMPLE_RATE, STRETCHED_RATE
from models.arranger.published.corrections import Corrections

N_FFT, HOP = 2048, 512  # samples
LOWEST_HZ, HIGHEST_HZ = 30.0, 8000.0
FLOOR = 1e-5
MARGIN_SECONDS = 0.5  # of sound beside a segment, for the windows at its ends
BEAT_SECONDS = BEAT_SAMPLES / STRETCHED_RATE


def segment_spectrum(audio: np.ndarray, rate: int, seconds: np.ndarray, shift: int = 0) -> np.ndarray:
    """Return a segment's (BANDS, FRAMES) float32, natural logarithm.

    audio: (samples,) of a whole song, float or 16-bit. seconds: (BEATS + 1,), its beats and its end. shift: semitones up.
    """
    import soxr

    first, last = seconds[0] - MARGIN_SECONDS, seconds[-1] + MARGIN_SECONDS
    begin, end = round(first * rate), round(last * rate)
    cut = np.asarray(audio[max(0, begin) : max(0, end)])
    cut = cut.astype(np.float32) / (32768 if np.issubdtype(audio.dtype, np.integer) else 1)
    cut = np.concatenate([np.zeros(max(0, min(end, 0) - begin), np.float32), cut])
    read_rate = SAMPLE_RATE / 2 ** (shift / 12)  # read as SAMPLE_RATE it sounds higher
    heard = np.asarray(soxr.resample(cut, rate, read_rate), np.float32)
    centres = np.round((frame_seconds(seconds) - begin / rate) * read_rate).astype(int)
    return log_mel(_magnitudes(heard, centres))


def frame_seconds(seconds: np.ndarray) -> np.ndarray:
    """Return when the frames of a segment lie in its song: beats (BEATS + 1,) -> (FRAMES,), both in seconds."""
    beats = (np.arange(FRAMES) * HOP / SAMPLE_RATE - PRE_ROLL / STRETCHED_RATE) / BEAT_SECONDS
    number = np.clip(beats.astype(int), 0, BEATS - 1)  # before the first beat and after the end it goes on as there
    return seconds[number] + (beats - number) * np.diff(seconds)[number]


def spectrum(audio: np.ndarray) -> np.ndarray:
    """Return an even-beated segment's spectrum: (samples,) of SAMPLE_RATE -> (BANDS, 1 + samples // HOP) float32."""
    padded = np.pad(np.asarray(audio, np.float32), N_FFT // 2, mode="reflect")
    return log_mel(_magnitudes(padded, np.arange(1 + len(audio) // HOP) * HOP + N_FFT // 2))


def pretraining_spectrum(audio: np.ndarray, corrections: Corrections) -> np.ndarray:
    """Return what the transcriber learns piano from, as `spectrum`: as released, from another front end."""
    if corrections.one_front_end:
        return spectrum(audio)
    padded = np.pad(np.asarray(audio, np.float32), N_FFT // 2, mode="reflect")
    found = _magnitudes(padded, np.arange(1 + len(audio) // HOP) * HOP + N_FFT // 2)
    return log_mel(found * N_FFT**0.5, by_width=True)


def log_mel(magnitudes: np.ndarray, by_width: bool = False) -> np.ndarray:
    """(frames, 1 + N_FFT // 2) -> (BANDS, frames) float32. by_width: bands weigh by their widths, as the release pre-trains."""
    return np.log(np.maximum(magnitudes @ mel_bank(by_width), FLOOR)).T.astype(np.float32)


@cache
def mel_bank(by_width: bool = False) -> np.ndarray:
    """Return (1 + N_FFT // 2, BANDS): triangles on HTK's scale."""
    edges = _hz(np.linspace(_mel(LOWEST_HZ), _mel(HIGHEST_HZ), BANDS + 2))
    bins = np.arange(1 + N_FFT // 2) * SAMPLE_RATE / N_FFT
    rising = (bins[:, None] - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - bins[:, None]) / np.diff(edges)[1:]
    bank = np.maximum(0, np.minimum(rising, falling))
    return (bank * 2 / (edges[2:] - edges[:-2]) if by_width else bank).astype(np.float32)


def _magnitudes(audio: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return (frames, 1 + N_FFT // 2), over the root of the window's length; beyond the audio there is silence."""
    padded = np.pad(audio, N_FFT)
    places = np.clip(centres + N_FFT // 2, 0, len(padded) - N_FFT)[:, None] + np.arange(N_FFT)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)
    return np.abs(np.fft.rfft(padded[places] * window)) / N_FFT**0.5


def _mel(hz: float) -> float:
    return 2595 * np.log10(1 + hz / 700)


def _hz(mel: np.ndarray) -> np.ndarray:
    return 700 * (10 ** (mel / 2595) - 1)
