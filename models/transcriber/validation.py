"""How good a network is on renders it never heard, head by head, and the thresholds at which it is best.

The decoder here is the simplest that can be live: a note at the first crossing of the onset threshold, its end where
the frame activation has fallen. Called by `training`; the product's decoder is `decode`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from models.transcriber.config import LOWEST_PITCH, TranscriberConfig
from models.transcriber.network import TranscriberNetwork
from models.transcriber.targets import Score

ONSET_THRESHOLDS = (0.2, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75)
FRAME_THRESHOLDS = (0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75)
TOLERANCE_SECONDS = 0.05
SLACK_SECONDS = 0.015  # a live note counts when it is known so long after its head's look-ahead
SHORTEST_GAP_SECONDS = 0.048  # between two strikes of a key
LOW_PITCH = 40  # E2


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Audio (samples,) float32, what is played in it, and the group of instruments it is played on."""

    audio: np.ndarray
    score: Score
    group: str = ""


def hear(network: TranscriberNetwork, audio: np.ndarray) -> dict[str, np.ndarray]:
    """Run the whole of `audio` (samples,): each output (hops, heads, pitches) float32, `pedal` (hops, heads)."""
    with torch.no_grad():
        outputs = network(torch.from_numpy(audio[None]))
    return {name: value[0].float().numpy() for name, value in outputs.items()}


def decode_onsets(outputs: dict[str, np.ndarray], head: int, threshold: float, config: TranscriberConfig) -> np.ndarray:
    """Return (notes, 5): onset seconds, seconds at which it was known, pitch, velocity 1..127, hop; by pitch and time."""
    above = outputs["onset"][:, head] > threshold  # (hops, pitches)
    crossing = above & ~np.concatenate([np.zeros_like(above[:1]), above[:-1]])
    rows = []
    last_pitch, last_known = -1, 0.0
    for column, hop in np.argwhere(crossing.T):
        known = (hop + 1) * config.hop / config.sample_rate
        if column == last_pitch and known - last_known < SHORTEST_GAP_SECONDS:
            continue
        last_pitch, last_known = column, known
        spoken_about = (hop + 1) * config.hop - config.look_ahead[head] - config.frame
        onset = (spoken_about + outputs["shift"][hop, head, column] * config.frame) / config.sample_rate
        velocity = 127 * outputs["velocity"][hop, head, column]
        rows.append((max(0.0, onset), known, column + LOWEST_PITCH, velocity, hop))
    return np.array(rows, float).reshape(-1, 5)


def decode_notes(
    outputs: dict[str, np.ndarray], onsets: np.ndarray, head: int, frame_threshold: float, config: TranscriberConfig
) -> np.ndarray:
    """Give the notes of `decode_onsets` their ends; return (notes, 4): onset and offset seconds, pitch, velocity."""
    notes = np.zeros((len(onsets), 4))
    frame = outputs["frame"][:, head]
    low = frame + np.concatenate([frame[:1], frame[:-1]]) < 2 * frame_threshold  # both phases
    for index, (onset, _, pitch, velocity, hop) in enumerate(onsets):
        first = int(hop) + 2 * config.phases
        after = np.flatnonzero(low[first:, int(pitch) - LOWEST_PITCH])
        last = first + int(after[0]) if len(after) else len(low)
        offset = (last * config.hop - config.look_ahead[head] - config.hop) / config.sample_rate
        if index + 1 < len(onsets) and onsets[index + 1, 2] == pitch:
            offset = min(offset, onsets[index + 1, 0])
        notes[index] = onset, max(offset, onset + 0.03), pitch, velocity
    return notes


def match(
    onsets: np.ndarray, pitches: np.ndarray, found: np.ndarray, found_pitches: np.ndarray
) -> list[tuple[int, int]]:
    """Pair notes of equal pitch within the tolerance, each once, earliest first."""
    pairs = []
    for pitch in np.intersect1d(pitches, found_pitches):
        true_indices, found_indices = np.flatnonzero(pitches == pitch), np.flatnonzero(found_pitches == pitch)
        true_indices = true_indices[np.argsort(onsets[true_indices])]
        found_indices = found_indices[np.argsort(found[found_indices])]
        i = j = 0
        while i < len(true_indices) and j < len(found_indices):
            difference = found[found_indices[j]] - onsets[true_indices[i]]
            if abs(difference) <= TOLERANCE_SECONDS:
                pairs.append((int(true_indices[i]), int(found_indices[j])))
                i, j = i + 1, j + 1
            elif difference < 0:
                j += 1
            else:
                i += 1
    return pairs


