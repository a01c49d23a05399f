"""Partials that ring and decay: a sum of them from given amplitudes, made as products of matrices.

A mode at sample a + b is its mode at a times its mode at b, so that blocks times samples within a block make all of them:
some hundred modes sound a hundred times faster than they are heard. Called by `modelled_piano`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BLOCK, CHUNK = 128, 64  # samples, and blocks of them, that one product of matrices makes
SILENT = 1e-5  # a mode below has ended


@dataclass(frozen=True, slots=True)
class Modes:
    """How a key's modes go on from one sample: their logarithm, over a block (2 modes, BLOCK), over a chunk (CHUNK, modes)."""

    poles: np.ndarray
    inner: np.ndarray
    outer: np.ndarray

    @classmethod
    def of(cls, poles: np.ndarray) -> Modes:
        inner = np.exp(poles[:, None] * np.arange(BLOCK))
        rows = np.stack([inner.real, -inner.imag], 1).reshape(-1, BLOCK).astype(np.float32)
        return cls(poles, rows, np.exp(poles * BLOCK * np.arange(CHUNK)[:, None]).astype(np.complex64))

    def ring(self, output: np.ndarray, state: np.ndarray) -> np.ndarray:
        """Add what sounds from the complex amplitudes (modes,) to output (samples,); return what is left at its end."""
        for start in range(0, len(output), BLOCK * CHUNK):
            loud = np.flatnonzero(np.abs(state) > SILENT)
            if not len(loud):
                return np.zeros_like(state)
            count = min(BLOCK * CHUNK, len(output) - start)
            last, blocks = int(loud[-1]) + 1, -(-count // BLOCK)
            now = np.ascontiguousarray(self.outer[:blocks, :last] * state[:last].astype(np.complex64)).view(np.float32)
            output[start : start + count] += (now @ self.inner[: 2 * last]).ravel()[:count]
            state = state * np.exp(self.poles * count)
        return state

    def first_block(self, state: np.ndarray) -> np.ndarray:
        return np.asarray(state.astype(np.complex64).view(np.float32) @ self.inner)
