"""Which chord sounds on each beat: what the ear says of a beat's frames becomes one chord, by a small hidden Markov model.

    (beats, CHORD) activations -> decode_chords, with all of a window known (Viterbi)
    (CHORD,) activations       -> ChordFollower, beat by beat with no look-ahead (forward algorithm)
    Chord                      -> its row as scores have it, its name as musicians write it: Am, F/C, N

Chords last: another one on the next beat must be worth CHANGE. How chords are read from words is `wishes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.arranger.config import CHORD, ROOTS
from models.arranger.wishes import MOST_BEATS

PITCH_CLASSES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
KINDS: dict[str, tuple[int, ...]] = {
    "": (0, 4, 7), "m": (0, 3, 7), "7": (0, 4, 7, 10), "maj7": (0, 4, 7, 11), "m7": (0, 3, 7, 10), "dim": (0, 3, 6),
    "m7b5": (0, 3, 6, 10), "aug": (0, 4, 8), "sus2": (0, 2, 7), "sus4": (0, 5, 7),
}  # fmt: skip
"""Semitones from the root, by how musicians write it behind the root."""
USUAL = np.log(
    [0.5, 0.33, 0.02, 0.03, 0.04, 0.01, 0.005, 0.003, 0.04, 0.03]
)  # share of time of each kind, about as in POP909
ROOT_TRUST, CHROMA_TRUST, BASS_TRUST, USUAL_TRUST = (
    1.0,
    1.0,
    0.2,
    0.5,
)  # as powers; the best over 18 songs of validation
CHANGE = 1.0  # nats: what the ear says of a frame is smooth already
SURE_BASS = 0.5  # activation from which another tone than the root is taken as the bass
LEAST = 1e-3  # activations nearer to 0 or 1 say no more


@dataclass(frozen=True, slots=True)
class Chord:
    """A chord. root, bass: pitch classes from C, 12 where there is none. kind: one of KINDS."""

    root: int
    kind: str
    bass: int

    @property
    def is_none(self) -> bool:
        """Whether no chord sounds."""
        return self.root == ROOTS - 1

    @property
    def name(self) -> str:
        """How musicians write it."""
        if self.is_none:
            return "N"
        slash = "" if self.bass in (self.root, ROOTS - 1) else f"/{PITCH_CLASSES[self.bass]}"
        return PITCH_CLASSES[self.root] + self.kind + slash

    def row(self) -> np.ndarray:
        """Return it as network and scores have it: (CHORD,) of 0 and 1."""
        row = np.zeros(CHORD, np.float32)
        row[[self.root, ROOTS + 12 + self.bass]] = 1
        if not self.is_none:
            row[[ROOTS + (self.root + tone) % 12 for tone in KINDS[self.kind]]] = 1
        return row


NONE = Chord(ROOTS - 1, "", ROOTS - 1)
_STATES = [Chord(root, kind, root) for root in range(12) for kind in KINDS] + [NONE]
_TONES = np.stack([state.row()[ROOTS : ROOTS + 12] for state in _STATES])
_ROOTS = np.array([state.root for state in _STATES])
_KINDS = USUAL_TRUST * USUAL - np.log(np.exp(USUAL_TRUST * USUAL).sum() * 12)
_PRIOR = np.append(np.tile(_KINDS, 12), np.log(0.05))


def decode_chords(activations: np.ndarray) -> list[Chord]:
    """Return the chord of every beat, all of them known: (beats, CHORD) 0..1 -> beats of Chord, by the Viterbi algorithm."""
    scores = _likelihoods(activations)
    best = _PRIOR + scores[0] if len(scores) else _PRIOR
    came = np.zeros(scores.shape, int)
    for beat in range(1, len(scores)):
        other, stays = int(best.argmax()), np.arange(len(_STATES))
        moved = best[other] - CHANGE + _PRIOR
        came[beat] = np.where(moved > best, other, stays)
        best = np.maximum(moved, best) + scores[beat]
    state, states = int(best.argmax()), []
    for beat in range(len(scores) - 1, -1, -1):
        states.append(state)
        state = int(came[beat, state])
    return [_with_bass(one, row) for one, row in zip(reversed(states), activations, strict=True)]


class ChordFollower:
    """One stream of beats. Owns its state."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Have heard nothing."""
        self._share = np.exp(_PRIOR - _PRIOR.max())
        self._share /= self._share.sum()

    def hear(self, activations: np.ndarray) -> Chord:
        """Take a beat, (CHORD,) 0..1, and return its chord: the likeliest after all that was heard until now."""
        scores = _likelihoods(activations[None])[0]
        moves = np.exp(-CHANGE)
        prior = (1 - moves) * self._share + moves * np.exp(_PRIOR)
        self._share = prior * np.exp(scores - scores.max())
        self._share /= self._share.sum()
        return _with_bass(int(self._share.argmax()), activations)


def names(chords: Sequence[Chord]) -> str:
    """Return chords in one line as `wishes` reads it, the beats of each behind it: `Am:4 F/C:2`."""
    parts: list[list[str | int]] = []
    for chord in chords:
        if parts and parts[-1][0] == chord.name and int(parts[-1][1]) < MOST_BEATS:
            parts[-1][1] = int(parts[-1][1]) + 1
        else:
            parts.append([chord.name, 1])
    return " ".join(f"{name}:{beats}" for name, beats in parts)


def _likelihoods(activations: np.ndarray) -> np.ndarray:
    """(beats, CHORD) -> (beats, states): log, up to a constant of each beat."""
    bounded = np.clip(np.nan_to_num(activations.astype(float)), LEAST, 1 - LEAST)
    root, chroma, bass = np.split(bounded, [ROOTS, ROOTS + 12], 1)
    tones = np.log(chroma) @ _TONES.T + np.log(1 - chroma) @ (1 - _TONES.T)
    beneath = np.append(_TONES, np.zeros((len(_STATES), 1)), 1)
    beneath[-1, -1] = 1  # under no chord there is no bass
    lowest = np.log(bass @ beneath.T + LEAST)
    return ROOT_TRUST * np.log(root)[:, _ROOTS] + CHROMA_TRUST * tones + BASS_TRUST * lowest


def _with_bass(state: int, activations: np.ndarray) -> Chord:
    """Return a state's chord over the bass that was heard."""
    chord = _STATES[state]
    heard = activations[ROOTS + 12 : ROOTS + 24]
    bass = int(heard.argmax())
    return chord if chord.is_none or heard[bass] < SURE_BASS else Chord(chord.root, chord.kind, bass)
