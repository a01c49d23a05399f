"""What the two bars to come may be like: songs repeat themselves, so what came after bars like these comes again.

Each earlier bar is as likely the model as the chords up to it are like the chords up to now, those near more than those far, and phrases
of four bars a little more than others; what came after the likeliest of them is averaged. Nothing is learned here. What it is worth:
`backline bench arranger_foresight`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.arranger.config import BEATS_A_BAR, ROOTS

MOST_BARS = 64  # that are looked back at
LIKE_BARS, NEAR = 4, 0.6  # bars that are compared, and how much less each one before counts
PHRASE_BARS, PHRASE = 4, 0.1  # what a phrase's length is worth
SHARPNESS = 14.0
MODELS = 8  # bars that are averaged at most
AHEAD = 2  # bars that are foreseen
CHROMA = slice(ROOTS, ROOTS + 12)


def models_of(chords: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return bars whose next two bars are what may come, and their shares.

    chords: (bars, BEATS_A_BAR, CHORD) activations of what was heard, at least AHEAD + 1 bars; of the last bar all but its last beat
    counts, which is not heard yet. Both returned are (models,); a model has its next bars among those heard.
    """
    now = len(chords) - 1
    root, chroma = _unit(chords[..., :ROOTS]), _unit(chords[..., CHROMA])
    places = np.arange(now - AHEAD + 1)
    like, whole = np.zeros(len(places)), 0.0
    for back in range(LIKE_BARS):
        weight, whole = NEAR**back, whole + NEAR**back
        if back > now:
            continue
        beats = BEATS_A_BAR - (back == 0)
        there = places[back:] - back
        for values in (root, chroma):
            found = (values[there, :beats] * values[now - back, :beats]).sum((1, 2))
            like[back:] += weight * found / (2 * BEATS_A_BAR)
    like = like / whole + PHRASE * ((now - places) % PHRASE_BARS == 0)
    likeliest = np.argsort(-like, kind="stable")[:MODELS]
    shares = np.exp(SHARPNESS * (like[likeliest] - like[likeliest[0]]))
    return places[likeliest], (shares / shares.sum()).astype(np.float32)


def foreseen(values: Sequence[np.ndarray], places: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return what may come of values, an array for each bar, in the next AHEAD bars, (AHEAD, ...), by what `models_of` found."""
    later = [np.stack(values[place + 1 : place + 1 + AHEAD]).astype(np.float32) for place in places.tolist()]
    return np.tensordot(shares, np.stack(later), 1)


def _unit(values: np.ndarray) -> np.ndarray:
    return values / (np.linalg.norm(values, axis=-1, keepdims=True) + 1e-6)
