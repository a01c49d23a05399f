"""Hears a bass: when a note begins, how hard, and which one, from audio alone and without looking ahead.

Not a transcriber: the drummer needs the strokes, soon and cheaply, and hardly their pitch. A stroke is a rise of the level in
several octaves at once over what sounded shortly before (spectral flux in decibels, after Bello et al. 2005); its pitch is
read once, a little later, where the difference function of YIN (de Cheveigne and Kawahara 2002) is lowest.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

RATE = 16_000
HOP = 128  # 8 ms
WINDOW = 512  # 32 ms: two periods of 62 Hz; lower notes show their octaves above
BANDS_HZ = (30, 130, 280, 560, 1200, 2500, 6000)
FLOOR_DB = -70.0  # of full scale, in a band: fainter sound is none
BACK_HOPS = (2, 3, 4, 5)  # a rise is over the loudest of these hops before
RISE_DB = 4.0  # mean over the bands that must rise, weighted by their share
AGAIN_HOPS = 8  # 64 ms: no two strokes are nearer; sixteenths at 220 bpm are 68 ms
GATE_DB = -45.0  # under the loudest of late: what hums on between the strokes
PITCH_HOPS = 10  # 80 ms after its stroke a note has a pitch
LOWEST_HZ, HIGHEST_HZ = 30.0, 400.0
DECIMATION = 4
PERIODS = 512  # samples at RATE / DECIMATION that a pitch is read from: 128 ms
MEMORY = 0.9985  # of the loudest level, by the hop: half in 3.7 s


@dataclass(frozen=True, slots=True)
class Stroke:
    """A note of the bass begins. sample: where, at RATE. strength: 0..1 of the loudest of late. pitch: MIDI, 0 while unknown."""

    sample: int
    strength: float
    pitch: float = 0.0


class BassEar:
    """One stream of audio at RATE. Feed hops in order; owns its state."""

    delay = WINDOW // 2 + HOP  # samples from a stroke to the hop that tells it, at most 24 ms
    pitch_delay = delay + PITCH_HOPS * HOP

    def __init__(self) -> None:
        self._window = np.hanning(WINDOW).astype(np.float32)
        frequency = np.fft.rfftfreq(WINDOW, 1 / RATE)
        edges = np.searchsorted(frequency, BANDS_HZ)
        self._edges = [(a, max(b, a + 1)) for a, b in pairwise(edges)]
        self.reset()

    def reset(self) -> None:
        """Know nothing again."""
        self._heard = np.zeros(PERIODS * DECIMATION, np.float32)
        self._levels = np.full((max(BACK_HOPS) + 1, len(self._edges)), FLOOR_DB, np.float32)
        self._flux = [0.0, 0.0]
        self._loudest = FLOOR_DB
        self._hop = self._last = 0
        self._last = -AGAIN_HOPS
        self._waiting: list[tuple[int, Stroke]] = []
        self.sounding = False

    def hop(self, audio: np.ndarray) -> tuple[list[Stroke], list[Stroke]]:
        """(HOP,) float32 -> the strokes heard now, and earlier ones whose pitch is known now."""
        self._heard = np.concatenate([self._heard[HOP:], np.nan_to_num(audio)])
        power = np.abs(np.fft.rfft(self._heard[-WINDOW:] * self._window)) ** 2 / WINDOW**2
        levels = 10 * np.log10(np.array([power[a:b].sum() for a, b in self._edges]) + 1e-12)
        levels = np.maximum(levels, FLOOR_DB).astype(np.float32)
        self._levels = np.concatenate([self._levels[1:], levels[None]])
        loud = float(levels.max())
        self._loudest = max(loud, FLOOR_DB + MEMORY * (self._loudest - FLOOR_DB))
        self.sounding = loud > max(FLOOR_DB + 6, self._loudest - 30)
        rise = np.maximum(0, levels - self._levels[[-1 - b for b in BACK_HOPS]].max(0))
        flux = float(np.sort(rise)[-3:].mean()) if loud > max(FLOOR_DB + 10, self._loudest + GATE_DB) else 0.0
        strokes: list[Stroke] = []
        before, self._flux = self._flux, [self._flux[1], flux]
        # A peak: the hop before this one rose more than its neighbours.
        if (
            before[1] >= RISE_DB
            and before[1] >= flux
            and before[1] > before[0]
            and self._hop - 1 - self._last >= AGAIN_HOPS
        ):
            place = max(0, (self._hop - 1) * HOP + HOP - WINDOW // 2)
            strength = float(np.clip(1 + (loud - self._loudest) / 40, 0.05, 1))
            strokes.append(Stroke(place, strength))
            self._last = self._hop - 1
            self._waiting.append((self._hop + PITCH_HOPS, strokes[-1]))
        known = [
            Stroke(stroke.sample, stroke.strength, self._pitch()) for due, stroke in self._waiting if due <= self._hop
        ]
        self._waiting = [(due, stroke) for due, stroke in self._waiting if due > self._hop]
        self._hop += 1
        return strokes, known

    def _pitch(self) -> float:
        """Return the MIDI pitch of the last 128 ms, 0 where there is none."""
        low = self._heard.reshape(-1, DECIMATION).mean(1)
        low = low - low.mean()
        rate = RATE / DECIMATION
        least, most = int(rate / HIGHEST_HZ), int(rate / LOWEST_HZ)
        size = len(low) - most
        spectrum = np.fft.rfft(low, 2 * len(low)), np.fft.rfft(low[:size], 2 * len(low))
        product = np.fft.irfft(spectrum[0] * np.conj(spectrum[1]))[: most + 1]
        energy = np.cumsum(np.concatenate([[0.0], low**2]))
        lags = np.arange(most + 1)
        difference = energy[size] + energy[lags + size] - energy[lags] - 2 * product
        mean = np.cumsum(difference[1:]) / np.arange(1, most + 1)
        normal = difference[1:] / np.maximum(mean, 1e-9)
        inside = normal[least - 1 :]
        good = np.flatnonzero(inside < max(0.15, inside.min() + 0.1))
        if inside.min() > 0.5 or not len(good):
            return 0.0
        lag = good[0]
        while lag + 1 < len(inside) and inside[lag + 1] < inside[lag]:
            lag += 1
        return float(69 + 12 * np.log2(rate / (lag + least) / 440))
