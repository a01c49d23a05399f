"""RTISI-LA (Zhu, Beauregard and Wyse 2007): Griffin and Lim's iteration over the newest frames only, hop by hop.

The newest frames stay open: each iteration takes the signal that all frames make together, and gives every open frame the phases
of that signal under its window. The oldest of them is then settled. Two things are different from the paper:

* A frame's analysis window is divided by the windows that really lie on its samples, so it is steep where frames are still to
  come, and levels are right there (asymmetric throughout, not for the newest frame alone).
* Every iteration goes beyond its result by a share of its last change, as in fast Griffin-Lim.
"""

import numpy as np
from numpy.typing import NDArray

from models.phase.frames import LEAST_SHARE, Frames
from models.phase.stream import Hint

LEAST_COVER = 1e-3  # of a full overlap: where less lies on a sample its analysis window falls to 0
TINY = 1e-9


class RtisiLa:
    """A stream whose frames wait `look_ahead` hops while they are iterated on; each hop costs (look_ahead + 1) * iterations."""

    def __init__(self, frames: Frames, look_ahead: int = 2, iterations: int = 4, momentum: float = 0.7) -> None:
        if look_ahead < 0 or iterations < 0:
            raise ValueError(
                f"look_ahead is {look_ahead} and iterations is {iterations}; allowed: 0 and more, hops and times"
            )
        self._frames, self._look_ahead = frames, look_ahead
        self._iterations, self._momentum = iterations, np.float32(momentum)
        self._window = frames.window.astype(np.float32)
        self._spans = [slice(j * frames.hop, j * frames.hop + frames.n_fft) for j in range(look_ahead + 1)]
        self._covers = [self._cover(seen) for seen in range(look_ahead + frames.overlap)]
        # A frame that comes out of silence begins as a click in its middle, not at its edge, where the window is 0.
        self._click = np.where(np.arange(frames.bins) % 2, -TINY, TINY).astype(np.float32)
        self._settled = np.zeros(frames.n_fft + look_ahead * frames.hop, np.float32)
        self._sum = np.zeros_like(self._settled)
        self._parts = np.zeros(
            (look_ahead + 1, frames.n_fft), np.float32
        )  # open frames under both windows, oldest first
        self._magnitudes = np.zeros((look_ahead + 1, frames.bins), np.float32)
        self._last = np.zeros((look_ahead + 1, frames.bins), np.complex64)  # spectra of the last iteration
        self._seen = 0

    @property
    def latency(self) -> int:
        """Samples: call k returns the samples that begin at k * hop - latency."""
        return self._look_ahead * self._frames.hop

    def frame(self, magnitude: np.ndarray | None, hint: Hint | None = None) -> NDArray[np.float32]:
        """Return the next samples (hop,) for the next magnitude (bins,)."""
        self._open(self._frames.accept(magnitude))
        hop, newest = self._frames.hop, self._look_ahead
        before, with_all, gain = self._covers[self._seen]
        self._seen = min(self._seen + 1, len(self._covers) - 1)
        self._redraw(newest, self._spectrum(newest, before))
        for iteration in range(self._iterations):
            for j in range(newest, -1, -1):
                spectrum = self._spectrum(j, with_all[j])
                beyond = spectrum
                if iteration:
                    beyond = spectrum + self._momentum * (spectrum - self._last[j])
                self._last[j] = spectrum
                self._redraw(j, beyond)
        self._settled[: self._frames.n_fft] += self._parts[0]
        return self._settled[:hop] * gain

    def reset(self) -> None:
        """Forget everything."""
        for state in (self._settled, self._sum, self._parts, self._magnitudes, self._last):
            state[:] = 0
        self._seen = 0

    def _open(self, magnitude: np.ndarray) -> None:
        """Move everything on by a hop and let the newest frame in, still without samples."""
        hop = self._frames.hop
        self._settled[:-hop] = self._settled[hop:]
        self._settled[-hop:] = 0
        for rows in (self._parts, self._magnitudes, self._last):
            rows[:-1] = rows[1:]
        self._parts[-1], self._magnitudes[-1] = 0, magnitude
        self._sum[:] = self._settled
        for part, span in zip(self._parts, self._spans, strict=True):
            self._sum[span] += part

    def _spectrum(self, j: int, window: np.ndarray) -> NDArray[np.complex64]:
        """Return the spectrum (bins,) of the present signal under open frame j's window."""
        return np.fft.rfft(self._sum[self._spans[j]] * window).astype(np.complex64, copy=False)

    def _redraw(self, j: int, spectrum: np.ndarray) -> None:
        """Give open frame j the phases of `spectrum`."""
        spectrum = spectrum + self._click
        spectrum *= self._magnitudes[j] / np.maximum(np.abs(spectrum), np.float32(1e-30))
        part = np.fft.irfft(spectrum, self._frames.n_fft).astype(np.float32, copy=False) * self._window
        self._sum[self._spans[j]] += part - self._parts[j]
        self._parts[j] = part

    def _cover(self, seen: int) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
        """Return (the newest frame's first window, every open frame's window, the settled hop's gain) after `seen` frames."""
        frames, newest = self._frames, self._look_ahead
        square, n_fft, hop = frames.window**2, frames.n_fft, frames.hop
        full = np.resize(frames.power, n_fft)
        cover = np.zeros(n_fft + newest * hop)
        windows: list[list[np.ndarray]] = []
        for j in range(max(newest - seen, 1 - frames.overlap), newest + 1):
            if j == newest:
                windows.append([self._divided(cover[span], full) for span in self._spans])
            first = max(0, j * hop)
            cover[first : j * hop + n_fft] += square[first - j * hop :]
        windows.append([self._divided(cover[span], full) for span in self._spans])
        gain = 1 / np.maximum(cover[:hop], LEAST_SHARE * frames.power)
        return windows[0][newest], windows[1], gain.astype(np.float32)

    def _divided(self, cover: np.ndarray, full: np.ndarray) -> NDArray[np.float32]:
        share = cover / full
        return np.where(share > 0, self._frames.window / np.maximum(cover, LEAST_COVER * full), 0).astype(np.float32)
