"""A song's sound, beats and chords become a piano arrangement: windows of two bars, one at every bar, each written by the network.

Prior only (stage 3a) the third latent is 0 and windows know nothing of each other; autoregressive (3b) each is told what was written
before it. Latents are means and every choice is the likeliest. Every bar has four beats.

    python -m models.arranger.published.inference RUN/stage_3a.safetensors SONG.wav --beats SONG.beats --chords SONG.lab -o PIANO.mid
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.arranger.config import BAR, BEATS_A_BAR, SIXTEENTHS
from models.arranger.published.config import BEATS, STEPS
from models.arranger.published.corrections import Corrections
from models.arranger.published.features import segment_spectrum
from models.arranger.published.network import PublishedNetwork, load_network
from models.arranger.published.symbols import chords_of, notes_of, roll_of

BATCH = 32  # windows
MIDDLE = (48, 69)  # pitches that are played softer
SOFT, LOUD, HALF_BAR, OFF_BEAT = 80, 85, 3, -3  # velocities, and what is added on half notes and between beats
QUIETEST, LOUDEST = -6, 3  # added by the song's energy
PEDAL_DOWN, PEDAL_SECONDS = 80, 0.01  # value; after it was let go at a change of chord


def windows(
    audio: np.ndarray, rate: int, beats: np.ndarray, chords: np.ndarray, corrections: Corrections
) -> tuple[Tensor, Tensor]:
    """Return what the network is given for every bar: (bars, BANDS, FRAMES) and (bars, BEATS, chord_size).

    audio: (samples,). beats: seconds, (beats,) from a downbeat on. chords: (beats, CHORD). After the song there is silence, and its
    last chord.

    Raises:
        ValueError: there is no whole bar.
    """
    bars = len(beats) // BEATS_A_BAR
    if not bars:
        raise ValueError(f"the song has {len(beats)} beats; at least {BEATS_A_BAR} make a bar")
    last = beats[-1] - beats[-2]
    ends = np.concatenate([beats, beats[-1] + last * np.arange(1, BEATS + 1)])
    lasting = np.concatenate([chords, np.repeat(chords[-1:], BEATS, 0)])
    firsts = np.arange(bars) * BEATS_A_BAR
    spectra = np.stack([segment_spectrum(audio, rate, ends[first : first + BEATS + 1]) for first in firsts])
    rows = np.stack([chords_of(lasting[first : first + BEATS], corrections) for first in firsts])
    return torch.from_numpy(spectra), torch.from_numpy(rows)


def arrange(
    network: PublishedNetwork,
    spectra: Tensor,
    chords: Tensor,
    *,
    autoregressive: bool,
    first: PublishedNetwork | None = None,
) -> np.ndarray:
    """Write every window: (bars, STEPS, slots - 1, 6) int.

    first: what writes windows before which nothing has been written, as the release has it: the network of stage 3a.
    """
    network.eval()
    if not autoregressive:
        parts = zip(spectra.split(BATCH), chords.split(BATCH), strict=True)
        return torch.cat([network.write(network.means(*part)) for part in parts]).numpy()
    trees: list[np.ndarray] = []
    for bar in range(len(spectra)):
        given, here = (spectra[bar : bar + 1], chords[bar : bar + 1]), network.corrections
        told = prompt(trees, here)
        if told is None and first is not None:
            z = first.eval().means(*given)
            wrote = first.write(z)
        else:
            roll = roll_of(told if told is not None else np.zeros((0, 3), int))
            wrote = network.write(network.means(*given, torch.from_numpy(roll)[None]))
        trees.append(wrote[0].numpy())
    return np.stack(trees)


def prompt(trees: Sequence[np.ndarray], corrections: Corrections) -> np.ndarray | None:
    """Return the notes that the next window is told, as `symbols` has them; None where nothing has been written yet.

    These are the two bars that were committed last; as released, both bars of the window before, of which one is to be written again.
    """
    if not corrections.previous_bars:
        return notes_of(trees[-1], corrections) if len(trees) else None
    if len(trees) < 2:
        return None
    old, new = (notes_of(tree, corrections) for tree in trees[-2:])
    return np.concatenate([old[old[:, 0] < BAR], new[new[:, 0] < BAR] + [BAR, 0, 0]])


def committed(trees: np.ndarray, corrections: Corrections, *, autoregressive: bool) -> np.ndarray:
    """Return a song's notes of its windows: (notes, 3) int, step of the song, steps, pitch."""
    every = autoregressive if corrections.meant_flag else not autoregressive
    taken = []
    for bar, tree in enumerate(trees):
        notes = notes_of(tree, corrections)
        if every:
            taken.append(notes[notes[:, 0] < BAR] + [bar * BAR, 0, 0])
        elif bar % 2 == 0:
            taken.append(notes[notes[:, 0] < STEPS] + [bar * BAR, 0, 0])
    notes = np.concatenate(taken)
    return notes[notes[:, 0] < len(trees) * BAR]


