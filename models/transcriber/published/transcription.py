"""A recording of any length to notes, and notes to a MIDI file. Offline: it wants the whole recording.

The network hears windows as long as the crops it was trained on, half overlapping; the middle of each is kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from models.transcriber.published.decode import Thresholds, decode_notes, to_seconds
from models.transcriber.published.features import CROP_FRAMES, SAMPLE_RATE, SILENCE, constant_q, levels
from models.transcriber.published.network import PublishedNetwork

BATCH = 30  # windows
KEPT = (CROP_FRAMES + 1) // 2  # frames of each window, its middle
QUIETEST_DB = -30.0  # below the recording's peak: quieter windows are not brought up further than this


def transcribe(
    network: PublishedNetwork, audio: np.ndarray, thresholds: Thresholds | None = None, sample_rate: int = SAMPLE_RATE
) -> np.ndarray:
    """Return (notes, 4) float64, onset and offset seconds, pitch, velocity, of (samples,) mono audio."""
    import soxr

    samples = audio.astype(np.float32)
    if sample_rate != SAMPLE_RATE:
        samples = soxr.resample(samples, sample_rate, SAMPLE_RATE)
    logits = hear_recording(network, constant_q(samples, network.corrections))
    notes = decode_notes(logits["note"], logits["onset"], thresholds or Thresholds(), network.corrections)
    return to_seconds(notes, network.corrections)


def hear_recording(network: PublishedNetwork, magnitude: np.ndarray) -> dict[str, np.ndarray]:
    """Return logits (88, frames) of magnitudes (88, frames)."""
    frames, margin = magnitude.shape[1], (CROP_FRAMES - KEPT) // 2
    starts = np.arange(0, frames, KEPT)
    padded = np.pad(magnitude, ((0, 0), (margin, CROP_FRAMES + KEPT)))
    floor = max(SILENCE, float(magnitude.max(initial=0)) * 10 ** (QUIETEST_DB / 20))
    windows = np.stack([padded[:, start : start + CROP_FRAMES] for start in starts])
    heard = hear(network, levels(windows, network.corrections, floor))
    kept = {name: value[:, :, margin : margin + KEPT] for name, value in heard.items()}
    return {name: np.concatenate(list(value), 1)[:, :frames] for name, value in kept.items()}


def hear(network: PublishedNetwork, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Return logits (windows, 88, frames) of levels of the same shape."""
    network.eval()
    pieces: dict[str, list[np.ndarray]] = {"pitch": [], "note": [], "onset": []}
    with torch.no_grad():
        for start in range(0, len(rows), BATCH):
            logits = network(torch.from_numpy(rows[start : start + BATCH]))
            for name, parts in pieces.items():
                parts.append(logits[name].numpy())
    return {name: np.concatenate(parts) for name, parts in pieces.items()}


def card_thresholds(card: Mapping[str, str]) -> Thresholds:
    """Return the thresholds that a checkpoint's card names."""
    return Thresholds(**json.loads(card["thresholds"]))


def write_midi(notes: np.ndarray, path: Path) -> None:
    """Write (notes, 4) as one piano track."""
    import pretty_midi

    midi, piano = pretty_midi.PrettyMIDI(resolution=960), pretty_midi.Instrument(0)
    piano.notes = [pretty_midi.Note(int(v), int(p), float(on), float(off)) for on, off, p, v in notes]
    midi.instruments.append(piano)
    midi.write(str(path))
