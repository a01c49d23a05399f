"""Synthetic phrases: real single notes of one instrument joined into lines that somebody wrote for another.

Nobody played them. Each note is a recording of that pitch (moved by two semitones at most) and about that loudness, cut or
prolonged to its length; slurred notes are joined past their attack; one made-up room, the same for a whole phrase, lets
them ring into each other. Velocity is the measured level of the dry note. Called by `sources`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.performer.loudness import HIGHEST_VELOCITY, LOWEST_VELOCITY, ends_of, level_of, levels, velocities_of
from models.performer.pitch_track import track_pitch
from models.sound.manners import articulate, humanise, into_range, one_voice, shorten_rests
from models.sound.performance import Performance, excerpt
from models.sound.single_notes import DYNAMICS, Recording, cut

FARTHEST_SEMITONES = 2
TOP_DB = -18.0  # level of velocity 120
SLUR_GAP_SECONDS, SLUR_FADE_SECONDS = 0.03, 0.025
TIED_SHARE, TIED_SECONDS = 0.5, 0.5
MOST_REST_SECONDS = 0.6
JOIN_SECONDS = 0.08  # of two places of a sustained sound
TAIL_SECONDS = 1.2
NOISE_DB = -78.0
INTONATION = 0.04  # semitones, of the player
DECAY_SECONDS, WET_DB = (0.3, 1.2), (-14.0, -5.0)

Cell = tuple[int, str]  # pitch and dynamic


@dataclass(frozen=True, slots=True)
class Sample:
    """A recorded note, its own level before it was cut, and which cell of pitch and dynamic it is of."""

    recording: Recording
    level_db: float
    cell: Cell


@dataclass(frozen=True, slots=True)
class Phrase:
    """audio: (samples,) float32; notes: (notes, 4) float64; f0: (points, 3), measured before the room, see `track_pitch`."""

    audio: np.ndarray
    notes: np.ndarray
    f0: np.ndarray


class Notes:
    """One instrument's recorded notes, ready to be joined. Read-only once built.

    The ends of its loudness are those of all samples, so that a velocity means the same whichever are played.
    """

    def __init__(self, samples: Sequence[Sample], without: Iterable[Cell] = (), first: Iterable[Cell] = ()) -> None:
        """`without` are cells not to play, `first` those to play wherever they fit."""
        self.ends = ends_of(np.array([sample.level_db for sample in samples]))
        excluded, preferred = set(without), set(first)
        self.samples = [sample for sample in samples if sample.cell not in excluded]
        if not self.samples:
            raise FileNotFoundError("there are no recorded notes to join")
        self.pitches = np.array([sample.recording.pitch for sample in self.samples])
        self.velocities = velocities_of(np.array([sample.level_db for sample in self.samples]), self.ends)
        self.sounding = np.array([sample.recording.sounding_seconds for sample in self.samples])
        self.bonus = np.array([float(sample.cell in preferred) for sample in self.samples])
        self.lowest, self.highest = round(self.pitches.min()), round(self.pitches.max())

    def choose(self, pitch: float, velocity: float, seconds: float, rng: np.random.Generator) -> Sample | None:
        """The recording that is nearest in pitch, loudness and length, by lot among near ones; None if none may be moved."""
        away = np.abs(self.pitches - pitch)
        short = np.maximum(seconds - self.sounding, 0)
        cost = 0.5 * away + np.abs(self.velocities - velocity) / 12 + 1.5 * short
        cost += 0.2 * np.maximum(self.sounding - seconds, 0) - self.bonus + rng.uniform(0, 0.6, len(cost))
        cost[away > FARTHEST_SEMITONES] = np.inf
        best = int(np.argmin(cost))
        return self.samples[best] if np.isfinite(cost[best]) else None


def read_samples(folder: Path, instrument: str) -> list[Sample]:
    """Read the notes of one instrument of the Philharmonia Orchestra, played in the ordinary way, by index.csv."""
    import soundfile

    samples = []
    with (folder / "index.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["instrument"] == instrument and row["pitch_ok"] == "True"]
    for row in rows:
        if row["dynamic"] not in DYNAMICS or row["articulation"] not in ("normal", "arco-normal"):
            continue
        raw, rate = soundfile.read(folder / instrument / row["file"], dtype="float32", always_2d=True)
        mono = raw.mean(1)
        note = cut(mono, rate, float(row["midi_measured"]), DYNAMICS[row["dynamic"]])
        # its loudest quarter of a second is at 0.1 now
        level = 20 * np.log10(0.1 * np.abs(mono).max() / np.abs(note.audio).max())
        samples.append(Sample(note, float(level), (int(row["midi"]), row["dynamic"])))
    if not samples:
        raise FileNotFoundError(f"{folder} holds no notes of the instrument {instrument!r}")
    return samples


def join(source: np.ndarray, notes: Notes, seconds: float, sample_rate: int, rng: np.random.Generator) -> Phrase:
    """Play some `seconds` out of the line `source` (notes, 4), at least one note, moved into the instrument's range."""
    line = one_voice(_without_rests(humanise(shorten_rests(one_voice(source), rng), rng)))
    latest = max(0.0, float(line[:, 1].max(initial=0)) - seconds)
    line = excerpt(Performance(line, np.zeros((0, 2))), float(rng.uniform(0, latest)), seconds - 0.2).notes
    line[:, :2] += 0.1
    line = one_voice(into_range(line, notes.lowest, notes.highest, rng))
    line = _tied(line) if rng.random() < TIED_SHARE else articulate(line, rng)
    line[:, 3] = np.clip(line[:, 3], LOWEST_VELOCITY, HIGHEST_VELOCITY)
    dry, played = _play(line, notes, seconds + TAIL_SECONDS, sample_rate, rng)
    span = notes.ends[1] - notes.ends[0]
    played[:, 3] = velocities_of(levels(dry, sample_rate, played), (TOP_DB - span, TOP_DB))
    audio = in_room(dry, sample_rate, rng)
    audio += np.float32(10 ** (NOISE_DB / 20)) * rng.standard_normal(len(audio), np.float32)  # no room is silent
    audio = np.clip(audio, -1, 1)
    return Phrase(audio, played, track_pitch(dry, sample_rate, played))


