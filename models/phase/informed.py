"""Where the score is known the phases are: a complex frame is the sum of its partials' main lobes and of noise.

The partials of overlapping frames agree because their phases do (`oscillators`); the noise of overlapping frames agrees
because every frame is a window on one white noise. So overlap-add gives the sound, with no estimation and no iteration.
The idea of drawing main lobes into a frame is that of Rodet and Depalle (1992).
"""

import numpy as np
from numpy.typing import NDArray

from models.phase.frames import LOUDEST, Frames, OverlapAdd
from models.phase.stream import Hint

LOBE_BINS = 4  # drawn on each side of a partial: what is cut off lies 50 dB below it
FAINT = 1e-6  # noise that lends its phase to a bin in which the hint has nothing and the magnitude has something
TINY = 1e-12
OFF_BIN = 1e-7  # on a bin the formula divides 0 by 0


class Informed:
    """A stream whose hints say everything.

    reach: see OverlapAdd. The whole frame gives the samples whose spectrogram is nearest to what was drawn, 0 latency.
    One or two hops follow onsets and vibrato as fast as the hop, and begin n_fft / 2 - reach after the frame does.
    """

    def __init__(self, frames: Frames, sample_rate: float, seed: int = 0, reach: int | None = None) -> None:
        self._frames = frames
        self._overlap_add = OverlapAdd(frames, reach)
        self._bins_per_hz = frames.n_fft / sample_rate
        self._offsets = np.arange(-LOBE_BINS, LOBE_BINS + 1)
        self._noise = WhiteNoise(frames, seed)

    @property
    def latency(self) -> int:
        """Samples: call k returns the samples that begin at k * hop - latency."""
        return -self._overlap_add.first

    def frame(self, magnitude: np.ndarray | None, hint: Hint | None = None) -> NDArray[np.float32]:
        """Return the next samples (hop,) of what the hint says.

        magnitude: (bins,) where it is given the hint gives the phases only. Without a hint it is that of noise.
        """
        if hint is None:
            spectrum = self._noise.next() * self._frames.accept(magnitude)
        else:
            spectrum = self.spectrum(hint, 0.0 if magnitude is None else FAINT)
            if magnitude is not None:
                spectrum *= self._frames.accept(magnitude) / np.maximum(np.abs(spectrum), TINY)
        return self.add(spectrum)

    def spectrum(self, hint: Hint, least_noise: float = 0.0) -> NDArray[np.complex128]:
        """Return the next complex frame (bins,): the noise moves on by a hop. `add` makes samples of it.

        Its absolute value is the spectrogram to be shown, or to be given to another method.
        """
        level = 0.0 if hint.noise is None else self._frames.accept(hint.noise)
        spectrum = self._noise.next()
        spectrum *= np.maximum(level, least_noise)
        spectrum += self.partials(hint)
        return spectrum

    def add(self, spectrum: np.ndarray) -> NDArray[np.float32]:
        """Return the next samples (hop,), the next complex frame being `spectrum` (bins,)."""
        return self._overlap_add.add(np.fft.irfft(spectrum, self._frames.n_fft))

    def partials(self, hint: Hint) -> NDArray[np.complex128]:
        """Return the spectrum (bins,) of a frame's partials alone; keeps nothing.

        A cosine of amplitude a at `place` bins, with phase p at the frame's centre, has a / 2 exp(2 pi i p) (-1)^b W(place - b)
        at bin b, W being the Hann window's transform about its middle: n_fft / 2 sinc(d) / (1 - d^2).
        """
        place, amplitude, phase = _sounding(hint, self._bins_per_hz, self._frames.bins - 1)
        if not place.size:
            return np.zeros(self._frames.bins, np.complex128)
        nearest = np.rint(place)
        off = place - nearest
        off = np.where(np.abs(off) < OFF_BIN, OFF_BIN, off)
        distance = off[:, None] - self._offsets
        # (-1)^b is (-1)^nearest times the sign that sin(pi distance) takes from bin to bin: the two cancel.
        above = np.sin(np.pi * off) / np.pi * np.where(nearest % 2, -1.0, 1.0)
        lobe = (self._frames.n_fft / 4 * amplitude * above)[:, None] / (distance * (1 - distance**2))
        index = (nearest.astype(np.int64)[:, None] + self._offsets + LOBE_BINS).ravel()
        turn, size = 2 * np.pi * phase[:, None], self._frames.bins + 2 * LOBE_BINS
        real = np.bincount(index, (lobe * np.cos(turn)).ravel(), size)
        imaginary = np.bincount(index, (lobe * np.sin(turn)).ravel(), size)
        return _folded(real, imaginary)

    def renew_noise(self, number: int, ahead: int) -> None:
        """Begin another noise, one for each number, with its sample `ahead`: what comes `ahead` samples later is then the same."""
        self._noise.renew(number, ahead)

    def reset(self) -> None:
        """Forget everything: the same noise again."""
        self._overlap_add.reset()
        self._noise.reset()


class WhiteNoise:
    """The frames of one endless white noise, whose mean power is 1 in every bin."""

    def __init__(self, frames: Frames, seed: int) -> None:
        self._window = frames.window / np.sqrt(np.sum(frames.window**2))
        self._hop, self._seed = frames.hop, seed
        self._samples = np.zeros(frames.n_fft)
        self.reset()

    def next(self) -> NDArray[np.complex128]:
        """Return the next frame (bins,)."""
        self._samples[: -self._hop] = self._samples[self._hop :]
        self._samples[-self._hop :] = self._random.standard_normal(self._hop)
        return np.fft.rfft(self._samples * self._window)

    def renew(self, number: int, ahead: int) -> None:
        """Begin the noise of that number, at its sample `ahead`."""
        self._random = np.random.default_rng([self._seed, number])
        self._samples[:] = self._random.standard_normal(len(self._samples) + ahead)[ahead:]

    def reset(self) -> None:
        """Begin anew."""
        self._random = np.random.default_rng(self._seed)
        self._samples[:] = self._random.standard_normal(len(self._samples))


def _sounding(hint: Hint, bins_per_hz: float, last: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (place in bins, amplitude, phase) of the partials that are finite, not silent and below half the sample rate."""
    place = np.asarray(hint.frequency, np.float64) * bins_per_hz
    amplitude, phase = np.asarray(hint.amplitude, np.float64), np.asarray(hint.phase, np.float64)
    kept = (place > 0) & (place < last) & (np.abs(amplitude) <= LOUDEST) & (amplitude != 0) & np.isfinite(phase)
    return place[kept], amplitude[kept], phase[kept]


def _folded(real: np.ndarray, imaginary: np.ndarray) -> NDArray[np.complex128]:
    """Return the spectrum of a real signal: what lies beyond 0 and half the sample rate is mirrored and conjugated."""
    for part, sign in ((real, 1.0), (imaginary, -1.0)):
        part[LOBE_BINS : 2 * LOBE_BINS + 1] += sign * part[LOBE_BINS::-1]
        part[-2 * LOBE_BINS - 1 : -LOBE_BINS] += sign * part[: -LOBE_BINS - 2 : -1]
    inner = slice(LOBE_BINS, -LOBE_BINS)
    return real[inner] + 1j * imaginary[inner]
