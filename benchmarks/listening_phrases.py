"""What the listening page plays: phrases of held-out pieces, all versions of one equally loud, and how each looks.

Called by `listening`; who plays a phrase is in `performer_programs`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.block import Samples
from server.audio.file import read_audio
from server.midi.file import readable

LEAD_SECONDS = 0.1  # heard before the first onset
FADE_SECONDS = (0.01, 0.06)  # in and out
NEAR_SECONDS = 8.0  # how far from its even place a phrase may begin, for the sake of a rest
LEVEL_DB, PEAK = -20.0, 0.89  # RMS of every version in dB full scale, unless the loudest peak forbids it
SPECTRUM_HZ = (100.0, 14_000.0)  # bottom and top of the pictures, on a logarithmic scale
WINDOW_SECONDS, RANGE_DB = 0.046, 75.0
ROWS, COLUMNS = 240, 1200  # of a picture
JOY_BPM, JOY_VELOCITIES = 84.0, (70, 84, 96, 78)  # the beats of a bar
JOY_PITCHES = (66, 66, 67, 69, 69, 67, 66, 64, 62, 62, 64, 66, 66, 64, 64)
JOY_BEATS = (*(1.0,) * 12, 1.5, 0.5, 2.0)
"""Beethoven's Ode to Joy in D."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """score: a MIDI file that begins and ends with the phrase. recording: (1, samples) and their rate, where there is one."""

    title: str
    score: Path
    seconds: float
    recording: tuple[Samples, int] | None = None


def cut_phrases(recording: Path, score: Path, count: int, seconds: float, folder: Path) -> list[Phrase]:
    """Return phrases of a piece, spread evenly over it; their scores are written into `folder`. Raises BacklineError."""
    from models.sound.performance import read_performance

    with readable(score):
        notes = read_performance(score).notes
    samples, rate = read_audio(recording)
    phrases = []
    for start, end in places(notes, count, seconds):
        part = notes[(notes[:, 0] >= start) & (notes[:, 0] < end)] - [start, start, 0, 0]
        path = folder / f"{score.stem}_{start:.0f}.mid"
        write_score(path, np.minimum(part, [np.inf, end - start, 127, 127]))
        sound = samples[:, round(start * rate) : round(end * rate)]
        title = f"{score.stem}, {int(start) // 60}:{int(start) % 60:02d}"
        phrases.append(Phrase(title, path, end - start, (sound, rate)))
    return phrases


def joy(folder: Path) -> Phrase:
    """Return a tune for who has no recordings."""
    beat = 60 / JOY_BPM
    starts = list(accumulate(JOY_BEATS, initial=0.0))
    notes = [
        (
            LEAD_SECONDS + beat * start,
            LEAD_SECONDS + beat * (start + 0.95 * beats),
            pitch,
            JOY_VELOCITIES[int(start) % 4],
        )
        for start, beats, pitch in zip(starts, JOY_BEATS, JOY_PITCHES, strict=False)
    ]
    write_score(folder / "joy.mid", np.array(notes))
    return Phrase("Ode to Joy", folder / "joy.mid", LEAD_SECONDS + beat * starts[-1] + 0.5)


def places(notes: NDArray[np.float64], count: int, seconds: float) -> list[tuple[float, float]]:
    """Return (start, end) in seconds of phrases about that long; each begins and ends at the widest rest nearby.

    notes: (notes, 4), onset and offset in seconds, pitch, velocity; sorted by onset.
    """
    if not len(notes):
        return []
    onsets, last = notes[:, 0], float(notes[:, 1].max())
    rests = onsets - np.maximum.accumulate(np.concatenate([[-np.inf], notes[:-1, 1]]))
    free = max(0.0, last - float(onsets[0]) - seconds)  # where a phrase can begin
    count = max(1, min(count, int((free + seconds) / seconds)))
    found = []
    for number in range(count):
        wanted = onsets[0] + free * (number + 0.5) / count
        near = min(NEAR_SECONDS, max(0.0, (free / count - seconds) / 2))
        first = _widest(onsets, rests, wanted - near, wanted + near)
        after = _widest(onsets, rests, onsets[first] + 0.85 * seconds, onsets[first] + 1.15 * seconds)
        whole = onsets[after] <= onsets[first] or onsets[first] + 1.15 * seconds >= last
        start = max(0.0, float(onsets[first]) - LEAD_SECONDS)
        found.append((start, last + 0.3 if whole else float(onsets[after]) - 0.02))
    return found