def _without_rests(line: np.ndarray) -> np.ndarray:
    """Begin at once, and make rests no longer than MOST_REST_SECONDS: half of a singer's line is silence."""
    rests = np.maximum(line[1:, 0] - line[:-1, 1] - MOST_REST_SECONDS, 0)
    shift = line[0, 0] + np.append(0, np.cumsum(rests))
    return line - np.stack([shift, shift, 0 * shift, 0 * shift], 1)


def _tied(line: np.ndarray) -> np.ndarray:
    """Let each note last until the next, unless a rest is longer than TIED_SECONDS."""
    tied = line.copy()
    tied[:-1, 1] = np.where(line[1:, 0] - line[:-1, 1] < TIED_SECONDS, line[1:, 0], line[:-1, 1])
    return tied


def _play(
    line: np.ndarray, notes: Notes, seconds: float, sample_rate: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """(samples,) float32 without a room, and the notes that a recording was near enough to."""
    output, played = np.zeros(round(seconds * sample_rate), np.float32), []
    slurs = rng.uniform(0.2, 1)  # of the notes that follow without a gap
    release = rng.uniform(0.03, 0.08)
    previous_end = -np.inf
    followed = np.append(line[1:, 0] - line[:-1, 1] < SLUR_GAP_SECONDS, False)
    for (onset, offset, pitch, velocity), legato in zip(line, followed, strict=True):
        sample = notes.choose(pitch, velocity, offset - onset, rng)
        if sample is None:
            continue
        slurred = onset - previous_end < SLUR_GAP_SECONDS and rng.random() < slurs
        steps = pitch - sample.recording.pitch + rng.normal(0, INTONATION)
        sound = prolonged(sample.recording, steps, offset - onset, slurred, sample_rate, rng)
        held = min(len(sound), round((offset - onset) * sample_rate))
        decay = np.arange(len(sound) - held) / ((SLUR_FADE_SECONDS / 2 if legato else release) * sample_rate)
        sound[held:] *= np.exp(-decay).astype(np.float32)
        wanted = TOP_DB + level_of(velocity, notes.ends) - notes.ends[1]
        measured = 10 * np.log10(np.mean(sound[:held] ** 2) + 1e-9)
        nominal = wanted + 20  # a short note is made louder, but not what it would never be
        sound *= np.float32(10 ** (np.clip(wanted - measured, nominal - 3, nominal + 5) / 20))
        first = round(onset * sample_rate)
        sound = sound[: max(0, len(output) - first)]
        output[first : first + len(sound)] += sound
        played.append((onset, offset, pitch, velocity))
        previous_end = offset
    return output, np.array(played, float).reshape(-1, 4)


def prolonged(
    recording: Recording, steps: float, seconds: float, slurred: bool, sample_rate: int, rng: np.random.Generator
) -> np.ndarray:
    """(samples,) float32 of a recording moved by `steps` semitones and lasting `seconds` and a release.

    A slurred note begins past its attack. What is too short goes on from other places of its middle, where the waves fit.
    """
    import soxr

    audio = soxr.resample(recording.audio, recording.sample_rate * 2 ** (steps / 12), sample_rate).astype(np.float32)
    width = sample_rate // 200
    envelope = np.sqrt(np.mean(audio[: len(audio) // width * width].reshape(-1, width) ** 2, 1))
    attack = envelope[: sample_rate // 4 // width].max(initial=1e-9)
    speaks = int(np.argmax(envelope > (0.7 if slurred else 0.25) * attack)) * width
    lead = 0 if slurred else sample_rate // 100
    begin = min(max(0, speaks - lead), sample_rate // 8)
    sounding = int(recording.sounding_seconds / 2 ** (steps / 12) * sample_rate) - begin
    audio = audio[begin:].copy()
    fade = round((SLUR_FADE_SECONDS if slurred else 0.004) * sample_rate)
    audio[:fade] *= np.linspace(0, 1, len(audio[:fade]), dtype=np.float32)
    wanted = round(seconds * sample_rate)
    join_length = round(JOIN_SECONDS * sample_rate)
    low, high = int(0.3 * sounding), int(0.75 * sounding)
    if wanted > sounding and high - low > 3 * join_length:
        audio = _sustain(audio, wanted + join_length, low, high, join_length, rng)
    return audio[: wanted + round(0.6 * sample_rate)]


def _sustain(
    audio: np.ndarray, wanted: int, low: int, high: int, join_length: int, rng: np.random.Generator
) -> np.ndarray:
    """Go on from places between `low` and `high` of the sound until `wanted` samples are there."""
    made = audio[:high].copy()
    up = np.sin(np.linspace(0, np.pi / 2, join_length, dtype=np.float32)) ** 2
    while len(made) < wanted:
        end = made[-join_length:]
        latest = low + max(1, (high - low) // 3)
        tries = rng.integers(low, latest, 200)
        fits = [
            float(end @ audio[at : at + join_length]) / (np.linalg.norm(audio[at : at + join_length]) + 1e-9)
            for at in tries
        ]
        at = int(tries[int(np.argmax(fits))])
        piece = audio[at:high].copy()
        piece[:join_length] = piece[:join_length] * up + end * (1 - up)
        made = np.concatenate([made[:-join_length], piece])
    return made


def in_room(dry: np.ndarray, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """(samples,) float32: the dry sound, untouched, and the decay of one room drawn for it, duller as it dies."""
    decay = rng.uniform(*DECAY_SECONDS)  # to -60 dB
    time = np.arange(round(decay * sample_rate)) / sample_rate
    noise = rng.standard_normal((2, len(time)))
    dull = np.convolve(noise[0], np.full(12, 1 / 12), mode="same") * np.sqrt(12)
    share = np.exp(-time / (0.3 * decay))
    tail = (share * noise[1] + (1 - share) * dull) * 10 ** (-3 * time / decay)
    tail[: round(rng.uniform(0.005, 0.015) * sample_rate)] = 0
    tail *= 10 ** (rng.uniform(*WET_DB) / 20) / np.sqrt(np.sum(tail**2))
    size = 1 << (len(dry) + len(tail)).bit_length()
    wet = np.fft.irfft(np.fft.rfft(dry, size) * np.fft.rfft(tail, size), size)[: len(dry)]
    return np.asarray(dry + wet, np.float32)
