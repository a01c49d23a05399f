"""Notes to samples by the published network: its spectrogram in overlapping windows, its phases by Griffin-Lim.

Offline: it wants the whole score, and looks 131 frames ahead in it.
"""

from __future__ import annotations

import numpy as np
import torch

from models.performer.published.corrections import Corrections
from models.performer.published.data import rolls
from models.performer.published.network import ALIGNED, PublishedNetwork
from models.phase.frames import Frames
from models.phase.griffin_lim import griffin_lim

HALO = 144  # frames: the network sees 143 back and 131 ahead, instance norms aside
FADE = 16  # frames, over which a window hands over to the next
BATCH = 8  # windows
ITERATIONS = 300
TAIL_SECONDS = 1.0  # after the last note
RELEASED_BINS = 150  # what is heard as released: 3.2 kHz


def render(
    network: PublishedNetwork,
    notes: np.ndarray,
    seconds: float | None = None,
    *,
    iterations: int = ITERATIONS,
    seed: int = 0,
) -> np.ndarray:
    """Return (samples,) float32 at the network's rate, no louder than full scale.

    notes: (notes, 4), onset and offset in seconds, pitch, velocity, which this network does not hear.
    seconds: of the rendering; until a second after the last note, if left out.
    """
    if not network.corrections.own_scores:
        raise ValueError("as released, only chunks of the data set can be rendered: own_scores is off")
    length = seconds if seconds is not None else float(notes[:, 1].max(initial=0)) + TAIL_SECONDS
    samples = round(length * network.config.sample_rate)
    magnitude = magnitudes(predict(network, notes, length), network.corrections)
    frames = Frames(network.config.n_fft, network.config.hop)
    audio = griffin_lim(magnitude.T, frames, iterations, momentum=0.0, seed=seed)[frames.n_fft // 2 :]  # centred frames
    audio = np.pad(audio[:samples], (0, max(0, samples - len(audio))))
    return (audio / max(1.0, float(np.abs(audio).max(initial=0)))).astype(np.float32)


def predict(network: PublishedNetwork, notes: np.ndarray, seconds: float) -> np.ndarray:
    """Return the network's log(1 + power), (bins, frames) float32, of a score of any length."""
    config, corrections = network.config, network.corrections
    rate = config.frame_rate if corrections.true_frame_rate else config.sample_rate // config.hop
    frames = 1 + int(seconds * config.sample_rate) // config.hop
    given = np.stack(rolls(notes, frames, rate, corrections)).astype(np.float32)  # (2, 128, frames)
    network.eval()
    return _in_windows(network, given) if corrections.windowed else _heard(network, given[None])[0]


def magnitudes(log_power: np.ndarray, corrections: Corrections) -> np.ndarray:
    """Return the magnitudes that Griffin-Lim is given."""
    wanted = np.maximum(log_power, 0)
    if corrections.inverted_power:
        wanted = np.sqrt(np.expm1(wanted))
    if not corrections.whole_band:
        wanted = wanted * (np.arange(len(wanted)) < RELEASED_BINS)[:, None]
    return np.asarray(wanted, np.float32)


def _in_windows(network: PublishedNetwork, given: np.ndarray) -> np.ndarray:
    """Windows as long as a training chunk; the middle of each counts, faded into its neighbours."""
    frames, size = given.shape[2], network.config.frames // ALIGNED * ALIGNED
    halo = min(HALO, size // 3 // ALIGNED * ALIGNED)
    kept = size - 2 * halo
    count = max(1, -(-frames // kept))
    padded = np.pad(given, ((0, 0), (0, 0), (halo, count * kept + halo - frames)))
    weight = np.zeros(size, np.float32)
    weight[halo : halo + kept] = 1.0
    fade = min(FADE, halo, kept) // 2
    ramp = (np.arange(2 * fade) + 0.5) / (2 * fade)
    weight[halo - fade : halo + fade] = ramp
    weight[size - halo - fade : size - halo + fade] = ramp[::-1]
    made = np.zeros((network.config.bins, padded.shape[2]), np.float32)
    shares = np.zeros(padded.shape[2], np.float32)
    starts = range(0, count * kept, kept)
    for first in range(0, count, BATCH):
        some = starts[first : first + BATCH]
        for start, said in zip(
            some, _heard(network, np.stack([padded[:, :, s : s + size] for s in some])), strict=True
        ):
            made[:, start : start + size] += weight * said
            shares[start : start + size] += weight
    made, shares = made[:, halo : halo + frames], shares[halo : halo + frames]
    return np.asarray(made / shares)


def _heard(network: PublishedNetwork, given: np.ndarray) -> np.ndarray:
    """(batch, 2, 128, frames) -> (batch, bins, frames)."""
    tensor = torch.from_numpy(given)
    with torch.no_grad():
        return np.asarray(network(tensor[:, 0], tensor[:, 1]).float().numpy())
