"""Audio becomes what the ear network eats: levels in decibels, two bands a semitone and sixteen broad ones, fifty times a second.

Low pitches are read from a long window, high ones from a shorter one, and strokes from a very short one, all about the same
sample: a frame is known LATENCY samples after its middle. The same code serves training and playing.
"""

from __future__ import annotations

import numpy as np

from models.arranger.config import BANDS, BANDS_A_SEMITONE, HOP, LOWEST, MEL_BANDS, PITCHES, SAMPLE_RATE

LONG, SHORT, STROKE = 4096, 2048, 640  # samples
LATENCY = LONG // 2
SPLIT_PITCH = 60.0  # under it the long window is read
FLOOR_DB, CEILING_DB = -90.0, 10.0
LOUDEST = 1e3  # of full scale: what is beyond is a fault somewhere
LOWEST_MEL_HZ, HIGHEST_MEL_HZ = 40.0, 7600.0


class Spectrum:
    """One stream of audio. Feed hops in order; owns its state."""

    def __init__(self) -> None:
        self._banks = _banks()
        self.reset()

    def reset(self) -> None:
        """Have heard nothing."""
        self._heard = np.zeros(LONG, np.float32)

    def hop(self, audio: np.ndarray) -> np.ndarray:
        """(HOP,) -> (BANDS,) float32 in FLOOR_DB..CEILING_DB, about the sample LATENCY before the end of this hop."""
        self._heard = np.concatenate([self._heard[HOP:], _sane(audio)])
        return _levels(self._heard[None], self._banks)[0]


def spectra(audio: np.ndarray) -> np.ndarray:
    """(samples,) -> (frames, BANDS) float32: what a Spectrum says of each whole hop."""
    banks, frames = _banks(), len(audio) // HOP
    padded = np.concatenate([np.zeros(LONG - HOP, np.float32), _sane(audio[: frames * HOP])])
    windows = (
        np.lib.stride_tricks.sliding_window_view(padded, LONG)[::HOP] if frames else np.zeros((0, LONG), np.float32)
    )
    parts = [_levels(windows[i : i + 512], banks) for i in range(0, frames, 512)]
    return np.concatenate([*parts, np.zeros((0, BANDS), np.float32)])


def _sane(audio: np.ndarray) -> np.ndarray:
    """Return float32 samples without those that are none."""
    return np.clip(np.nan_to_num(audio, posinf=0.0, neginf=0.0), -LOUDEST, LOUDEST).astype(np.float32)


def _levels(heard: np.ndarray, banks: list[tuple[int, np.ndarray, np.ndarray]]) -> np.ndarray:
    """(frames, LONG) -> (frames, BANDS)."""
    rows = []
    for size, window, bank in banks:
        middle = heard[:, (LONG - size) // 2 : (LONG + size) // 2]
        power = np.abs(np.fft.rfft(middle * window)[:, : len(bank)]) ** 2
        rows.append(power.astype(np.float32) @ bank)
    power = np.concatenate(rows, 1)
    return np.clip(10 * np.log10(power + 1e-12), FLOOR_DB, CEILING_DB).astype(np.float32)


def _banks() -> list[tuple[int, np.ndarray, np.ndarray]]:
    """Return size, window and bank (bins that are read, bands) of the long, the short and the stroke's spectrum."""
    bands = PITCHES * BANDS_A_SEMITONE
    pitches = LOWEST + (np.arange(-1, bands + 1) + 0.5) / BANDS_A_SEMITONE - 0.5
    hertz = 440 * 2 ** ((pitches - 69) / 12)
    low, high = (2595 * np.log10(1 + end / 700) for end in (LOWEST_MEL_HZ, HIGHEST_MEL_HZ))
    mel = np.linspace(low, high, MEL_BANDS + 2)
    split = int(np.searchsorted(pitches[1:-1], SPLIT_PITCH))
    edges = {LONG: hertz[: split + 2], SHORT: hertz[split:], STROKE: 700 * (10 ** (mel / 2595) - 1)}
    banks = []
    for size, around in edges.items():
        window = np.hanning(size + 1)[:-1].astype(np.float32)
        bank = _triangles(np.fft.rfftfreq(size, 1 / SAMPLE_RATE), around)
        read = int(np.flatnonzero(bank.any(1))[-1]) + 1
        banks.append((size, window * np.float32(2 / window.sum()), np.ascontiguousarray(bank[:read])))
    return banks


def _triangles(frequency: np.ndarray, around: np.ndarray) -> np.ndarray:
    """Return (bins, bands): triangles between neighbours, at least two bins wide on each side."""
    least = 1.5 * (frequency[1] - frequency[0])
    middle = around[1:-1]
    below, above = np.maximum(middle - around[:-2], least), np.maximum(around[2:] - middle, least)
    away = frequency[:, None] - middle
    return np.maximum(0, 1 - np.where(away < 0, -away / below, away / above)).astype(np.float32)
