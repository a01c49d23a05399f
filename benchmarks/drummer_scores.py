"""How good are drums on a beat grid? The measures of `drummer_table`, of drum onsets against a song's true drums and beats.

Drums are folded to kick, snare, tom, hat and cymbal; the timekeeper is hats, cymbals and rides in one, since annotations and
drummers differ in which of them keeps the time. Matching is mir_eval's, within 50 ms (extra `train`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from server import beats_file
from server.errors import BacklineError

KICK, SNARE, TOM, TIME = 36, 38, 45, 42
FOLDED = {
    KICK: (35, 36), SNARE: (37, 38, 39, 40), TOM: (41, 43, 45, 47, 48, 50),
    TIME: (42, 44, 46, 49, 51, 52, 53, 55, 57, 59),
}  # fmt: skip
FOLD = {note: part for part, notes in FOLDED.items() for note in notes}
GROOVE = (KICK, SNARE, TIME)
MATCH_SECONDS = 0.05
GRID_SECONDS = 0.03


@dataclass(frozen=True, slots=True)
class Beats:
    """times: (beats,) float64 seconds. numbers: (beats,) int, the number in its bar of each, 1 is the downbeat."""

    times: np.ndarray
    numbers: np.ndarray

    @property
    def sixteenths(self) -> np.ndarray:
        """Seconds of every sixteenth, the last beat included."""
        return np.interp(np.arange(0, len(self.times) - 1 + 1e-9, 0.25), np.arange(len(self.times)), self.times)


@dataclass(frozen=True, slots=True)
class Hits:
    """Drum onsets. times: (hits,) seconds, rising; parts: (hits,) the folded drum of each."""

    times: np.ndarray
    parts: np.ndarray

    def shifted(self, seconds: float) -> Hits:
        return Hits(self.times + seconds, self.parts)


@dataclass(frozen=True, slots=True)
class Scores:
    """Of one song. grid_share: onsets within 30 ms of a sixteenth, and of onsets anywhere (expected). Read it with the density."""

    density_ratio: float
    grid_share: float
    grid_expected: float
    onset_f1: float
    kick_f1: float
    snare_f1: float
    time_f1: float
    groove_cosine: float

    def to_json(self) -> dict[str, float]:
        return {name: round(value, 3) for name, value in asdict(self).items()}


def read_beats(path: Path) -> Beats:
    """Read a beat a line, as `--beats` does. Raises ValueError for what is no such file."""
    try:
        told = beats_file.read_beats(path)
    except BacklineError as error:
        raise ValueError(str(error)) from error
    return Beats(np.array(told.seconds), np.array(told.numbers))


def read_hits(path: Path) -> Hits:
    """Read the drums of a MIDI file: its drum tracks, or its only track whatever that is."""
    import pretty_midi

    tracks = pretty_midi.PrettyMIDI(str(path)).instruments
    return folded(
        (note.start, note.pitch) for track in tracks if track.is_drum or len(tracks) == 1 for note in track.notes
    )


def folded(notes: object) -> Hits:
    """Fold (seconds, General MIDI drum note) pairs; notes of no part are left out."""
    rows = sorted((time, FOLD[note]) for time, note in notes if note in FOLD)  # type: ignore[attr-defined]
    return Hits(np.array([row[0] for row in rows], float), np.array([row[1] for row in rows], int))


def rock_beat(beats: Beats) -> Hits:
    """Return the plain beat: eighths on the timekeeper, kick on the odd beats, snare on the even ones."""
    rows = []
    for index, (time, later) in enumerate(zip(beats.times[:-1], beats.times[1:], strict=True)):
        rows += [(time, TIME), ((time + later) / 2, TIME), (time, KICK if beats.numbers[index] % 2 else SNARE)]
    return folded(rows)


def bars_of(beats: Beats, hits: Hits) -> list[np.ndarray]:
    """Return for every whole bar (sixteenths, 3) of 0 and 1: the onsets of kick, snare and timekeeper nearest to each."""
    out = []
    starts = np.flatnonzero(beats.numbers == 1)
    for start, end in pairwise(starts):
        edges = np.interp(
            np.arange(0, end - start + 1e-3, 0.25), np.arange(end - start + 1), beats.times[start : end + 1]
        )
        half = np.diff(edges).mean() / 2
        bar = np.zeros((4 * (end - start), len(GROOVE)))
        inside = (hits.times >= edges[0] - half) & (hits.times < edges[-1] - half)
        for time, part in zip(hits.times[inside], hits.parts[inside], strict=True):
            if part in GROOVE:
                bar[np.abs(edges[:-1] - time).argmin(), GROOVE.index(part)] = 1
        out.append(bar)
    return out


def groove_cosine(true: list[np.ndarray], played: list[np.ndarray]) -> float:
    """Return the mean over bars of the cosine between onsets. A bar empty on both sides counts 1, on one side 0."""
    cosines = []
    for bar, other in zip(true, played, strict=True):
        size = np.linalg.norm(bar) * np.linalg.norm(other)
        cosines.append(float((bar * other).sum() / size) if size else float(not bar.any() and not other.any()))
    return float(np.mean(cosines)) if cosines else float("nan")


def score(true: Hits, played: Hits, beats: Beats) -> Scores:
    """Return the measures of what was played."""
    grid = beats.sixteenths
    inside = played.times[(played.times > grid[0] - MATCH_SECONDS) & (played.times < grid[-1] + MATCH_SECONDS)]
    near = np.abs(inside[:, None] - grid[None]).min(1) < GRID_SECONDS if len(inside) else np.zeros(1)
    return Scores(
        density_ratio=len(played.times) / max(1, len(true.times)),
        grid_share=float(near.mean()),
        grid_expected=float(min(1.0, 2 * GRID_SECONDS / np.diff(grid).mean())),
        onset_f1=part_f1(true, played, None),
        kick_f1=part_f1(true, played, KICK),
        snare_f1=part_f1(true, played, SNARE),
        time_f1=part_f1(true, played, TIME),
        groove_cosine=groove_cosine(bars_of(beats, true), bars_of(beats, played)),
    )


def part_f1(true: Hits, played: Hits, part: int | None) -> float:
    """Return F1 of the onsets of one part, or of all where it is None; 1 where there are none on both sides."""
    from mir_eval.transcription import match_notes
    from mir_eval.util import midi_to_hz

    sides = []
    for hits in (true, played):
        kept = np.ones(len(hits.times), bool) if part is None else hits.parts == part
        times = hits.times[kept]
        sides.append((np.stack([times, times + MATCH_SECONDS], 1), midi_to_hz(hits.parts[kept].astype(float))))
    (a, b), (c, d) = sides
    if not len(a) or not len(c):
        return float(len(a) == len(c))
    return 2 * len(match_notes(a, b, c, d, onset_tolerance=MATCH_SECONDS, offset_ratio=None)) / (len(a) + len(c))
