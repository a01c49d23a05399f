"""Does a rendering sound the score's pitches? What a pitch detector hears, and how tonal it is, where the score has one voice.

Counted are frames around which one note and no other sounds in the score, half a frame of 46 ms to both sides, so that a
score that lies loosely on its recording lowers that recording's figures. Needs librosa (extra `train`).
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.record import Row
from benchmarks.render_scores import RATE, load_sound
from server.evaluation import Notes, reference_notes

FRAME, HOP, TRANSFORM = 1024, 512, 4096  # samples at RATE
NEAR_CENTS = 50
RESOLUTION = 0.25  # of the detector, in semitones
BEYOND = 13  # semitones that it may be wrong by below and above the score's pitches: an octave and more
LEAST_HZ = 2 * RATE / FRAME  # of which a frame holds two periods
PARTIALS = 10
HALF_WIDTH_HZ, HALF_WIDTH_CENTS = 43.0, 35  # what belongs to a partial: the window's main lobe, or a vibrato

Frames = NDArray[np.float64]


def pitch_figures(sound: Path, score: Path) -> Row:
    """Return `pitch` and `harmonics_db`, or nothing where the score has one voice nowhere. Raises BacklineError."""
    samples = load_sound(sound)
    written = single_pitches(reference_notes(score), 1 + len(samples) // HOP)
    alone = np.isfinite(written)
    if not alone.any():
        return {}
    return {"pitch": pitch_share(samples, written), "harmonics_db": harmonics_db(samples, written)}


def pitch_share(samples: NDArray[np.floating], written: Frames) -> float:
    """Return the share of the frames with a written pitch in which pYIN's best guess is within 50 cents of it.

    Frames that the detector calls unvoiced count by its guess too: it calls half of a sound font's violin so.
    """
    import librosa

    alone = np.isfinite(written)
    low, high = (librosa.midi_to_hz(pitch) for pitch in (written[alone].min() - BEYOND, written[alone].max() + BEYOND))
    found, _, _ = librosa.pyin(
        samples, fmin=max(low, 1.01 * LEAST_HZ), fmax=min(high, RATE / 2.2), sr=RATE, frame_length=FRAME, hop_length=HOP,
        resolution=RESOLUTION, fill_na=None,
    )  # fmt: skip
    apart = 100 * np.abs(librosa.hz_to_midi(found[alone]) - written[alone])
    return float((apart <= NEAR_CENTS).mean())


def harmonics_db(samples: NDArray[np.floating], written: Frames) -> float:
    """Return the tonalness: the median over the frames with a written pitch of harmonic to other power, in dB.

    Harmonic is what lies within 43 Hz or 35 cents of the first ten partials of the written pitch; other what lies between
    them, from half the pitch to half a pitch above the last. White noise has -5 to 3 dB, by the pitch.
    """
    import librosa

    power = np.abs(librosa.stft(samples, n_fft=TRANSFORM, win_length=FRAME, hop_length=HOP)) ** 2
    hertz = np.fft.rfftfreq(TRANSFORM, 1 / RATE)
    found = []
    for pitch in np.unique(written[np.isfinite(written)]):
        own = 440 * 2 ** ((pitch - 69) / 12)
        number = np.clip(np.round(hertz / own), 1, PARTIALS)
        width = np.maximum(HALF_WIDTH_HZ, number * own * (2 ** (HALF_WIDTH_CENTS / 1200) - 1))
        inside = (hertz >= own / 2) & (hertz <= own * (PARTIALS + 0.5))
        harmonic = inside & (np.abs(hertz - number * own) <= width)
        frames = power[:, written == pitch]
        found.append((frames[harmonic].sum(0) + 1e-12) / (frames[inside & ~harmonic].sum(0) + 1e-12))
    return float(10 * np.log10(np.median(np.concatenate(found))))


def single_pitches(notes: Notes, count: int) -> Frames:
    """Return (count,) the pitch of the only note that sounds around each frame's middle, nan where none or more do."""
    sounding, whole = np.zeros((2, count), int)
    pitches = np.full(count, np.nan)
    reach = FRAME / 2 / RATE
    middles = np.arange(count) * HOP / RATE
    for (onset, offset), pitch in zip(notes.intervals, notes.pitches, strict=True):
        near = slice(*np.searchsorted(middles, (onset - reach, offset + reach)))
        within = slice(*np.searchsorted(middles, (onset + reach, offset - reach)))
        sounding[near] += 1
        whole[within] += 1
        pitches[within] = pitch
    pitches[(sounding != 1) | (whole != 1)] = np.nan
    return pitches
