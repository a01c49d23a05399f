"""The nonstationary Gabor transform on a constant-Q scale: 410 bands from 30 Hz to 11 kHz, 48 an octave, and its inverse.

Bands are Hann windows over the spectrum of the whole signal, each as wide as the distance between its neighbours; one over
0 Hz and one over the Nyquist frequency make the set complete, so that nothing is lost. All bands have as many coefficients
as the widest needs (matrix form), about 313 a second. After Balazs et al. 2011; no library of it is kept up. Called by
`data` and `synthesis`.
"""

from __future__ import annotations

import numpy as np

LOWEST, HIGHEST, PER_OCTAVE = 30.0, 11000.0, 48  # Hz, Hz, bands
NARROWEST = 4  # bins of the spectrum: a band of a short signal still sees its neighbours
DECIMATION = 10  # coefficients to a frame: 31.3 frames a second


class Nsgt:
    """The transform of signals of one length. Read-only once built.

    bands: those of the scale, without the two at the ends. coefficients: of each band. frames: at a tenth of their rate.
    """

    def __init__(self, samples: int, sample_rate: int) -> None:
        if sample_rate / 2 <= HIGHEST:
            raise ValueError(
                f"bands up to {HIGHEST:g} Hz need a sample rate above {2 * HIGHEST:g} Hz, not {sample_rate}"
            )
        if samples % 2:
            raise ValueError(f"the transform takes an even number of samples, not {samples}")
        self.samples, self.sample_rate = samples, sample_rate
        self.frequencies = scale()
        self.bands = len(self.frequencies)
        centres = np.concatenate([[0.0], self.frequencies, [sample_rate / 2]]) * samples / sample_rate
        outer = np.concatenate([[-centres[1]], centres, [samples - centres[-2]]])
        widths = np.maximum(np.round(outer[2:] - outer[:-2]).astype(int), NARROWEST)
        self.coefficients = int(widths[1:-1].max())
        self.frames = max(1, round(self.coefficients / DECIMATION))
        self._places, self._windows = self._bands(np.round(centres).astype(int), widths)
        self._dual = self._windows / self._frame()[self._places]

    def forward(self, audio: np.ndarray) -> np.ndarray:
        """(samples,) -> (bands + 2, coefficients) complex64; a full-scale sine amid a band has magnitude 1."""
        spectrum = np.fft.fft(audio, self.samples)
        rows = np.fft.ifft(spectrum[self._places] * self._windows)  # (bands + 2, coefficients)
        return np.asarray(rows * (2 * self.coefficients / self.samples), np.complex64)

    def inverse(self, coefficients: np.ndarray) -> np.ndarray:
        """(bands + 2, coefficients) -> (samples,) float32: the signal, or the nearest to what no signal has."""
        rows = np.fft.fft(coefficients) * (self.samples / (2 * self.coefficients)) * self._dual
        spectrum = np.zeros(self.samples, np.complex128)
        np.add.at(spectrum, self._places[1:-1], rows[1:-1])
        spectrum += np.conj(np.roll(spectrum[::-1], 1))  # the bands' mirror images below 0 Hz
        np.add.at(spectrum, self._places[[0, -1]], rows[[0, -1]])
        return np.fft.ifft(spectrum).real.astype(np.float32)

    def at_frames(self, coefficients: np.ndarray, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what a frame lies between: (frames, 2, bands) complex64 coefficients and (frames, 2) shares of them.

        A frame's magnitude is the shares of both magnitudes, as an image is resized; complex values of sounds add before.
        """
        place = (frames + 0.5) * self.coefficients / self.frames - 0.5
        before = np.clip(np.floor(place).astype(int), 0, self.coefficients - 2)
        share = np.clip(place - before, 0, 1)
        both = coefficients[1:-1, np.stack([before, before + 1], 1)]  # (bands, frames, 2)
        return both.transpose(1, 2, 0), np.stack([1 - share, share], 1).astype(np.float32)

    def from_frames(self, magnitudes: np.ndarray) -> np.ndarray:
        """(frames, bands) -> (bands, coefficients): frames drawn out to the coefficients' rate."""
        place = (np.arange(self.coefficients) + 0.5) * len(magnitudes) / self.coefficients - 0.5
        known = np.arange(len(magnitudes))
        return np.stack([np.interp(place, known, band) for band in magnitudes.T]).astype(np.float32)

    def _bands(self, centres: np.ndarray, widths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return, (bands + 2, coefficients) each: which bin of the spectrum folds onto a place, and its weight."""
        count = self.coefficients
        if widths.max() > count:
            raise ValueError(f"{self.samples} samples at {self.sample_rate} Hz are too few for the scale")
        offsets = np.arange(count) - count // 2
        away = np.abs(offsets)[None, :] / (widths[:, None] / 2)
        weights = np.where(away < 1, 0.5 + 0.5 * np.cos(np.pi * away), 0.0)
        bins = centres[:, None] + offsets
        order = np.argsort(bins % count, axis=1)  # a coefficient's phase is that of the signal's own time
        places = np.take_along_axis(bins, order, 1) % self.samples
        return places, np.take_along_axis(weights, order, 1)

    def _frame(self) -> np.ndarray:
        """Return the diagonal of the frame operator over the spectrum: the sum of all squared windows, (samples,)."""
        total = np.zeros(self.samples)
        np.add.at(total, self._places[1:-1], self._windows[1:-1] ** 2)
        total += np.roll(total[::-1], 1)
        np.add.at(total, self._places[[0, -1]], self._windows[[0, -1]] ** 2)
        return total


def scale() -> np.ndarray:
    """Return the bands' centre frequencies in Hz, (410,)."""
    octaves = np.log2(HIGHEST / LOWEST)
    return LOWEST * 2 ** np.linspace(0, octaves, int(np.ceil(octaves * PER_OCTAVE)) + 1)
