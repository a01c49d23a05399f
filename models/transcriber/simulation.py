"""The decoder's rule over all validation excerpts at once, so that thousands of thresholds can be tried.

What `decode.NoteTracker` does for one stream, here for every pitch of every excerpt side by side. Called by `calibration`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from models.transcriber.config import LOWEST_PITCH, PITCHES, TranscriberConfig
from models.transcriber.decode import LOW_KEYS, PLACES_AFTER, PLACES_BEFORE, SHORTEST_GAP_SECONDS, YOUNG_FRAMES
from models.transcriber.validation import Excerpt


class Heard:
    """The network's outputs on all excerpts, side by side: (hops, heads, excerpts * 88)."""

    def __init__(
        self, outputs: list[dict[str, np.ndarray]], excerpts: list[Excerpt], config: TranscriberConfig
    ) -> None:
        hops = min(len(one["onset"]) for one in outputs)
        side_by_side = {
            name: np.concatenate([one[name][:hops] for one in outputs], -1)
            for name in ("onset", "shift", "frame", "offset")
        }
        self.onset, self.shift = side_by_side["onset"], side_by_side["shift"]
        self.frame, self.offset = side_by_side["frame"], side_by_side["offset"]
        self.pedal = np.stack([one["pedal"][:hops] for one in outputs], -1)  # (hops, heads, excerpts)
        self.config, self.hops, self.excerpts = config, hops, excerpts
        rows = []
        for number, excerpt in enumerate(excerpts):
            notes = excerpt.score.notes
            notes = notes[notes[:, 0] < (hops * config.hop - config.sample_rate)]
            column = number * PITCHES + notes[:, 2] - LOWEST_PITCH
            rows.append(np.stack([column, notes[:, 0], notes[:, 1]], 1))
        self.truth = np.concatenate(rows).astype(float)  # (notes, 3): column, onset, offset in samples
        self.low = np.arange(self.onset.shape[2]) % PITCHES < LOW_KEYS


def strikes(heard: Heard, thresholds: Mapping[int, tuple[float, float]], rearm_ratio: float = 0.5) -> np.ndarray:
    """Return (notes, 4) of `decode.NoteTracker`'s rule: column, place, sample at which it was known, hop.

    thresholds: head -> (from E2 up, below).
    """
    config = heard.config
    heads = sorted(thresholds, reverse=True)
    limits = np.stack([np.where(heard.low, thresholds[h][1], thresholds[h][0]) for h in heads])
    gap = SHORTEST_GAP_SECONDS * config.sample_rate
    last = np.full(limits.shape[1], -1e12)
    armed, before = np.ones_like(limits, bool), np.zeros_like(limits)
    found: list[np.ndarray] = []
    for hop in range(heard.hops):
        onset = heard.onset[hop, heads]
        crossed = (onset >= limits) & armed
        if crossed.any():
            end = (hop + 1) * config.hop
            for row in np.flatnonzero(crossed.any(1)):
                columns = np.flatnonzero(crossed[row])
                start = end - config.look_ahead[heads[row]] - config.frame
                shift = np.clip(heard.shift[hop, heads[row], columns], -PLACES_BEFORE, PLACES_AFTER)
                place = start + shift * config.frame
                new = place - last[columns] >= gap
                columns, place = columns[new], place[new]
                last[columns] = place
                found.append(np.stack([columns, place, np.full(len(columns), end), np.full(len(columns), hop)], 1))
        armed = (armed & ~crossed) | (np.maximum(onset, before) < rearm_ratio * limits)
        before = onset
    return np.concatenate(found) if found else np.zeros((0, 4))


def pair(truth: np.ndarray, found: np.ndarray, tolerance: float) -> list[tuple[int, int]]:
    """Pair rows of equal column whose second values lie within `tolerance`, each once, earliest first."""
    true_order, found_order = np.lexsort((truth[:, 1], truth[:, 0])), np.lexsort((found[:, 1], found[:, 0]))
    pairs, i, j = [], 0, 0
    while i < len(true_order) and j < len(found_order):
        a, b = truth[true_order[i]], found[found_order[j]]
        if a[0] != b[0]:
            i, j = (i + 1, j) if a[0] < b[0] else (i, j + 1)
        elif abs(a[1] - b[1]) <= tolerance:
            pairs.append((int(true_order[i]), int(found_order[j])))
            i, j = i + 1, j + 1
        elif a[1] < b[1]:
            i += 1
        else:
            j += 1
    return pairs


def ends_of(heard: Heard, found: np.ndarray, head: int, frame: float, offset: float) -> np.ndarray:
    """Return the sample at which each of `strikes` ends, by the frame and offset activations of `head`."""
    config = heard.config
    low = (_both_phases(heard.frame[:, head]) < frame) | (_both_phases(heard.offset[:, head]) >= offset)
    ends = np.zeros(len(found))
    order = np.lexsort((found[:, 1], found[:, 0]))
    spoken_about = config.hop - config.look_ahead[head] - config.frame  # after the start of a hop
    for position, index in enumerate(order):
        column, place = int(found[index, 0]), found[index, 1]
        young = place + YOUNG_FRAMES * config.frame + config.look_ahead[head] + config.frame
        first = max(int(found[index, 3]) + 1, int(np.ceil(young / config.hop)) - 1)
        after = np.flatnonzero(low[first:, column])
        end = max((first + int(after[0]) if len(after) else heard.hops) * config.hop + spoken_about, place + 1)
        following = order[position + 1] if position + 1 < len(order) else index
        if found[following, 0] == column and found[following, 1] > place:
            end = min(end, found[following, 1])
        ends[index] = end
    return ends


def _both_phases(roll: np.ndarray) -> np.ndarray:
    """Return the mean of each hop and the one before, (hops, columns)."""
    return np.asarray((roll + np.concatenate([roll[:1], roll[:-1]])) / 2)


def frame_f1_of(heard: Heard, columns: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> float:
    """Return F1 of frames of 23.2 ms against what was played; starts and ends in samples."""
    step = 0.0232 * heard.config.sample_rate
    size = int(heard.hops * heard.config.hop / step) + 2, heard.onset.shape[2]
    rolls = []
    for rows in (np.stack([columns, starts, ends], 1), heard.truth):
        roll = np.zeros(size, bool)
        for column, start, end in rows:
            first = max(0, round(start / step))
            roll[first : max(round(end / step), first + 1), int(column)] = True
        rolls.append(roll)
    return float(2 * (rolls[0] & rolls[1]).sum() / max(1, rolls[0].sum() + rolls[1].sum()))
