"""What training hears: each recording as it is and as played at other speeds, and stretches of it with what is said of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from models.performer.config import CONTROLS, INSTRUMENTS, REFERENCE_RANGE, PerformerConfig
from models.performer.loudness import as_range, levels, range_of
from models.performer.material import SAMPLE_RATE, Excerpt
from models.performer.measures import FLOOR_DB, recorded_power
from models.performer.score import RING_SECONDS, describe

SHIFTS = (-1, 0, 1)  # semitones by which a recording is played slower or faster
LOUDNESS_DB = -23.0  # mean level of what sounds


@dataclass(frozen=True, slots=True)
class Take:
    """A recording at the network's rate: audio (samples,) float32, notes (n, 4) in samples, bends: of each note (points, 2)
    sample and semitones; instrument; floor: the power that nothing lies below."""

    audio: np.ndarray
    notes: np.ndarray
    bends: tuple[np.ndarray, ...]
    instrument: str
    floor: float


def loudness(excerpt: Excerpt) -> float:
    """Root mean square of what sounds."""
    audio = excerpt.audio.astype(np.float32) / 32768
    level = np.sqrt(np.convolve(audio**2, np.full(3200, 1 / 3200), "same")[::800])
    return float(np.sqrt(np.mean(level[level > level.max() * 10 ** (-40 / 20)] ** 2)))


def loudnesses(excerpts: Sequence[Excerpt]) -> list[float]:
    """How loud each excerpt counts: a movement as it is, phrases of one instrument all alike, whose velocities have one scale."""
    own = [loudness(excerpt) for excerpt in excerpts]
    kinds = [_kind(excerpt) for excerpt in excerpts]
    return [float(np.sqrt(np.mean([v**2 for v, k in zip(own, kinds, strict=True) if k == kind]))) for kind in kinds]


def ranges(excerpts: Sequence[Excerpt]) -> list[float]:
    """How many dB 100 velocities of each excerpt are: measured in a movement, and in all phrases of an instrument at once."""
    measured: dict[str, list[np.ndarray]] = {}
    for excerpt in excerpts:
        found = levels(excerpt.audio / 32768, SAMPLE_RATE, excerpt.notes)
        measured.setdefault(_kind(excerpt), []).append(np.stack([found, excerpt.notes[:, 3]]))
    return [range_of(*np.concatenate(measured[_kind(excerpt)], 1)) for excerpt in excerpts]


def _kind(excerpt: Excerpt) -> str:
    """What shares one scale of velocities."""
    return excerpt.instrument if excerpt.player == "philharmonia" else f"{excerpt.player} {excerpt.piece}"


def takes_of(
    excerpt: Excerpt,
    config: PerformerConfig,
    loud: float,
    range_db: float = REFERENCE_RANGE,
    shifts: Sequence[int] = SHIFTS,
) -> list[Take]:
    """The excerpt as it is and as played at other speeds; `loud` is brought to LOUDNESS_DB, velocities to REFERENCE_RANGE.

    A note begins `config.rise` before its onset, which is where it grows fastest.
    """
    import soxr

    audio = excerpt.audio.astype(np.float32) / 32768 * np.float32(10 ** (LOUDNESS_DB / 20) / loud)
    takes = []
    for shift in shifts:
        ratio = 2 ** (shift / 12)
        heard = soxr.resample(audio, config.sample_rate * ratio, config.sample_rate) if shift else audio
        scale = config.sample_rate / ratio
        notes = excerpt.notes * [scale, scale, 1, 1] + [0, 0, shift, 0]
        notes[:, 3] = as_range(notes[:, 3], range_db)
        notes[:, 0] = np.maximum(notes[:, 0] - config.rise, 0)
        bends = tuple(excerpt.f0[excerpt.f0[:, 0] == i, 1:] * [scale, 1] for i in range(len(notes)))
        loudest = recorded_power(torch.from_numpy(heard[: 30 * config.sample_rate]), config).sum(-1).max().item()
        takes.append(
            Take(heard.astype(np.float32), notes, bends, excerpt.instrument, loudest * 10 ** (-FLOOR_DB / 10) / 50)
        )
    return takes


def segment(
    take: Take, start: int, frames: int, look_ahead: int, config: PerformerConfig, bent: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, pitches as they sound and audio of `frames` frames from sample `start` on. bent: pitches as played."""
    length = frames * config.hop
    before = start - round(RING_SECONDS * config.sample_rate) - config.hop
    inside = np.flatnonzero((take.notes[:, 1] > before) & (take.notes[:, 0] < start + length + 40 * config.hop))
    lead = round(RING_SECONDS * config.sample_rate) // config.hop + 2  # hops before, so that what rings is known
    moved = take.notes[inside] - [start - lead * config.hop, start - lead * config.hop, 0, 0]
    moved[:, 0] = np.maximum(moved[:, 0], 0)
    features, pitches, playing = describe(moved, lead + frames, config, look_ahead)
    features, pitches, playing = features[lead:], pitches[lead:], playing[lead:]
    if bent:
        centres = start + np.arange(frames) * config.hop + config.reach
        for index, note in enumerate(inside):
            points = take.bends[note]
            if len(points):
                where = playing == index
                pitches[where] += np.interp(centres, points[:, 0], points[:, 1])[np.nonzero(where)[0]].astype(
                    np.float32
                )
    first, last = start - config.before, start - config.before + length + config.n_fft - config.hop
    audio = take.audio[max(0, first) : last]
    return features, pitches, np.pad(audio, (max(0, -first), last - max(0, first) - len(audio)))


def controls_of(instrument: str, frames: int) -> np.ndarray:
    """CONTROLS (frames, controls) as they are in training: nothing added, the room as recorded."""
    values = np.zeros((frames, len(CONTROLS)), np.float32)
    values[:, CONTROLS.index("room")] = 1.0
    values[:, len(CONTROLS) - len(INSTRUMENTS) + INSTRUMENTS.index(instrument)] = 1.0
    return values


def shares_of(takes: Sequence[Take]) -> np.ndarray:
    """How often each take is heard: by its length, instruments alike but the violin, which is real, as often as the others."""
    length = np.array([len(take.audio) for take in takes], float)
    names = [take.instrument for take in takes]
    weight = {name: (len(set(names)) - 1 or 1) if name == "violin" else 1.0 for name in names}
    total = {name: sum(v for v, n in zip(length, names, strict=True) if n == name) for name in weight}
    share = np.array([v / total[n] * weight[n] for v, n in zip(length, names, strict=True)])
    return np.asarray(share / share.sum())
