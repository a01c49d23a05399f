"""Onsets of aligned notes moved to where the recording's own harmonics rise.

An alignment made frame by frame is rounded to its hop. Here every note asks the recording when its harmonics, and not
those of its neighbours, grow fastest. Called by `sources` for what is trained on; what is tested on keeps its given
times.
"""

from __future__ import annotations

import numpy as np

WINDOW, HOP = 1024, 80  # samples: 32 ms seen every 2.5 ms at 32 kHz
SEARCH_SECONDS = 0.05  # either way
STEP_SECONDS = 0.0125  # a rise is measured across twice this
HARMONICS, HIGHEST_HZ = 10, 6000.0
CLEAR_RISE, CLEAR_MARGIN = (
    0.25,
    1.6,
)  # share of the loudest moment that the rise makes up; how far above the typical one
SHORTEST_SECONDS = 0.03


def refine_onsets(audio: np.ndarray, sample_rate: int, notes: np.ndarray) -> np.ndarray:
    """Return the notes with the clear onsets moved; their order and what they overlap stays.

    audio: (samples,) float; notes: (notes, 4) float64, seconds, seconds, pitch, velocity, sorted by onset.
    No onset moves past half of the way to the next or the previous one; an offset that came before the next onset
    still does.
    """
    onsets = notes[:, 0]
    distinct = np.unique(onsets)
    place = np.searchsorted(distinct, onsets)
    to_previous = np.concatenate([[np.inf], np.diff(distinct)])[place]
    to_next = np.concatenate([np.diff(distinct), [np.inf]])[place]
    refined = notes.copy()
    for index, (onset, _, pitch, _) in enumerate(notes):
        earliest = onset - min(SEARCH_SECONDS, to_previous[index] / 2)
        latest = onset + min(SEARCH_SECONDS, to_next[index] / 2)
        found = rise_of(audio, sample_rate, pitch, onset)
        if found is not None and earliest <= found <= latest:
            refined[index, 0] = max(0.0, found)
    moved_to = {given: refined[place == number, 0].min() for number, given in enumerate(distinct)}
    for index, (onset, offset, _, _) in enumerate(notes):
        after = np.searchsorted(distinct, offset - 1e-9)
        near = [distinct[number] for number in (after - 1, after) if 0 <= number < len(distinct)]
        for given in near:
            if given > onset and offset <= given + 1e-9:
                refined[index, 1] = min(refined[index, 1], moved_to[given])
    refined[:, 1] = np.maximum(refined[:, 1], refined[:, 0] + SHORTEST_SECONDS)
    return refined[np.lexsort((refined[:, 2], refined[:, 0]))]


def rise_of(audio: np.ndarray, sample_rate: int, pitch: float, onset: float) -> float | None:
    """Return the second near `onset` at which the harmonics of `pitch` grow fastest, or None if no moment stands out."""
    step = round(STEP_SECONDS * sample_rate / HOP)
    reach = round(SEARCH_SECONDS * sample_rate / HOP)
    centres = round(onset * sample_rate) + HOP * np.arange(-reach - step, reach + step + 1)
    amplitude = _harmonics(audio, sample_rate, pitch, centres)
    # only what grows counts: harmonics that a dying note shares cannot hide a new note's others
    rise = np.maximum(amplitude[2 * step :] - amplitude[: -2 * step], 0).sum(1)
    loudest = amplitude.sum(1).max()
    best = int(np.argmax(rise))
    if loudest <= 0 or rise[best] < CLEAR_RISE * loudest or rise[best] < CLEAR_MARGIN * np.median(rise):
        return None
    if best in (0, len(rise) - 1):
        return None
    before, peak, after = rise[best - 1 : best + 2]
    bow = before - 2 * peak + after
    fraction = 0.5 * (before - after) / bow if bow < 0 else 0.0
    return float((centres[step + best] + fraction * HOP) / sample_rate)


def _harmonics(audio: np.ndarray, sample_rate: int, pitch: float, centres: np.ndarray) -> np.ndarray:
    """(centres, harmonics) root amplitudes of the harmonics of a pitch, within a quarter tone of where they should be."""
    fundamental = 440 * 2 ** ((pitch - 69) / 12)
    count = max(1, min(HARMONICS, int(HIGHEST_HZ / fundamental)))
    time = (np.arange(WINDOW) - WINDOW / 2) / sample_rate
    padded = np.pad(audio, WINDOW)
    frames = padded[centres[:, None] + WINDOW // 2 + np.arange(WINDOW)].astype(np.float32)
    steps = np.array([-0.4, 0, 0.4])
    frequencies = fundamental * np.arange(1, count + 1)[:, None] * 2 ** (steps / 12)
    probes = np.hanning(WINDOW)[:, None] * np.exp(-2j * np.pi * time[:, None] * frequencies.ravel())
    seen = np.abs(frames @ probes.astype(np.complex64)).reshape(len(centres), count, len(steps))
    return np.sqrt(seen.max(2))
