"""How good a network is on renders it never heard: onset F1 of every head, and the thresholds at which it is best.

The decoder here is the simplest that can be live: a note at the first crossing of the onset threshold, its end where
the frame activation has stayed low. Called by `training`; the product's decoder is `decode`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from models.transcriber.config import LOWEST_PITCH
from models.transcriber.decode import LOW_HOPS, SHORTEST_GAP
from models.transcriber.network import TranscriberNetwork

ONSET_THRESHOLDS = (0.2, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75)
FRAME_THRESHOLDS = (0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75)
TOLERANCE_SECONDS = 0.05
LATEST_SECONDS = 0.075  # after the onset, for a live note to count


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Audio (samples,) float32 and its notes (notes, 4): onset and offset in samples, pitch, velocity."""

    audio: np.ndarray
    notes: np.ndarray


def hear(network: TranscriberNetwork, audio: np.ndarray) -> dict[str, np.ndarray]:
    """Run the whole of `audio` (samples,): each output (frames, heads, pitches) float32."""
    with torch.no_grad():
        outputs = network(torch.from_numpy(audio[None]))
    return {name: value[0].float().numpy() for name, value in outputs.items()}


def decode_onsets(
    outputs: dict[str, np.ndarray], head: int, threshold: float, look_ahead: int, hop_seconds: float
) -> np.ndarray:
    """Return (notes, 5): onset seconds, seconds at which it was known, pitch, velocity 1..127, frame; by pitch and time."""
    above = outputs["onset"][:, head] > threshold  # (frames, pitches)
    crossing = above & ~np.concatenate([np.zeros_like(above[:1]), above[:-1]])
    rows = []
    last_pitch, last_frame = -1, 0
    for column, frame in np.argwhere(crossing.T):
        if column == last_pitch and frame - last_frame < SHORTEST_GAP:
            continue
        last_pitch, last_frame = column, frame
        onset = (frame - look_ahead + outputs["shift"][frame, head, column]) * hop_seconds
        rows.append(
            (
                max(0.0, onset),
                (frame + 1) * hop_seconds,
                column + LOWEST_PITCH,
                127 * outputs["velocity"][frame, head, column],
                frame,
            )
        )
    return np.array(rows, float).reshape(-1, 5)


def decode_notes(
    outputs: dict[str, np.ndarray],
    head: int,
    onset_threshold: float,
    frame_threshold: float,
    look_ahead: int,
    hop_seconds: float,
) -> np.ndarray:
    """Return (notes, 4): onset and offset seconds, pitch, velocity."""
    onsets = decode_onsets(outputs, head, onset_threshold, look_ahead, hop_seconds)
    notes = np.zeros((len(onsets), 4))
    low = outputs["frame"][:, head] < frame_threshold
    ending = low.copy()
    for delay in range(1, LOW_HOPS):
        ending[delay:] &= low[:-delay]
    for index, (onset, _, pitch, velocity, frame) in enumerate(onsets):
        first = int(frame) + 2
        after = np.flatnonzero(ending[first:, int(pitch) - LOWEST_PITCH])
        last = first + int(after[0]) - LOW_HOPS + 1 if len(after) else len(low)
        offset = (last - look_ahead) * hop_seconds
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
    """Return, per head: `onset_f1` and its `onset_threshold`, `live_f1`, `error_ms`, `note_f1` and its `frame_threshold`.

    F1 counts the notes of all excerpts together. `live_f1` is at the same threshold.
    """
    config = network.config
    hop_seconds = config.hop / config.sample_rate
    with torch.autocast("cpu", dtype=torch.bfloat16):  # as training hears; F1 differs by less than 0.003
        heard = [hear(network, excerpt.audio) for excerpt in excerpts]
    figures: dict[str, list[float]] = {
        name: [] for name in ("onset_f1", "onset_threshold", "live_f1", "error_ms", "note_f1", "frame_threshold")
    }
    for head, look_ahead in enumerate(config.look_ahead_hops):
        best = max(
            (
                _score_onsets(heard, excerpts, head, threshold, look_ahead, hop_seconds, config.sample_rate)
                for threshold in ONSET_THRESHOLDS
            ),
            key=lambda score: score[0],
        )
        note_f1, frame_threshold = max(
            (
                _score_notes(heard, excerpts, head, best[3], threshold, look_ahead, hop_seconds, config.sample_rate),
                threshold,
            )
            for threshold in FRAME_THRESHOLDS
        )
        for name, value in zip(figures, (best[0], best[3], best[1], best[2], note_f1, frame_threshold), strict=True):
            figures[name].append(round(float(value), 4))
    return figures


def load_excerpts(paths: list[Path], sample_rate: int, hop: int, seed: int) -> list[Excerpt]:
    """Put dry renders in rooms, the same ones every time."""
    from models.sound.augmentation import record
    from models.sound.renders import load_render

    excerpts = []
    for index, path in enumerate(paths):
        audio, notes = load_render(path)
        recorded = record(audio.astype(np.float32) / 32768, sample_rate, np.random.default_rng([seed, index]))
        excerpts.append(Excerpt(recorded[: len(recorded) // hop * hop], notes))
    return excerpts


def _score_onsets(
    heard: list[dict[str, np.ndarray]],
    excerpts: list[Excerpt],
    head: int,
    threshold: float,
    look_ahead: int,
    hop_seconds: float,
    sample_rate: int,
) -> tuple[float, float, float, float]:
    """(onset F1, live F1, median error in ms, the threshold)."""
    hits = in_time = total = 0
    errors: list[float] = []
    for outputs, excerpt in zip(heard, excerpts, strict=True):
        found = decode_onsets(outputs, head, threshold, look_ahead, hop_seconds)
        onsets = excerpt.notes[:, 0] / sample_rate
        pairs = match(onsets, excerpt.notes[:, 2], found[:, 0], found[:, 2])
        hits, total = hits + len(pairs), total + len(onsets) + len(found)
        in_time += sum(found[b, 1] - onsets[a] <= LATEST_SECONDS for a, b in pairs)
        errors += [1000 * (found[b, 0] - onsets[a]) for a, b in pairs]
    return 2 * hits / max(1, total), 2 * in_time / max(1, total), float(np.median(errors)) if errors else 0.0, threshold


def _score_notes(
    heard: list[dict[str, np.ndarray]],
    excerpts: list[Excerpt],
    head: int,
    onset_threshold: float,
    frame_threshold: float,
    look_ahead: int,
    hop_seconds: float,
    sample_rate: int,
) -> float:
    """F1 of notes whose onset matches and whose offset lies within 20 % of the duration, at least 50 ms."""
    hits = total = 0
    for outputs, excerpt in zip(heard, excerpts, strict=True):
        found = decode_notes(outputs, head, onset_threshold, frame_threshold, look_ahead, hop_seconds)
        times = excerpt.notes[:, :2] / sample_rate
        for a, b in match(times[:, 0], excerpt.notes[:, 2], found[:, 0], found[:, 2]):
            hits += abs(found[b, 1] - times[a, 1]) <= max(0.05, 0.2 * (times[a, 1] - times[a, 0]))
        total += len(times) + len(found)
    return 2 * hits / max(1, total)