def write_score(path: Path, notes: NDArray[np.float64]) -> None:
    """Write (notes, 4), see `places`, as a MIDI file with ticks of 0.25 ms."""
    import pretty_midi

    midi = pretty_midi.PrettyMIDI(resolution=2000, initial_tempo=120)
    track = pretty_midi.Instrument(0)
    track.notes = [pretty_midi.Note(int(v), int(p), float(on), float(off)) for on, off, p, v in notes]
    midi.instruments.append(track)
    midi.write(str(path))


def equally_loud(versions: Sequence[tuple[Samples, int]], seconds: float) -> list[tuple[Samples, int]]:
    """Return the versions of a phrase cut to one length, faded and at one RMS level; what is silent stays so."""
    cut = [(_faded(samples, rate, seconds), rate) for samples, rate in versions]
    wanted = 10 ** (LEVEL_DB / 20)
    levels = [float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) for samples, _ in cut]
    gains = [wanted / level if level > 1e-6 else 0.0 for level in levels]
    peak = max(
        (gain * float(np.abs(samples).max()) for gain, (samples, _) in zip(gains, cut, strict=True)), default=0.0
    )
    common = min(1.0, PEAK / peak) if peak else 1.0
    return [
        (np.asarray(samples * (gain * common), np.float32), rate)
        for gain, (samples, rate) in zip(gains, cut, strict=True)
    ]


def spectrum(samples: Samples, rate: int) -> NDArray[np.float64]:
    """Return (ROWS, COLUMNS) in dB of the power of (1, samples), the lowest frequency first."""
    size = round(WINDOW_SECONDS * rate / 2) * 2
    starts = np.linspace(0, max(0, samples.shape[1] - 1), COLUMNS).astype(int)
    padded = np.pad(samples[0], (size // 2, size // 2 + 1))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[starts] * np.hanning(size)
    power = np.abs(np.fft.rfft(frames)) ** 2 / size**2  # (COLUMNS, bins)
    edges = np.geomspace(*SPECTRUM_HZ, ROWS + 1) * size / rate  # in bins
    total = np.pad(np.cumsum(power, 1), ((0, 0), (1, 0)))  # of the bins below
    at = np.clip(edges + 0.5, 0, power.shape[1])
    low = np.minimum(at.astype(int), power.shape[1] - 1)
    below = np.take_along_axis(total, low[None], 1) + (at - low) * np.take_along_axis(power, low[None], 1)
    mean = np.diff(below, axis=1) / np.maximum(np.diff(at), 1e-9)  # (COLUMNS, ROWS)
    return np.asarray(10 * np.log10(mean + 1e-14).T)


def write_pictures(paths: Sequence[Path], spectra: Sequence[NDArray[np.float64]]) -> None:
    """Write the spectra of one phrase as PNG, all in the colours of the loudest."""
    from matplotlib.image import imsave

    top = max(float(spectrum.max()) for spectrum in spectra)
    for path, spectrum in zip(paths, spectra, strict=True):
        imsave(str(path), spectrum, cmap="magma", vmin=top - RANGE_DB, vmax=top, origin="lower")


def _widest(onsets: NDArray[np.float64], rests: NDArray[np.float64], low: float, high: float) -> int:
    """Return the onset within the span that follows the longest rest, or the one nearest to its middle where it holds none."""
    inside = np.flatnonzero((onsets >= low) & (onsets <= high))
    return int(inside[rests[inside].argmax()]) if len(inside) else int(np.abs(onsets - (low + high) / 2).argmin())


def _faded(samples: Samples, rate: int, seconds: float) -> Samples:
    length = round(seconds * rate)
    cut = np.zeros((1, length), np.float32)
    cut[:, : samples.shape[1]] = samples[:1, :length]
    into, out = (min(length, round(fade * rate)) for fade in FADE_SECONDS)
    cut[:, :into] *= np.linspace(0, 1, into, dtype=np.float32)
    cut[:, length - out :] *= np.linspace(1, 0, out, dtype=np.float32)
    return cut
