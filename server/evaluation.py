"""Scores of a stream against the notes that were really played, by mir_eval's matching.

Times in seconds. onset: pitch right, onset within 50 ms. live: the same, and the event had left within the head's
look-ahead + 15 ms of the true onset. note: the offset within 20 % of the duration too, at least 50 ms. velocity: onset and
velocity within 10 % after mir_eval's linear fit.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.events import NoteOff, NoteOn
from server.errors import BacklineError
from server.midi.file import read_midi
from server.run_file import Take

ONSET_TOLERANCE = 0.05
SLACK_SECONDS = 0.015  # of the live score: a hop, so that no head is punished for its clock
TICKS = 1_000_000  # resolution at which reference files are read, per second


@dataclass(frozen=True, slots=True)
class Notes:
    """intervals (n, 2) seconds, pitches (n,) MIDI, velocities (n,), out (n,) seconds at which each had left."""

    intervals: NDArray[np.float64]
    pitches: NDArray[np.float64]
    velocities: NDArray[np.float64]
    out: NDArray[np.float64]


def notes_of(take: Take) -> Notes:
    """Pair the note-ons and note-offs of a take."""
    events = [(e.event, e.place / take.rate, end / take.rate) for e, end in take.emissions]
    return _paired(events)


def reference_notes(path: Path) -> Notes:
    """Read a MIDI file's notes. Raises BacklineError."""
    return _paired([(event, event.sample / TICKS, 0.0) for event in read_midi(path, TICKS)])


def score(reference: Notes, heard: Notes, head_ms: float) -> dict[str, float]:
    """Return the scores of one piece; two empty sides agree."""
    row = {"reference_notes": float(len(reference.pitches)), "heard_notes": float(len(heard.pitches))}
    onset = _matched(reference, heard, ONSET_TOLERANCE)
    lateness = np.array([heard.out[h] - reference.intervals[r, 0] for r, h in onset])
    errors = np.array([heard.intervals[h, 0] - reference.intervals[r, 0] for r, h in onset])
    row["onset_f1"] = _f1(len(onset), reference, heard)
    row["live_f1"] = _f1(int((lateness <= head_ms / 1000 + SLACK_SECONDS).sum()), reference, heard)
    median = float(np.median(errors)) if len(errors) else 0.0
    row["onset_error_ms"] = 1000 * median
    row["onset_f1_20_centred"] = _f1(len(_matched(reference, _moved(heard, -median), 0.02)), reference, heard)
    row["note_f1"] = _f1(len(_matched(reference, heard, ONSET_TOLERANCE, offsets=True)), reference, heard)
    row["velocity_f1"] = _velocity_f1(reference, heard)
    for q in (50, 95):
        row[f"lateness_p{q}_ms"] = 1000 * float(np.percentile(lateness, q)) if len(lateness) else 0.0
    return row


def mean_row(rows: list[dict[str, float]]) -> dict[str, float]:
    """Return the mean over pieces."""
    return {name: round(float(np.mean([row[name] for row in rows])), 4) for name in rows[0]}


def find_pairs(folder: Path) -> list[tuple[Path, Path]]:
    """Return (audio, MIDI) of a folder laid out as audio/NAME.flac and ref/NAME.mid. Raises BacklineError where there are none."""
    pairs = [(path, folder / "ref" / f"{path.stem}.mid") for path in sorted((folder / "audio").glob("*.*"))]
    pairs = [pair for pair in pairs if pair[1].exists()]
    if not pairs:
        raise BacklineError(f"{folder} holds no pairs of audio/NAME.wav and ref/NAME.mid")
    return pairs


def to_json(rows: dict[str, dict[str, float]]) -> str:
    """Return rows as JSON text."""
    return json.dumps(rows, indent=1) + "\n"


def _paired(events: Sequence[tuple[object, float, float]]) -> Notes:
    open_notes: dict[int, tuple[float, int, float]] = {}
    rows: list[tuple[float, float, int, int, float]] = []
    for event, seconds, out in events:
        if isinstance(event, NoteOn | NoteOff):
            started = open_notes.pop(event.pitch, None)
            if started is not None:
                rows.append((started[0], max(seconds, started[0] + 1e-3), event.pitch, started[1], started[2]))
        if isinstance(event, NoteOn):
            open_notes[event.pitch] = (seconds, event.velocity, out)
    array = np.array(sorted(rows), float).reshape(-1, 5)
    return Notes(array[:, :2], array[:, 2], array[:, 3], array[:, 4])


def _matched(reference: Notes, heard: Notes, tolerance: float, offsets: bool = False) -> list[tuple[int, int]]:
    import mir_eval

    if not len(reference.pitches) or not len(heard.pitches):
        return []
    hertz = mir_eval.util.midi_to_hz
    return list(mir_eval.transcription.match_notes(
        reference.intervals, hertz(reference.pitches), heard.intervals, hertz(heard.pitches),
        onset_tolerance=tolerance, offset_ratio=0.2 if offsets else None))  # fmt: skip


def _velocity_f1(reference: Notes, heard: Notes) -> float:
    import mir_eval

    if not len(reference.pitches) or not len(heard.pitches):
        return float(len(reference.pitches) == len(heard.pitches))
    hertz = mir_eval.util.midi_to_hz
    scores = mir_eval.transcription_velocity.precision_recall_f1_overlap(
        reference.intervals, hertz(reference.pitches), reference.velocities,
        heard.intervals, hertz(heard.pitches), heard.velocities, offset_ratio=None)  # fmt: skip
    return float(scores[2])


def _moved(notes: Notes, seconds: float) -> Notes:
    intervals = np.maximum(notes.intervals + seconds, 0.0)
    intervals[:, 1] = np.maximum(intervals[:, 1], intervals[:, 0] + 1e-3)
    return Notes(intervals, notes.pitches, notes.velocities, notes.out)


def _f1(hits: int, reference: Notes, heard: Notes) -> float:
    total = len(reference.pitches) + len(heard.pitches)
    return 2 * hits / total if total else 1.0
