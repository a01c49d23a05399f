"""How far each written note of a recording is from its pitch while it sounds, measured under other notes too.

The harmonics of one written note are summed in a narrow band around their places, harmonics that another sounding
note covers are left out, and the smoothest strong path through the sums is the contour. Called by `sources`.
"""

from __future__ import annotations

import numpy as np

WINDOW, HOP, TRANSFORM = 2048, 256, 8192  # samples: 64 ms every 8 ms at 32 kHz
CENTS = np.arange(-70.0, 71.0, 5.0)
HARMONICS, HIGHEST_HZ = 16, 5000.0
COVERED_HZ = 45.0  # a harmonic nearer than this to another note's tells nothing
STEP_COST = 0.06  # of a path that moves by 5 cents within a frame, against a sum whose best is about 1
SHARPNESS = 1.3  # of the best sum over the mean one, from which a point is believed
FARTHEST_SEMITONES = 0.12  # of a point from the middle of the five around it
QUIETEST = 0.1  # of a note's loudest frame, as amplitude
FRAMES_AT_ONCE = 512


def track_pitch(audio: np.ndarray, sample_rate: int, notes: np.ndarray) -> np.ndarray:
    """Return (points, 3) float64: index of the note, seconds, semitones away from its written pitch.

    audio: (samples,) float; notes: (notes, 4), onset and offset in seconds, pitch, velocity. Only frames whose centre
    lies within the note and whose contour is believed make points.
    """
    padded = np.pad(np.asarray(audio, np.float32), WINDOW)
    points = [_contour(padded, sample_rate, notes, index) for index in range(len(notes))]
    return np.concatenate(points) if points else np.zeros((0, 3))


def _contour(padded: np.ndarray, sample_rate: int, notes: np.ndarray, index: int) -> np.ndarray:
    onset, offset, pitch, _ = notes[index]
    last = (len(padded) - 2 * WINDOW) / sample_rate
    frames = np.arange(np.ceil(max(onset, 0) * sample_rate / HOP), np.floor(min(offset, last) * sample_rate / HOP) + 1)
    seconds = frames * HOP / sample_rate
    if not len(frames):
        return np.zeros((0, 3))
    fundamental = 440 * 2 ** ((pitch - 69) / 12)
    numbers = np.arange(1, max(1, min(HARMONICS, int(HIGHEST_HZ / fundamental))) + 1)
    free = _free(notes, index, seconds, fundamental * numbers)
    sums, level = np.zeros((len(frames), len(CENTS))), np.zeros(len(frames))
    for first in range(0, len(frames), FRAMES_AT_ONCE):
        some = slice(first, first + FRAMES_AT_ONCE)
        sums[some], level[some] = _sums(padded, sample_rate, frames[some].astype(int), fundamental, numbers, free[some])
    path = _smooth_path(sums)
    semitones, sharpness = _peak(sums, path)
    around = np.pad(semitones, 2, mode="edge")[np.arange(len(frames))[:, None] + np.arange(5)]
    believed = (
        (sharpness > SHARPNESS)
        & (level > QUIETEST * level.max())
        & (path > 0)
        & (path < len(CENTS) - 1)
        & (np.abs(semitones - np.median(around, 1)) < FARTHEST_SEMITONES)
    )
    return np.stack([np.full(len(frames), float(index)), seconds, semitones], 1)[believed]


def _free(notes: np.ndarray, index: int, seconds: np.ndarray, harmonics: np.ndarray) -> np.ndarray:
    """(frames, harmonics) bool: which harmonics no other sounding note covers; at least the best of them is kept."""
    free = np.ones((len(seconds), len(harmonics)), bool)
    half = 0.032  # what another note leaves in half a window
    for other, (onset, offset, pitch, _) in enumerate(notes):
        sounding = (seconds > onset - half) & (seconds < offset + 2 * half)
        if other == index or pitch == notes[index, 2] or not sounding.any():
            continue
        theirs = 440 * 2 ** ((pitch - 69) / 12)
        nearest = np.maximum(np.round(harmonics / theirs), 1) * theirs
        free &= ~(sounding[:, None] & (np.abs(harmonics - nearest) < COVERED_HZ)[None])
    return free


def _sums(
    padded: np.ndarray, sample_rate: int, frames: np.ndarray, fundamental: float, numbers: np.ndarray, free: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(frames, CENTS) sums of root amplitudes, and (frames,) the amplitude at the best of them."""
    begins = frames * HOP + WINDOW - WINDOW // 2
    pieces = padded[begins[:, None] + np.arange(WINDOW)] * np.hanning(WINDOW).astype(np.float32)
    magnitude = np.sqrt(np.abs(np.fft.rfft(pieces, TRANSFORM, axis=1)))
    bins = fundamental * numbers[:, None] * 2 ** (CENTS / 1200) * TRANSFORM / sample_rate
    low = np.floor(bins).astype(int)
    share = bins - low
    values = magnitude[:, low] * (1 - share) + magnitude[:, low + 1] * share
    values *= free[:, :, None]
    sums = values.sum(1)
    return sums, (values**2).sum(1).max(1)


def _smooth_path(sums: np.ndarray) -> np.ndarray:
    """(frames,) int: the path through CENTS that sums most while it moves little (Viterbi)."""
    scores = sums / (sums.max(1, keepdims=True) + 1e-12)
    cost = STEP_COST * np.abs(np.arange(len(CENTS))[:, None] - np.arange(len(CENTS))[None])
    total = scores[0]
    came_from = np.zeros(scores.shape, int)
    for frame in range(1, len(scores)):
        reached = total[:, None] - cost
        came_from[frame] = reached.argmax(0)
        total = reached.max(0) + scores[frame]
    path = np.zeros(len(scores), int)
    path[-1] = int(np.argmax(total))
    for frame in range(len(scores) - 1, 0, -1):
        path[frame - 1] = came_from[frame, path[frame]]
    return path


def _peak(sums: np.ndarray, path: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(frames,) semitones of the peak beside the path, between the steps of CENTS, and its sharpness."""
    rows = np.arange(len(sums))
    for _ in range(3):  # the path is smooth; the peak may be some steps away
        around = np.clip(path[:, None] + np.arange(-1, 2), 0, len(CENTS) - 1)
        path = around[rows, sums[rows[:, None], around].argmax(1)]
    middle = np.clip(path, 1, len(CENTS) - 2)
    before, peak, after = sums[rows, middle - 1], sums[rows, middle], sums[rows, middle + 1]
    bow = before - 2 * peak + after
    fraction = np.where(bow < 0, 0.5 * (before - after) / np.where(bow < 0, bow, -1), 0.0)
    step = (CENTS[1] - CENTS[0]) / 100
    semitones = CENTS[middle] / 100 + np.clip(fraction, -1, 1) * step
    return semitones, sums[rows, path] / (sums.mean(1) + 1e-12)
