"""Who plays drums in `drummer_table`: the drummer on a given grid, and the controls it is read beside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.drummer_scores import Beats, Hits, folded, read_beats, read_hits
from models.drummer.config import LONGEST_BAR, SIXTEENTHS
from models.drummer.ear import HOP, RATE, BassEar
from models.drummer.hearing import BassLine, BassNote
from models.drummer.planner import Planner, Settings
from models.step import Step, Tensors

AUDIO = (".flac", ".wav", ".ogg", ".mp3")
UNENDED_BEATS = 0.5  # an ear hears strokes and no ends: how long a note is taken to last, at most until the next


@dataclass(frozen=True, slots=True)
class Case:
    """A song to judge with. bass: (notes, 4) float64: place and length in beats of its own grid, pitch, strength 0..1."""

    name: str
    beats: Beats
    drums: Hits
    bass: np.ndarray


class TorchStep:
    """A checkpoint's network as a Step."""

    def __init__(self, checkpoint: Path) -> None:
        from models.drummer.network import load_network

        self._network = load_network(checkpoint)

    def initial_state(self) -> Tensors:
        return {name: values.numpy() for name, values in self._network.initial_state(1).items()}

    def __call__(self, inputs: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        import torch

        whole, whole_place, part, order, tempo = (
            torch.from_numpy(inputs[name]) for name in ("whole", "whole_place", "part", "order", "tempo")
        )
        before = {name: torch.from_numpy(np.asarray(values)) for name, values in state.items()}
        with torch.no_grad():
            outputs, new = self._network.step(whole, whole_place, part, order, tempo, before)
        return {name: values.numpy() for name, values in outputs.items()}, {n: v.numpy() for n, v in new.items()}


def read_cases(folder: Path) -> list[Case]:
    """Read the songs of a folder: NAME.beats, ref/NAME.mid, and the bass as audio/NAME.flac or audio/NAME.mid.

    Raises:
        ValueError: a file is not what its name says, or there is no song.
    """
    cases = []
    for path in sorted(folder.glob("*.beats")):
        beats = read_beats(path)
        sources = [folder / "audio" / f"{path.stem}{kind}" for kind in (*AUDIO, ".mid")]
        bass = next((source for source in sources if source.exists()), None)
        if bass is None:
            raise ValueError(f"{folder / 'audio'} holds no {path.stem}{' or '.join((*AUDIO, '.mid'))}")
        notes = bass_of_midi(bass) if bass.suffix == ".mid" else bass_of_audio(bass)
        cases.append(Case(path.stem, beats, read_hits(folder / "ref" / f"{path.stem}.mid"), placed(notes, beats)))
    if not cases:
        raise ValueError(f"{folder} holds no NAME.beats")
    return cases


def bass_of_audio(path: Path) -> np.ndarray:
    """Return the strokes that the drummer's ear hears: (notes, 4) seconds of begin and end, pitch, strength."""
    import soundfile
    import soxr

    audio, rate = soundfile.read(str(path), dtype="float32", always_2d=True)
    mono = soxr.resample(audio.mean(1), rate, RATE).astype(np.float32)
    mono = np.pad(mono, (0, -len(mono) % HOP + BassEar.pitch_delay // HOP * HOP + HOP))
    ear = BassEar()
    strokes = [stroke for start in range(0, len(mono), HOP) for stroke in ear.hop(mono[start : start + HOP])[1]]
    return np.array([[s.sample / RATE, np.inf, s.pitch, s.strength] for s in strokes]).reshape(-1, 4)


def bass_of_midi(path: Path) -> np.ndarray:
    """Return the notes of all tracks but drums: (notes, 4) seconds of begin and end, pitch, strength."""
    import pretty_midi

    tracks = pretty_midi.PrettyMIDI(str(path)).instruments
    rows = sorted((n.start, n.end, n.pitch, n.velocity / 127) for t in tracks if not t.is_drum for n in t.notes)
    return np.array(rows).reshape(-1, 4)


def placed(notes: np.ndarray, beats: Beats) -> np.ndarray:
    """(notes, 4) with seconds -> with place and length in beats; before and after the grid its first and last tempo go on."""
    index = np.arange(-1, len(beats.times) + 1)
    first, last = np.diff(beats.times)[[0, -1]]
    times = np.concatenate([[beats.times[0] - first], beats.times, [beats.times[-1] + last]])
    out = notes.copy()
    out[:, 0] = np.interp(notes[:, 0], times, index)
    longest = np.append(np.diff(out[:, 0]), UNENDED_BEATS)
    ends = np.where(
        np.isinf(notes[:, 1]), out[:, 0] + np.minimum(longest, UNENDED_BEATS), np.interp(notes[:, 1], times, index)
    )
    out[:, 1] = np.maximum(0, ends - out[:, 0])
    return out[(out[:, 0] >= -0.5) & (out[:, 0] < len(beats.times))]


def play(
    step: Step,
    bass: np.ndarray,
    beats: Beats,
    settings: Settings,
    known: int,
    styles: Mapping[str, np.ndarray] | None = None,
) -> Hits:
    """Plan a song's drums beat by beat, each when `known` sixteenths of the beat before have been heard."""
    planner, line, later = Planner(step, styles), BassLine(), 0
    starts = np.flatnonzero(beats.numbers == 1)
    bar = min(LONGEST_BAR, int(np.median(np.diff(starts))) if len(starts) > 1 else 4)
    tempo = 60 / float(np.median(np.diff(beats.times)))
    rows: list[tuple[float, int]] = []
    for beat in range(len(beats.times)):
        heard_until = beat - 1 + known / SIXTEENTHS - 0.5 / SIXTEENTHS
        while later < len(bass) and bass[later, 0] < heard_until:
            place, length, pitch, strength = bass[later]
            line.hear(BassNote(place, length, pitch, strength))
            later += 1
        place = (int(beats.numbers[beat]) - 1) % bar
        hits = planner.plan(line, beat, place, bar, tempo, known, settings)
        index = np.array([hit.place for hit in hits])
        rows += zip(_seconds(index, beats), (hit.note for hit in hits), strict=True)
    return folded(rows)


def others_bass(bass: np.ndarray, beats: Beats) -> np.ndarray:
    """Return a bass of another song on this grid, over again until it is filled."""
    length = 4 * max(1, int(np.ceil((bass[-1, 0] if len(bass) else 1) / 4)))
    again = -(-len(beats.times) // length)
    rows = np.tile(bass, (again, 1))
    rows[:, 0] += np.repeat(length * np.arange(again), len(bass))
    return rows[rows[:, 0] < len(beats.times)]


def others_drums(case: Case, beats: Beats) -> Hits:
    """Return another song's drums on this grid, beat for beat from the first downbeats."""
    index = np.interp(case.drums.times, case.beats.times, np.arange(len(case.beats.times)))
    index += int(np.argmax(beats.numbers == 1)) - int(np.argmax(case.beats.numbers == 1))
    length = 4 * max(1, int(np.ceil(index.max(initial=1) / 4)))
    rows = [
        (float(i + shift), int(part))
        for shift in range(0, len(beats.times), length)
        for i, part in zip(index, case.drums.parts, strict=True)
        if 0 <= i + shift < len(beats.times) - 1
    ]
    places = np.array([row[0] for row in rows])
    return folded(zip(_seconds(places, beats), (row[1] for row in rows), strict=True))


def _seconds(places: np.ndarray, beats: Beats) -> list[float]:
    last = float(beats.times[-1] + np.diff(beats.times)[-1])
    times = np.append(beats.times, last)
    first = beats.times[0] + np.minimum(0, places) * (beats.times[1] - beats.times[0])
    return [float(t) for t in np.where(places < 0, first, np.interp(places, np.arange(len(times)), times))]
