"""A piano that nobody built: every generator draws another instrument, whose strings ring as sums of decaying partials.

A key is two or three modes for every partial: the first is loud and dies soon, the others are soft, out of tune by the
unison's error and last (prompt sound and aftersound: Weinreich, 1977). Between two events of its hammer, damper and pedal a
key's modes ring freely or damped from the amplitudes that are left, so a key that is struck again adds to what still sounds.
Partials lie at n sqrt(1 + B n^2), B over the keyboard after Rigaud, David and Daudet (2013); the times a hammer stays
on its string are those of Askenfelt and Jansson (1990); partials that the hammer's place keeps still are weak. Called by `renders`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from models.sound.modes import Modes
from models.sound.performance import HIGHEST_PITCH, LOWEST_PITCH, Performance

KEYS = np.arange(LOWEST_PITCH, HIGHEST_PITCH + 1)
DECAY_KEYS, DECAY_SECONDS = (21, 40, 60, 72, 84, 96, 108), (14, 11, 6.5, 4, 2.2, 1.1, 0.5)  # to -60 dB, first partial
MOST_PARTIALS, HIGHEST_HZ = 90, 7500
RESONANCE_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class _Key:
    """partials (n,) Hz and their gains; weights (n, modes) of the modes of one partial, complex: they begin together."""

    partials: np.ndarray
    gains: np.ndarray
    weights: np.ndarray
    free: Modes
    damped: Modes


class ModelledPiano:
    """A random piano; of two generators in the same state each makes the same. Its keys are made when they are first struck."""

    def __init__(self, rng: np.random.Generator, sample_rate: int) -> None:
        self.sample_rate, self._seed, self._keys = sample_rate, int(rng.integers(2**32)), dict[int, _Key]()
        size = rng.random()  # 0 is a concert grand, 1 the smallest upright
        bass, treble = -5.82 - 0.0847 * KEYS + 1.2 * size, -13.64 + 0.0926 * KEYS
        self.inharmonicity = np.exp(bass + rng.uniform(-0.8, 0.3)) + np.exp(treble + rng.normal(0, 0.25))
        self.inharmonicity *= np.exp(rng.normal(0, 0.08, len(KEYS)))
        untidy = rng.uniform(0.3, 3.0)  # cents
        cents = rng.uniform(-20, 20) + rng.uniform(5, 35) * ((KEYS - 64) / 44) ** 3 + rng.normal(0, untidy, len(KEYS))
        self.first_partials = 440 * 2 ** ((KEYS - 69) / 12 + cents / 1200)
        self._unison = 7.0 if rng.random() < 0.08 else np.exp(rng.uniform(np.log(0.15), np.log(3)))  # cents
        self._decay_seconds = np.interp(KEYS, DECAY_KEYS, DECAY_SECONDS) * (1 - 0.4 * size) * np.exp(rng.normal(0, 0.3))
        self._loss, self._after_db, self._after = rng.uniform(0.3, 1.6), rng.uniform(7, 25), rng.uniform(2, 6)
        self._damper_seconds, self._late = np.exp(rng.uniform(np.log(0.015), np.log(0.09))), rng.uniform(0, 0.012)
        self._first_undamped = int(rng.integers(88, 92))
        # hammers: cut-off (Hz) of the middle C's at half velocity, how it grows with velocity, how steep it is
        self._cut = 770 * np.exp(rng.normal(0, 0.35))
        self._hardening, self._steep = rng.uniform(0.3, 0.9), rng.uniform(1.8, 3.6)
        self._place = rng.uniform(0.09, 0.14) * np.interp(KEYS, (21, 70, 108), (1, 1, rng.uniform(0.4, 0.9)))
        self._range_db, self._curve = rng.uniform(20, 44), rng.uniform(0.4, 1.2)
        seconds_on_string = np.interp(KEYS, (21, 60, 108), (0.004, 0.002, 0.0006))
        self._rise = rng.uniform(0.6, 1.2) * seconds_on_string
        self._octaves = np.linspace(-5, 4, 28)  # of 640 Hz: knots of the soundboard's gain
        self._board_db = rng.normal(0, rng.uniform(1.5, 5), 28) + rng.uniform(-3.5, 1) * self._octaves
        self._board_hz, self._unevenness = rng.uniform(40, 80) + 70 * size, rng.uniform(1.5, 5)
        self._balance_db = np.linspace(0, rng.uniform(-7, 5), len(KEYS)) + rng.normal(0, 1.2, len(KEYS))
        self._noises = [self._noise(rng) for _ in range(6)]
        self._noise_touch, (self._release_noise, self._pedal_noise) = (
            rng.uniform(0.5, 1.1),
            10 ** rng.uniform(-2, -0.3, 2),
        )
        self._absorbs = rng.uniform(0.1, 0.6)
        self._resonance = self._free_strings(rng) * 10 ** (rng.uniform(-46, -26) / 20)

    def play(self, performance: Performance, seconds: float, rng: np.random.Generator) -> np.ndarray:
        """Return (samples,) float32 mono; a note's first sample is its onset's. What differs from strike to strike is from rng."""
        output = np.zeros(int(seconds * self.sample_rate), np.float32)
        notes, pedal = performance.notes, performance.pedal
        for pitch in np.unique(notes[:, 2]):
            self._play_key(output, int(pitch), notes[notes[:, 2] == pitch], pedal, rng)
        for onset, offset, _, velocity in notes:
            loudness = self._loudness(velocity) ** self._noise_touch
            self._add_noise(output, onset, loudness, rng)
            self._add_noise(output, offset, self._release_noise * min(loudness, 0.3), rng)
        dry = output.copy()
        for down, up in pedal:
            self._add_noise(output, down, 0.3 * self._pedal_noise, rng)
            self._add_noise(output, up, 0.3 * self._pedal_noise, rng)
            self._resonate(output, dry, *(min(len(output), round(t * self.sample_rate)) for t in (down, up)))
        return output

    def _play_key(
        self, output: np.ndarray, pitch: int, notes: np.ndarray, pedal: np.ndarray, rng: np.random.Generator
    ) -> None:
        key = self._key(pitch)
        state = np.zeros(key.weights.size, complex)
        ends = np.append(notes[1:, 0], len(output) / self.sample_rate)
        rise = max(1, round(self._rise[pitch - LOWEST_PITCH] * self.sample_rate))
        ramp = np.float32(0.5) + np.float32(0.5) * np.cos(np.pi * np.arange(rise) / rise, dtype=np.float32)
        for (onset, offset, _, velocity), end in zip(notes, ends, strict=True):
            # the hammer takes something from what still sounds; both set in while it is on the string
            absorbed = np.repeat(self._absorbs * rng.uniform(0.5, 1.5, len(key.partials)), key.weights.shape[1])
            change = self._strike(key, pitch, velocity, rng) - absorbed * state
            state = state + change
            start = round(onset * self.sample_rate)
            touched = output[start : start + rise]
            touched -= ramp[: len(touched)] * key.free.first_block(change)[: len(touched)]
            released = offset + self._late
            edges = pedal[(pedal > released) & (pedal < end)]
            times = [onset, *np.sort([t for t in (released, *edges) if onset < t < end]), end]
            for first, last in pairwise(times):
                held = first < released or ((pedal[:, 0] <= first) & (first < pedal[:, 1])).any()
                modes = key.free if held else key.damped
                state = modes.ring(output[round(first * self.sample_rate) : round(last * self.sample_rate)], state)

    def _strike(self, key: _Key, pitch: int, velocity: float, rng: np.random.Generator) -> np.ndarray:
        """The complex amplitudes (modes,) that a hammer gives."""
        cut = self._cut * 2 ** (0.035 * (pitch - 60)) * (velocity / 64) ** self._hardening
        cut *= np.exp(rng.normal(0, 0.05))
        strengths = key.gains / (1 + (key.partials / cut) ** self._steep)
        level = 10 ** ((self._balance_db[pitch - LOWEST_PITCH] + rng.normal(0, 0.5)) / 20) * self._loudness(velocity)
        strengths *= level / np.sqrt(np.sum(strengths**2))
        return np.asarray((strengths[:, None] * key.weights).ravel())

    def _loudness(self, velocity: float) -> float:
        return float(10 ** (-self._range_db * (1 - (velocity / 127) ** self._curve) / 20))

    def _key(self, pitch: int) -> _Key:
        if pitch in self._keys:
            return self._keys[pitch]
        rng, index = np.random.default_rng([self._seed, pitch]), pitch - LOWEST_PITCH
        order, stiff, first = np.arange(1, MOST_PARTIALS + 1), self.inharmonicity[index], self.first_partials[index]
        partials = order * first * np.sqrt((1 + stiff * order**2) / (1 + stiff))
        partials = partials[partials < min(HIGHEST_HZ, 0.47 * self.sample_rate)]
        order, count, modes = order[: len(partials)], len(partials), 2 if pitch < 45 else 3
        gains = np.abs(np.sin(np.pi * order * self._place[index])) + 0.06
        gains *= 10 ** (np.interp(np.log2(partials / 640), self._octaves, self._board_db) / 20)
        gains *= 10 ** (rng.normal(0, self._unevenness, count) / 20) / (1 + (self._board_hz / partials) ** 2)
        rates = 6.9 / self._decay_seconds[index] * (1 + self._loss * (partials - first) / 1000)
        rates = (rates * np.exp(rng.normal(0, 0.3, count)))[:, None] * np.ones(modes)
        rates[:, 1:] /= self._after * rng.uniform(0.6, 1.4, (count, modes - 1))
        weights = np.exp(2j * np.pi * rng.random(count))[:, None] * np.ones(modes)
        weights[:, 1:] *= 10 ** (-(self._after_db + rng.normal(0, 3, (count, modes - 1))) / 20)
        cents = np.append(0, rng.normal(0, self._unison, modes - 1))
        free = (2j * np.pi * partials[:, None] * 2 ** (cents / 1200) - rates).ravel() / self.sample_rate
        key_free = key_damped = Modes.of(free)
        if pitch < self._first_undamped:
            seconds = np.clip(self._damper_seconds * 2 ** ((60 - pitch) / 30), 0.01, 0.2)
            damping = np.repeat(np.exp(rng.normal(0, 0.35, count)) / seconds, modes)
            key_damped = Modes.of(free - damping / self.sample_rate)
        self._keys[pitch] = _Key(partials, gains, weights, key_free, key_damped)
        return self._keys[pitch]

    def _noise(self, rng: np.random.Generator) -> np.ndarray:
        """Draw the knock of a key on its bed and a hammer: the board's thump and a brighter, shorter clack."""
        time = np.arange(round(0.25 * self.sample_rate)) / self.sample_rate
        frequency = np.fft.rfftfreq(len(time), 1 / self.sample_rate)
        knock = np.zeros(len(time))
        for low, high, seconds, decibels in (
            (70, 350, (0.012, 0.05), (-42, -14)),
            (700, 3500, (0.002, 0.01), (-52, -20)),
        ):
            middle = np.exp(rng.uniform(np.log(low), np.log(high)))
            band = np.exp(-0.5 * (np.log2(np.maximum(frequency, 1) / middle) / rng.uniform(0.4, 1.2)) ** 2)
            noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(len(time))) * band, len(time))
            noise *= np.exp(-time / rng.uniform(*seconds)) * np.minimum(1, time / 0.001)
            knock += noise / (np.abs(noise).max() + 1e-9) * 10 ** (rng.uniform(*decibels) / 20)
        return knock.astype(np.float32)

    def _add_noise(self, output: np.ndarray, seconds: float, gain: float, rng: np.random.Generator) -> None:
        start, noise = round(seconds * self.sample_rate), self._noises[int(rng.integers(len(self._noises)))]
        heard = output[start : start + len(noise)]
        heard += np.float32(gain) * noise[: len(heard)]

    def _free_strings(self, rng: np.random.Generator) -> np.ndarray:
        """Return how all strings that no damper touches answer a click: (samples,) at an energy of 1."""
        order = np.arange(1, 9)
        partials = (order * self.first_partials[:, None] * np.sqrt(1 + self.inharmonicity[:, None] * order**2)).ravel()
        decays = np.repeat(self._decay_seconds, len(order))[partials < HIGHEST_HZ / 2]
        partials = partials[partials < HIGHEST_HZ / 2]
        modes = Modes.of((2j * np.pi * partials - 5 / decays) / self.sample_rate)
        answer = np.zeros(round(RESONANCE_SECONDS * self.sample_rate), np.float32)
        modes.ring(answer, np.exp(2j * np.pi * rng.random(len(partials))) * rng.exponential(1, len(partials)))
        answer *= np.linspace(1, 0, len(answer), dtype=np.float32)
        return np.asarray(answer / np.sqrt(np.sum(answer**2)))

    def _resonate(self, output: np.ndarray, dry: np.ndarray, down: int, up: int) -> None:
        """Add the answer of the strings to what sounds while the pedal is down; the dampers end it."""
        from scipy.signal import fftconvolve

        stop = min(len(output), up + round(6 * self._damper_seconds * self.sample_rate))
        if up <= down:
            return
        tail = fftconvolve(dry[down:up], self._resonance[: stop - down])[: stop - down]
        tail[up - down :] *= np.exp(-np.arange(len(tail) - (up - down)) / (self._damper_seconds * self.sample_rate))
        output[down : down + len(tail)] += tail.astype(np.float32)
