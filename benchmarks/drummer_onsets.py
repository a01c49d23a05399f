"""Drum strokes in the sound of drums: how `drummer_mel_table` reads what only gives audio.

Power in three regions of the spectrum, where a kick, a snare and a timekeeper are strongest; a stroke is a peak of how fast its
level rises. What it is worth is seen in the table, whose first row are the real drums read in the same way.
"""

from __future__ import annotations

import numpy as np

from benchmarks.drummer_scores import KICK, SNARE, TIME, Hits

RATE, WINDOW, HOP = 22050, 1024, 256
REGIONS_HZ = {KICK: (30.0, 110.0), SNARE: (180.0, 1500.0), TIME: (6000.0, 11000.0)}
RISE_FRAMES = 3  # over which a level rises
QUIET_DB = 40.0  # below a region's loudest: what rises there is no stroke
LEAST_RISE = {
    KICK: 0.35,
    SNARE: 0.8,
    TIME: 0.25,
}  # of the strongest rises (their 95th percentile); a kick is heard in the middle too
APART_SECONDS = 0.06


def strokes(audio: np.ndarray, sample_rate: int) -> Hits:
    """Return the strokes in (samples,) float32 of drums."""
    import soxr

    sound = soxr.resample(np.asarray(audio, np.float32), sample_rate, RATE)
    sound = np.pad(sound, (WINDOW // 2, WINDOW))
    frames = np.lib.stride_tricks.sliding_window_view(sound, WINDOW)[::HOP] * np.hanning(WINDOW)
    power = np.square(np.abs(np.fft.rfft(frames)))
    frequencies = np.fft.rfftfreq(WINDOW, 1 / RATE)
    rows: list[tuple[float, int]] = []
    for part, (low, high) in REGIONS_HZ.items():
        level = power[:, (frequencies >= low) & (frequencies < high)].sum(1)
        rows += [(frame * HOP / RATE, part) for frame in _peaks(level, LEAST_RISE[part])]
    rows.sort()
    return Hits(np.array([row[0] for row in rows], float), np.array([row[1] for row in rows], int))


def _peaks(power: np.ndarray, least: float) -> list[int]:
    """Return the frames in the middle of each rise that is steep enough."""
    if power.max(initial=0) <= 1e-10:
        return []
    level = np.maximum(10 * np.log10(np.maximum(power / power.max(), 1e-10)), -QUIET_DB)
    rise = np.maximum(0, level[RISE_FRAMES:] - level[:-RISE_FRAMES])
    rising = rise[rise > 1]
    if not len(rising):
        return []
    wanted = least * float(np.percentile(rising, 95))
    apart, found = round(APART_SECONDS * RATE / HOP), list[int]()
    for frame in np.flatnonzero(rise >= wanted):
        around = rise[max(0, frame - apart) : frame + apart + 1]
        if rise[frame] == around.max() and (not found or frame - found[-1] > apart):
            found.append(int(frame))
    return [frame + RISE_FRAMES // 2 + 1 for frame in found]
