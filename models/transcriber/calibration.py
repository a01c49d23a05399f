"""Chooses the thresholds of every stream on renders that training never heard.

A commit stream listens to its one head. A live stream lets every head up to its own vote: the thresholds are moved in
turn, as long as more notes are right in time. Called once, after training; the result goes into the checkpoint's card and
from there into the manifest.
"""

from __future__ import annotations

from typing import Any  # Any: settings are JSON

import numpy as np

from models.transcriber.config import TranscriberConfig
from models.transcriber.simulation import Heard, ends_of, frame_f1_of, pair, strikes
from models.transcriber.validation import Excerpt

GRID = (0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
FRAME_GRID = (0.45, 0.5, 0.6)
"""Renders in mild rooms would end notes at 0.25. With 0.5 to 1.2 s of reverberation, where real pianos stand, 0.45 is best."""
NEVER = 2.0
FEWEST_EXCERPTS = 4  # for a group to get thresholds of its own
TOLERANCE_SECONDS, SLACK_SECONDS = 0.05, 0.015
ON_THE_WAY_SECONDS = 0.010
"""From an instrument's key to the decision, what renders lack: the action and 2 m of air; and resampler and block."""
LATE_SHARE, LOW_LATE_SHARE = 0.3, 0.5  # what a right note counts that leaves too late: better than never
HOLD_SECONDS = {0: 0.0, 10: 0.005, 20: 0.017, 40: 0.018, 80: 0.060, 160: 0.145}
"""Look-ahead in ms -> from a live note's place to its leaving, if it is known by then."""


def score_live(heard: Heard, found: np.ndarray, look_ahead_ms: float, low: bool) -> float:
    """Return F1 of one register's notes, placed by their leaving, where those that leave too late count in part."""
    rate = heard.config.sample_rate
    hold = HOLD_SECONDS[round(look_ahead_ms)] * rate
    chosen = found[heard.low[found[:, 0].astype(int)] == low]
    truth = heard.truth[heard.low[heard.truth[:, 0].astype(int)] == low]
    left = np.maximum(chosen[:, 2], chosen[:, 1] + hold)
    placed = np.stack([chosen[:, 0], left - hold], 1)
    pairs = pair(truth, placed, TOLERANCE_SECONDS * rate)
    deadline = (look_ahead_ms / 1000 + SLACK_SECONDS - ON_THE_WAY_SECONDS) * rate
    in_time = sum(left[b] - truth[a, 1] <= deadline for a, b in pairs)
    late = LOW_LATE_SHARE if low else LATE_SHARE
    return 2 * ((1 - late) * in_time + late * len(pairs)) / max(1, len(truth) + len(chosen))


def choose_live(heard: Heard, head: int) -> tuple[dict[int, tuple[float, float]], np.ndarray]:
    """Return head -> thresholds of a live stream, found by moving one at a time, and its strikes."""
    look_ahead_ms = heard.config.look_ahead_ms[head]
    votes = {h: [0.6 if h == head else 0.9, 0.5 if h == head else 0.9] for h in range(head + 1)}
    best = [-1.0, -1.0]
    for _ in range(2):
        for h in range(head, -1, -1):
            for register in (0, 1):
                for limit in (*GRID[2::2], NEVER):
                    trial = {k: list(v) for k, v in votes.items()}
                    trial[h][register] = limit
                    found = strikes(heard, {k: (v[0], v[1]) for k, v in trial.items()})
                    value = score_live(heard, found, look_ahead_ms, bool(register))
                    if value > best[register] + 1e-4:
                        best[register], votes = value, trial
    chosen = {h: (v[0], v[1]) for h, v in votes.items()}
    return chosen, strikes(heard, chosen)


def choose_commit(heard: Heard, head: int) -> tuple[dict[int, tuple[float, float]], np.ndarray]:
    """Return the head's thresholds, one a register, at which onset F1 is best, and its strikes."""
    rate, best = heard.config.sample_rate, {False: (-1.0, 0.5), True: (-1.0, 0.5)}
    for limit in GRID:
        found = strikes(heard, {head: (limit, limit)})
        for low in best:
            chosen = found[heard.low[found[:, 0].astype(int)] == low]
            truth = heard.truth[heard.low[heard.truth[:, 0].astype(int)] == low]
            f1 = 2 * len(pair(truth, chosen, TOLERANCE_SECONDS * rate)) / max(1, len(truth) + len(chosen))
            best[low] = max(best[low], (f1, limit))
    votes = {head: (best[False][1], best[True][1])}
    return votes, strikes(heard, votes)


def choose_ends(heard: Heard, found: np.ndarray, head: int) -> dict[str, float]:
    """Return the frame and offset thresholds at which note F1 and frame F1 together are best, and both figures."""
    best: dict[str, float] = {"sum": -1.0}
    rate = heard.config.sample_rate
    pairs = pair(heard.truth, found, TOLERANCE_SECONDS * rate)
    for frame in FRAME_GRID:
        for offset in (0.4, 0.5, 0.6, 0.7, 1.01):
            ends = ends_of(heard, found, head, frame, offset)
            lengths = heard.truth[:, 2] - heard.truth[:, 1]
            hits = sum(abs(ends[b] - heard.truth[a, 2]) <= max(0.05 * rate, 0.2 * lengths[a]) for a, b in pairs)
            note_f1 = 2 * hits / max(1, len(heard.truth) + len(found))
            frame_f1 = frame_f1_of(heard, found[:, 0], found[:, 1], ends)
            if note_f1 + frame_f1 > best["sum"]:
                best = {
                    "sum": note_f1 + frame_f1,
                    "frame": frame,
                    "offset": offset,
                    "note_f1": note_f1,
                    "frame_f1": frame_f1,
                }
    return best


def choose_pedal(heard: Heard, head: int) -> tuple[float, float]:
    """Return the threshold at which frame F1 of the pedal is best, and that figure."""
    config, best = heard.config, (0.5, 0.0)
    middle = (np.arange(heard.hops) + 1) * config.hop - config.look_ahead[head] - config.frame / 2
    true = np.zeros((heard.hops, len(heard.excerpts)), bool)
    for number, excerpt in enumerate(heard.excerpts):
        for down, up in excerpt.score.pedal:
            true[:, number] |= (middle >= down) & (middle < up)
    for threshold in (0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6):
        found = heard.pedal[:, head] >= threshold
        f1 = float(2 * (found & true).sum() / max(1, found.sum() + true.sum()))
        if f1 > best[1]:
            best = (threshold, f1)
    return best


def calibrate_groups(
    outputs: list[dict[str, np.ndarray]], excerpts: list[Excerpt], config: TranscriberConfig
) -> tuple[dict[str, Any], dict[str, dict[str, float]]]:
    """Return group -> what `calibrate` chose for it, and the figures of all; the group "" is all excerpts together.

    A group of instruments has commit thresholds of its own; live, it has too few notes to choose by.
    """
    chosen, figures = calibrate(Heard(outputs, excerpts, config))
    groups: dict[str, Any] = {"": chosen}
    names = sorted({excerpt.group for excerpt in excerpts})
    for name in names if len(names) > 1 else ():
        own = [place for place, excerpt in enumerate(excerpts) if excerpt.group == name]
        if len(own) >= FEWEST_EXCERPTS:
            heard = Heard([outputs[place] for place in own], [excerpts[place] for place in own], config)
            of_its_own, found = calibrate(heard, ("commit",))
            groups[name] = chosen | of_its_own
            figures |= {f"{name} {stream}": row for stream, row in found.items()}
    return groups, figures


def calibrate(
    heard: Heard, kinds: tuple[str, ...] = ("commit", "live")
) -> tuple[dict[str, dict[str, dict[str, Any]]], dict[str, dict[str, float]]]:
    """Return what the manifest's `networks` holds for one network (stream -> look-ahead -> settings), and its figures."""
    config = heard.config
    chosen: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in kinds}
    figures: dict[str, dict[str, float]] = {}
    for head, look_ahead_ms in enumerate(config.look_ahead_ms):
        pedal, pedal_f1 = choose_pedal(heard, head)
        for kind in kinds:
            votes, found = {"commit": choose_commit, "live": choose_live}[kind](heard, head)
            ends = choose_ends(heard, found, head)
            settings = {
                "onset": {str(h): v[0] for h, v in votes.items() if v[0] < NEVER},
                "low_onset": {str(h): v[1] for h, v in votes.items() if v[1] < NEVER},
                "frame_head": head,
                "frame": ends["frame"],
                "offset": ends["offset"],
                "pedal": pedal,
            }
            if kind == "live":
                hold = HOLD_SECONDS[round(look_ahead_ms)] * config.sample_rate
                left = np.maximum(found[:, 2], found[:, 1] + hold)
                settings |= {
                    "hold": round(hold),
                    "live_delay": round(float(np.median(left - found[:, 1])) if len(found) else hold),
                }
            chosen[kind][f"{look_ahead_ms:g}"] = settings
            pairs = pair(heard.truth, found, TOLERANCE_SECONDS * config.sample_rate)
            low = heard.low[heard.truth[:, 0].astype(int)]
            figures[f"{kind} {look_ahead_ms:g}"] = {
                "onset_f1": 2 * len(pairs) / max(1, len(heard.truth) + len(found)),
                "live_f1": score_live(heard, found, look_ahead_ms, False) if kind == "live" else 0.0,
                "low_recall": sum(low[a] for a, _ in pairs) / max(1, int(low.sum())),
                "note_f1": ends["note_f1"],
                "frame_f1": ends["frame_f1"],
                "pedal_f1": pedal_f1,
            }
    return chosen, {name: {k: round(v, 4) for k, v in row.items()} for name, row in figures.items()}