def validate(network: TranscriberNetwork, excerpts: list[Excerpt]) -> dict[str, list[float]]:
    """Return figures per head, with the thresholds at which they were reached. F1 counts all excerpts together.

    onset_f1; live_f1 (known in time, at the same threshold); error_ms, spread_ms: median and interquartile range of the
    onset's error; low_recall: of notes below E2; velocity: correlation within an excerpt, mean; note_f1: the end is
    right too; pedal_f1: of frames.
    """
    config = network.config
    with torch.autocast("cpu", dtype=torch.bfloat16):  # as training hears; F1 differs by less than 0.003
        heard = [hear(network, excerpt.audio) for excerpt in excerpts]
    figures: dict[str, list[float]] = {}
    for head in range(len(config.look_ahead)):
        best = max((_score_onsets(heard, excerpts, head, t, config) for t in ONSET_THRESHOLDS), key=_onset_f1)
        onsets = [decode_onsets(outputs, head, best["onset_threshold"], config) for outputs in heard]
        note_f1, threshold = max((_score_notes(heard, onsets, excerpts, head, t, config), t) for t in FRAME_THRESHOLDS)
        row = best | {"note_f1": note_f1, "frame_threshold": threshold} | _score_pedal(heard, excerpts, head, config)
        for name, value in row.items():
            figures.setdefault(name, []).append(round(float(value), 4))
    return figures


def load_excerpts(paths: list[Path], config: TranscriberConfig, seed: int) -> list[Excerpt]:
    """Put dry renders in rooms, the same ones every time."""
    from models.sound.augmentation import record
    from models.sound.renders import load_render

    excerpts = []
    for index, path in enumerate(paths):
        render = load_render(path)
        rng = np.random.default_rng([seed, index])
        recorded = record(render.audio.astype(np.float32) / 32768, config.sample_rate, rng)
        score = Score(render.notes, render.pedal, render.bend)
        excerpts.append(Excerpt(recorded[: len(recorded) // config.frame * config.frame], score, render.group))
    return excerpts


def _onset_f1(row: dict[str, float]) -> float:
    return row["onset_f1"]


def _score_onsets(
    heard: list[dict[str, np.ndarray]], excerpts: list[Excerpt], head: int, threshold: float, config: TranscriberConfig
) -> dict[str, float]:
    hits = in_time = total = low = low_hits = 0
    errors: list[float] = []
    correlations = []
    latest = config.look_ahead[head] / config.sample_rate + SLACK_SECONDS
    for outputs, excerpt in zip(heard, excerpts, strict=True):
        found = decode_onsets(outputs, head, threshold, config)
        notes = excerpt.score.notes
        onsets = notes[:, 0] / config.sample_rate
        pairs = match(onsets, notes[:, 2], found[:, 0], found[:, 2])
        hits, total = hits + len(pairs), total + len(onsets) + len(found)
        in_time += sum(found[b, 1] - onsets[a] <= latest for a, b in pairs)
        low, low_hits = (
            low + int((notes[:, 2] < LOW_PITCH).sum()),
            low_hits + sum(notes[a, 2] < LOW_PITCH for a, _ in pairs),
        )
        errors += [1000 * (found[b, 0] - onsets[a]) for a, b in pairs]
        if len(pairs) > 20:
            velocities = np.array([(notes[a, 3], found[b, 3] + 1e-6) for a, b in pairs])
            correlations.append(float(np.corrcoef(velocities.T)[0, 1]) if np.ptp(velocities, 0).min() > 0 else 0.0)
    return {
        "onset_f1": 2 * hits / max(1, total),
        "live_f1": 2 * in_time / max(1, total),
        "low_recall": low_hits / max(1, low),
        "error_ms": float(np.median(errors)) if errors else 0.0,
        "spread_ms": float(np.subtract(*np.percentile(errors, [75, 25]))) if errors else 0.0,
        "velocity": float(np.mean(correlations)) if correlations else 0.0,
        "onset_threshold": threshold,
    }


def _score_notes(
    heard: list[dict[str, np.ndarray]],
    onsets: list[np.ndarray],
    excerpts: list[Excerpt],
    head: int,
    threshold: float,
    config: TranscriberConfig,
) -> float:
    """F1 of notes whose onset matches and whose offset lies within 20 % of the duration, at least 50 ms."""
    hits = total = 0
    for outputs, starts, excerpt in zip(heard, onsets, excerpts, strict=True):
        found = decode_notes(outputs, starts, head, threshold, config)
        times, pitches = excerpt.score.notes[:, :2] / config.sample_rate, excerpt.score.notes[:, 2]
        for a, b in match(times[:, 0], pitches, found[:, 0], found[:, 2]):
            hits += abs(found[b, 1] - times[a, 1]) <= max(0.05, 0.2 * (times[a, 1] - times[a, 0]))
        total += len(times) + len(found)
    return 2 * hits / max(1, total)


def _score_pedal(
    heard: list[dict[str, np.ndarray]], excerpts: list[Excerpt], head: int, config: TranscriberConfig
) -> dict[str, float]:
    best = {"pedal_f1": 0.0, "pedal_threshold": 0.5}
    for threshold in (0.35, 0.45, 0.55, 0.65):
        hits = total = 0
        for outputs, excerpt in zip(heard, excerpts, strict=True):
            found = outputs["pedal"][:, head] > threshold
            middle = (np.arange(len(found)) + 1) * config.hop - config.look_ahead[head] - config.frame / 2
            true = np.zeros(len(found), bool)
            for down, up in excerpt.score.pedal:
                true |= (middle >= down) & (middle < up)
            hits, total = hits + int((found & true).sum()), total + int(found.sum()) + int(true.sum())
        if 2 * hits / max(1, total) > best["pedal_f1"]:
            best = {"pedal_f1": 2 * hits / max(1, total), "pedal_threshold": threshold}
    return best
