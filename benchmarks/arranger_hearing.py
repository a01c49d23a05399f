"""What the arranger's front end says of a recording: its ear, the beats that are told and decided, and the chords on them.

The same parts as in serving, hop by hop; called by `arranger_front_end`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np

from models.arranger.chords import ChordFollower, decode_chords
from models.arranger.config import FRAME_RATE, HOP, SAMPLE_RATE
from models.arranger.grid import pool_chords
from models.arranger.hearing import moment, told
from models.arranger.spectrum import Spectrum
from models.rhythm.bar_pointer import BarPointer, Beat
from models.step import Step


@dataclass(frozen=True, slots=True)
class Activations:
    """Frame by frame. beat: (frames, 2) beat and downbeat. chord: (frames, CHORD)."""

    beat: np.ndarray
    chord: np.ndarray


@dataclass(frozen=True, slots=True)
class Found:
    """Beats in seconds of the recording. told: as they were said in time. decided: for good. downs: which of them begin a bar.

    chords: (decided beats - 1, CHORD), all known; followed: the same with no look-ahead.
    locked: seconds until the beat was known, None if it never was.
    """

    told: np.ndarray
    told_downs: np.ndarray
    decided: np.ndarray
    decided_downs: np.ndarray
    chords: np.ndarray
    followed: np.ndarray
    locked: float | None


def hear(step: Step, audio: np.ndarray) -> Activations:
    """Return what the ear says of (samples,) float32 at SAMPLE_RATE, and of the silence after it until it has said all."""
    spectrum, state = Spectrum(), step.initial_state()
    frames = int(told(np.array(float(len(audio))))) + 1
    padded = np.pad(audio, (0, max(0, frames * HOP - len(audio)))).astype(np.float32)
    beats, chords = [], []
    for frame in range(frames):
        outputs, state = step({"spectrum": spectrum.hop(padded[frame * HOP : (frame + 1) * HOP])[None]}, state)
        beats.append(outputs["beat"][0].copy())
        chords.append(outputs["chord"][0].copy())
    return Activations(np.array(beats), np.array(chords))


def find(activations: Activations) -> Found:
    """Return the beats and chords in what the ear said."""
    pointer = BarPointer(FRAME_RATE)
    beats: list[Beat] = []
    said: list[tuple[float, bool]] = []
    position, locked = -np.inf, None
    for frame, (beat, downbeat) in enumerate(activations.beat.tolist()):
        pointer.hear(beat, downbeat)
        beats += pointer.decided()
        if not pointer.locked:
            position = -np.inf
            continue
        now = (frame + 1) * HOP  # samples heard: what is said of them lies in the ear's future
        transport = pointer.transport(float(told(np.array(now))) * HOP, SAMPLE_RATE)
        locked = round(now / SAMPLE_RATE, 2) if locked is None else locked
        if position > -np.inf and ceil(position) <= transport.position and position < ceil(position):
            late = (transport.position - ceil(position)) * 60 / transport.tempo_bpm
            said.append(
                (now / SAMPLE_RATE - late, transport.beat < 0.5 or transport.beat > transport.beats_a_bar - 0.5)
            )
        position = max(position, np.nextafter(transport.position, np.inf))
    beats += pointer.flush()
    frames = np.array([beat.frame for beat in beats])
    pooled = pool_chords(activations.chord, frames) if len(frames) > 1 else np.zeros((0, activations.chord.shape[1]))
    follower = ChordFollower()
    return Found(
        np.array([seconds for seconds, _ in said]), np.array([down for _, down in said], bool),
        moment(frames) / SAMPLE_RATE, np.array([beat.place == 0 for beat in beats], bool),
        _rows([chord.row() for chord in decode_chords(pooled)], pooled),
        _rows([follower.hear(row).row() for row in pooled], pooled), locked,
    )  # fmt: skip


def _rows(rows: list[np.ndarray], like: np.ndarray) -> np.ndarray:
    return np.stack(rows) if rows else np.zeros_like(like)