def velocity(step: int, pitch: int, energy: float = 1.0) -> int:
    """Return how hard a note is struck, by rule. step: of its bar. energy: of the song there, 0 to 1."""
    basic = SOFT if MIDDLE[0] <= pitch <= MIDDLE[1] else LOUD
    accent = HALF_BAR if step % (2 * SIXTEENTHS) == 0 else OFF_BEAT if step % SIXTEENTHS else 0
    return int(basic + accent + QUIETEST + (LOUDEST - QUIETEST) * energy)


def write_midi(
    notes: np.ndarray, beats: np.ndarray, chords: np.ndarray, path: Path, energy: np.ndarray | None = None
) -> None:
    """Write a song's notes with velocities, and the pedal anew where chords change.

    beats: seconds, (beats,). chords: (beats, CHORD). energy: (beats,) 0 to 1.
    """
    import pretty_midi

    last = beats[-1] - beats[-2]
    places = np.concatenate([beats, beats[-1] + last * np.arange(1, BEATS + 1)])
    numbers = np.arange(len(places))
    midi, piano = pretty_midi.PrettyMIDI(), pretty_midi.Instrument(0, name="PIANO")
    for step, length, pitch in notes.tolist():
        on, off = np.interp([step / SIXTEENTHS, (step + length) / SIXTEENTHS], numbers, places)
        loud = 1.0 if energy is None else float(energy[min(step // SIXTEENTHS, len(energy) - 1)])
        piano.notes.append(pretty_midi.Note(velocity(step % BAR, pitch, loud), pitch, on, off))
    for beat in np.flatnonzero(np.r_[True, (np.diff(chords, axis=0) != 0).any(1)]):
        if beat < len(beats):
            piano.control_changes.append(pretty_midi.ControlChange(64, 0, beats[beat]))
            piano.control_changes.append(pretty_midi.ControlChange(64, PEDAL_DOWN, beats[beat] + PEDAL_SECONDS))
    midi.instruments.append(piano)
    midi.write(str(path))


def energy_of(audio: np.ndarray, rate: int, beats: np.ndarray) -> np.ndarray:
    """Return how loud a song is about each beat, over 3 s to each side, 0 to 1 of its loudest: (beats,)."""
    sums = np.concatenate([[0.0], np.cumsum(np.log10(1 + np.asarray(audio, float) ** 2))])
    low, high = (np.clip(((beats + side) * rate).astype(int), 0, len(audio)) for side in (-3.0, 3.0))
    found = sums[high] - sums[low]
    return found / max(float(found.max()), 1e-12)


def read_chords(path: Path, beats: np.ndarray) -> np.ndarray:
    """Return the chord of every beat, (beats, CHORD): lines of start and end in seconds and a name such as A:min7.

    Raises:
        ValueError: a line is none; the message names it.
    """
    from models.arranger.songs import parse_chord

    starts, rows = [], []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        try:
            starts.append(float(words[0]))
            rows.append(parse_chord(words[2]))
        except (ValueError, IndexError) as error:
            raise ValueError(f"{path}, line {number}, is no start, end and chord: {error}") from error
    if not rows:
        raise ValueError(f"{path} holds no chord")
    middles = beats + np.diff(beats, append=2 * beats[-1] - beats[-2]) / 2
    return np.stack([rows[max(0, int(np.searchsorted(starts, middle, "right")) - 1)] for middle in middles])


def main(words: Sequence[str] | None = None) -> None:
    """Arrange a file."""
    import soundfile

    parser = argparse.ArgumentParser(description="Arrange a song for piano by the published network.")
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("song", type=Path, help="audio")
    parser.add_argument("--beats", type=Path, required=True, help="lines of seconds, from a downbeat on, bars of four")
    parser.add_argument("--chords", type=Path, required=True, help="lines of start and end in seconds and a chord")
    parser.add_argument("--autoregressive", action="store_true", help="tell each window what was written before it")
    parser.add_argument("-o", "--output", type=Path, required=True, help="a MIDI file")
    given = parser.parse_args(words)
    try:
        network = load_network(given.checkpoint)[0]
        audio, rate = soundfile.read(given.song, dtype="float32", always_2d=True)
        beats = np.loadtxt(given.beats, ndmin=2)[:, 0]
        chords = read_chords(given.chords, beats)
        spectra, rows = windows(audio.mean(1), rate, beats, chords, network.corrections)
    except (OSError, ValueError, RuntimeError) as error:
        raise SystemExit(str(error)) from error
    trees = arrange(network, spectra, rows, autoregressive=given.autoregressive)
    notes = committed(trees, network.corrections, autoregressive=given.autoregressive)
    write_midi(notes, beats, chords, given.output, energy_of(audio.mean(1), rate, beats))


if __name__ == "__main__":
    main()
