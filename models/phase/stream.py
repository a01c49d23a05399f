"""The one interface of streaming phase reconstruction: a magnitude frame in, a hop of samples out."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Hint:
    """What a known score says of one frame. All arrays are finite or what is not is left out.

    frequency: (partials,) Hz at the frame's centre.
    amplitude: (partials,) linear, that of the sinusoid.
    phase: (partials,) of the cosine, in cycles, at the frame's centre (sample n_fft / 2 of the frame).
    noise: (bins,) root mean square magnitude of the noise, in units of the spectrogram; None is none.
    """

    frequency: np.ndarray
    amplitude: np.ndarray
    phase: np.ndarray
    noise: np.ndarray | None = None


class PhaseStream(Protocol):
    """One stream: owns its state, keeps a constant amount of it, and gives the same samples for the same frames."""

    @property
    def latency(self) -> int:
        """Samples: call k returns the samples that begin at k * hop - latency; negative where they begin later."""
        ...

    def frame(self, magnitude: np.ndarray | None, hint: Hint | None = None) -> NDArray[np.float32]:
        """Take the next frame's magnitude (bins,) and return the next samples (hop,).

        Raises ValueError where a method needs a magnitude and there is none, or where its shape is wrong.
        """
        ...

    def reset(self) -> None:
        """Forget everything: afterwards the stream behaves like a new one."""
        ...


def run(
    stream: PhaseStream, magnitudes: Iterable[np.ndarray | None], hints: Iterable[Hint] | None = None
) -> NDArray[np.float32]:
    """Put frames through a stream, one after the other, and return all it gave (frames * hop,), latency included."""
    if hints is None:
        return _joined([stream.frame(magnitude) for magnitude in magnitudes])
    return _joined([stream.frame(magnitude, hint) for magnitude, hint in zip(magnitudes, hints, strict=True)])


def _joined(hops: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.concatenate(hops) if hops else np.zeros(0, np.float32)
