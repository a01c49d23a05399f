"""The figures of one transcription beside what was really played: those of `server.evaluation`, and what a comparison adds.

Where the reference moves the sustain pedal, both sides sound until their pedal is up or the pitch is struck again; where it
does not, its offsets are key releases and neither side is held. A figure that a piece cannot give is left out of its row.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.record import Row
from models.events import ControlChange, Event
from server.evaluation import ONSET_TOLERANCE, TICKS, Notes, reference_notes, score
from server.midi.file import read_midi

E2 = 40  # below it a string sounds for some 12 ms before its second period begins
SUSTAIN, DOWN = 64, 64  # the controller, and the least value that counts as pressed
FRAME_SECONDS = 512 / 22050  # of the frame score, as Basic Pitch's own evaluation has it
PEDAL_FRAME_SECONDS = 0.01
FEWEST_FOR_SPREAD = 8  # notes of a pitch
NOBODY = Notes(np.zeros((0, 2)), np.zeros(0), np.zeros(0), np.zeros(0))
UNHELD: NDArray[np.float64] = np.zeros((0, 2))


@dataclass(frozen=True, slots=True)
class Part:
    """Notes and pedal of one side. pedal: (spans, 2) seconds at which it goes down and up."""

    notes: Notes
    pedal: NDArray[np.float64]


def reference_part(path: Path) -> Part:
    """Read a MIDI file; where there is none, nobody plays. Raises BacklineError."""
    if not path.exists():
        return Part(NOBODY, UNHELD)
    return Part(reference_notes(path), pedal_spans(read_midi(path, TICKS), TICKS))


def pedal_spans(events: Iterable[Event], rate: int) -> NDArray[np.float64]:
    """Return (spans, 2) seconds of sustain; a pedal that is never lifted is up after the last event."""
    spans: list[tuple[float, float]] = []
    down, last = None, 0.0
    for event in events:
        last = event.sample / rate
        if isinstance(event, ControlChange) and event.control == SUSTAIN:
            if event.value >= DOWN and down is None:
                down = last
            elif event.value < DOWN and down is not None:
                spans.append((down, last))
                down = None
    if down is not None:
        spans.append((down, last))
    return np.array(spans, float).reshape(-1, 2)


def held(part: Part) -> Notes:
    """Return the notes as they sound: until the pedal is up, or their pitch is struck again."""
    notes, intervals = part.notes, part.notes.intervals.copy()
    struck = {pitch: np.sort(intervals[notes.pitches == pitch, 0]) for pitch in np.unique(notes.pitches)}
    for place, (onset, offset) in enumerate(part.notes.intervals):
        lifted = part.pedal[(part.pedal[:, 0] <= offset) & (offset < part.pedal[:, 1]), 1]
        later = struck[notes.pitches[place]]
        later = later[later > onset]
        intervals[place, 1] = min([max([offset, *lifted]), *later[:1]])
    return Notes(intervals, notes.pitches, notes.velocities, notes.out)


def figures(reference: Part, heard: Part, seconds: float, head_ms: float) -> Row:
    """Return the row of one piece of `seconds`."""
    pressed = len(reference.pedal) > 0
    played, found = (held(side) if pressed else side.notes for side in (reference, heard))
    row: Row = {name: value for name, value in score(played, found, head_ms).items() if not name.endswith("_ms")}
    pairs = matched(played, found, ONSET_TOLERANCE)
    row["frame_f1"] = frame_f1(played, found)
    row["false_a_minute"] = 60 * (len(found.pitches) - len(pairs)) / seconds
    low = played.pitches < E2
    row |= {"low_notes": int(low.sum()), "low_found": int(sum(low[r] for r, _ in pairs))}
    if not pairs:
        return row
    row["onset_error_ms"] = 1000 * float(np.median([found.intervals[h, 0] - played.intervals[r, 0] for r, h in pairs]))
    late = 1000 * np.array([found.out[h] - played.intervals[r, 0] for r, h in pairs])
    row |= {f"lateness_p{q}_ms": float(np.percentile(late, q)) for q in (5, 50, 95)}
    wide = spread_ms(late, np.array([played.pitches[r] for r, _ in pairs]))
    return row if wide is None else row | {"spread_ms": wide}


def mean(rows: Sequence[Row]) -> Row:
    """Return the mean over the pieces that have a figure, to four digits; low notes are too few to be told piece by piece."""
    names = dict.fromkeys(name for row in rows for name in row)
    whole: Row = {name: round(float(np.mean([row[name] for row in rows if name in row])), 4) for name in names}
    whole |= {name: sum(row[name] for row in rows) for name in ("low_notes", "low_found")}
    if whole["low_notes"]:
        whole["low_recall"] = round(whole["low_found"] / whole["low_notes"], 4)
    return whole


def matched(reference: Notes, heard: Notes, tolerance: float) -> list[tuple[int, int]]:
    """Return (reference, heard) places of the notes that mir_eval matches by pitch and onset."""
    import mir_eval

    if not len(reference.pitches) or not len(heard.pitches):
        return []
    hertz = mir_eval.util.midi_to_hz
    return list(mir_eval.transcription.match_notes(
        reference.intervals, hertz(reference.pitches), heard.intervals, hertz(heard.pitches),
        onset_tolerance=tolerance, offset_ratio=None))  # fmt: skip


def spread_ms(late_ms: NDArray[np.float64], pitches: NDArray[np.float64]) -> float | None:
    """Return the median over pitches of p95 - p5 of the lateness; None where no pitch has 8 notes."""
    often = [pitch for pitch in np.unique(pitches) if (pitches == pitch).sum() >= FEWEST_FOR_SPREAD]
    widths = [np.ptp(np.percentile(late_ms[pitches == pitch], [5, 95])) for pitch in often]
    return float(np.median(widths)) if widths else None


def frame_f1(reference: Notes, heard: Notes) -> float:
    """Return F1 of which pitches sound, frame by frame."""
    end = max(side.intervals.max(initial=0.0) for side in (reference, heard))
    played, found = (_roll(side, round(end / FRAME_SECONDS) + 2) for side in (reference, heard))
    return _frames_f1(played, found)


def pedal_f1(reference: NDArray[np.float64], heard: NDArray[np.float64], seconds: float) -> float:
    """Return F1 of the pedal being down, in frames of 10 ms."""
    times = np.asarray(np.arange(int(seconds / PEDAL_FRAME_SECONDS)) + 0.5, np.float64) * PEDAL_FRAME_SECONDS
    played, found = (_inside(times, spans) for spans in (reference, heard))
    return _frames_f1(played, found)


def above(notes: Notes, lowest: float, start: float = 0.0, end: float = np.inf) -> Notes:
    """Return the notes of pitch `lowest` and up that begin in start..end seconds."""
    onsets = notes.intervals[:, 0]
    kept = (notes.pitches >= lowest) & (onsets >= start) & (onsets < end)
    return Notes(notes.intervals[kept], notes.pitches[kept], notes.velocities[kept], notes.out[kept])


def shifted(notes: Notes, seconds: float) -> Notes:
    """Return the notes moved by `seconds`, none before 0; they leave when they left."""
    intervals = np.maximum(notes.intervals + seconds, [0.0, 1e-3])
    return Notes(intervals, notes.pitches, notes.velocities, notes.out)


def _roll(notes: Notes, frames: int) -> NDArray[np.bool_]:
    roll = np.zeros((128, frames), bool)
    for (onset, offset), pitch in zip(
        np.round(notes.intervals / FRAME_SECONDS).astype(int), notes.pitches, strict=True
    ):
        roll[int(pitch), onset : max(offset, onset + 1)] = True
    return roll


def _inside(times: NDArray[np.floating], spans: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(((times >= spans[:, :1]) & (times < spans[:, 1:])).any(axis=0))


def _frames_f1(played: NDArray[np.bool_], found: NDArray[np.bool_]) -> float:
    total = int(played.sum()) + int(found.sum())
    return 2 * int((played & found).sum()) / total if total else 1.0
