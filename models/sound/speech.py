"""Somebody talking: what a microphone in a music room hears between the takes, and no transcriber should call notes.

A voice is glottal pulses and breath through the resonances of a mouth that never rests, and hiss that is made in front of it
(source and filter: Fant, 1960). Formants are those of adult vowels (Peterson and Barney, 1952), scaled to the speaker, from deep
voices to children's. Phrases fall in pitch, with accents, and end in a fall, a creak or a question; there are pauses, breaths,
whispers and laughter. No vowel is held at one pitch: that would be singing, which is music.
"""

from __future__ import annotations

import numpy as np

from models.sound.vocal_tract import BREATH, FORMANTS, HISS, PITCH, STEP_SECONDS, VOICE, Speaker, sound

VOWELS_HZ = (
    (270, 2290, 3010, 3500),
    (390, 1990, 2550, 3500),
    (530, 1840, 2480, 3400),
    (660, 1720, 2410, 3400),
    (500, 1450, 2450, 3400),
    (730, 1090, 2440, 3300),
    (570, 840, 2410, 3300),
    (300, 870, 2240, 3200),
)
NASAL_HZ = (250, 1150, 2300, 3300)
# Where hiss lies (Hz), how broad it is (octaves), how loud: s, sh, f, th
HISSES = ((6000.0, 0.45, 0.5), (3200.0, 0.6, 0.6), (4500.0, 1.6, 0.12), (5500.0, 1.5, 0.08))
BURSTS_HZ = (900, 3800, 1900)  # of p, t and k


def talk(length: int, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return (length,) float32 of one to three speakers, peak 1."""
    voices = [_speak(length, sample_rate, Speaker.draw(rng), rng) for _ in range(int(rng.choice((1, 1, 1, 2, 3))))]
    mixed = np.sum([rng.uniform(0.2, 1) * voice for voice in voices], axis=0)
    return np.asarray(mixed / (np.abs(mixed).max() + 1e-9), np.float32)


def _speak(length: int, sample_rate: int, speaker: Speaker, rng: np.random.Generator) -> np.ndarray:
    """(length,) of one speaker; the first phrase may have begun before."""
    steps = int(length / sample_rate / STEP_SECONDS) + 1
    parts: list[np.ndarray] = []
    count = 0
    while count < 1.5 * steps + 100:
        phrase = _laugh(speaker, rng) if rng.random() < 0.05 else _phrase(speaker, rng)
        pause = np.repeat(phrase[-1:], max(1, int(rng.exponential(0.35) / STEP_SECONDS)), axis=0)
        pause[:, VOICE : HISS + 1] = 0
        if rng.random() < 0.3:  # he breathes in
            pause[-40:, BREATH] = 0.25 * rng.uniform(0.1, 1) * np.hanning(len(pause[-40:]))
        parts += [phrase, pause]
        count += len(phrase) + len(pause)
    first = int(rng.integers(0, count - steps))
    return sound(np.concatenate(parts)[first : first + steps], length, sample_rate, speaker, rng)


def _phrase(speaker: Speaker, rng: np.random.Generator) -> np.ndarray:
    """Return a track (steps, 10) of some syllables on a melody that falls."""
    rows = [row for _ in range(int(rng.integers(2, 14))) for row in _syllable(speaker, rng)]
    rows[-1] = rows[-1][0] * rng.uniform(1, 1.8), *rows[-1][1:]
    track = _track(rows)
    place = np.linspace(0, 1, len(track))
    semitones = rng.uniform(0, 5) * (0.5 - place) + rng.normal(0, 1.5)
    for accent in rng.random(int(rng.integers(0, 5))):
        width = rng.uniform(0.06, 0.2) / (STEP_SECONDS * len(track))
        semitones += speaker.lively * rng.normal(0.6, 1) * np.exp(-0.5 * ((place - accent) / width) ** 2)
    last = np.clip((np.arange(len(track)) - len(track)) * STEP_SECONDS / rng.uniform(0.15, 0.4) + 1, 0, 1)
    semitones += last * (rng.uniform(3, 9) if rng.random() < 0.2 else -rng.uniform(1, 7))
    semitones += _wander(len(track), 6, rng) * 0.25 * speaker.lively
    track[:, PITCH] = speaker.middle * 2 ** (semitones / 12)
    if rng.random() < speaker.creaks:
        track[last > 0.3, PITCH] *= rng.uniform(0.3, 0.6)
    track[:, VOICE : HISS + 1] *= rng.uniform(0.3, 1) * (1 - 0.4 * place)[:, None]
    return track


def _syllable(speaker: Speaker, rng: np.random.Generator) -> list[tuple[float, ...]]:
    """Rows of a track, each with its seconds first: a consonant, a vowel and sometimes another consonant."""
    mouth = np.array(VOWELS_HZ[int(rng.integers(len(VOWELS_HZ)))]) * rng.uniform(0.92, 1.08, 4)
    seconds = rng.uniform(0.5, 1.5) * 0.55 / speaker.rate
    other = np.array(VOWELS_HZ[int(rng.integers(len(VOWELS_HZ)))]) if rng.random() < 0.3 else mouth  # a diphthong
    loud = rng.uniform(0.5, 1)
    vowels = [_row(seconds / 2, loud, 0.0, m) for m in (mouth, other)]
    after = _consonant(speaker, mouth, rng) if rng.random() < 0.4 else []
    return [*_consonant(speaker, mouth, rng), *vowels, *after]


def _consonant(speaker: Speaker, mouth: np.ndarray, rng: np.random.Generator) -> list[tuple[float, ...]]:
    seconds, voiced = rng.uniform(0.3, 0.8) / speaker.rate, rng.random() < 0.5
    kind = rng.random()
    if kind < 0.3:
        middle, octaves, loud = HISSES[int(rng.integers(len(HISSES)))]
        loud *= rng.uniform(0.3, 1)
        return [_row(0.8 * seconds, 0.25 * voiced, 0, mouth, loud * (0.5 if voiced else 1), middle, octaves)]
    if kind < 0.65:
        closed = _row(rng.uniform(0.03, 0.09), 0.06 * voiced, 0, (250, 1000, 2200, 3300))
        middle = BURSTS_HZ[int(rng.integers(len(BURSTS_HZ)))] * rng.uniform(0.8, 1.25)
        burst = _row(STEP_SECONDS, 0, 0.1, mouth, rng.uniform(0.2, 1), middle, 0.7)
        aspirated = [] if voiced else [_row(rng.uniform(0.01, 0.07), 0, 0.3, mouth)]
        return [closed, burst, *aspirated]
    if kind < 0.8:
        return [_row(seconds, 0.35, 0, NASAL_HZ)]
    if kind < 0.88:
        return [_row(0.6 * seconds, 0.1 * voiced, 0.3, mouth)]  # h
    glide = np.array(VOWELS_HZ[int(rng.integers(len(VOWELS_HZ)))]) * (0.7, 0.8, 0.9, 1.0)
    return [_row(0.6 * seconds, 0.6, 0, glide)] if kind < 0.96 else []


def _laugh(speaker: Speaker, rng: np.random.Generator) -> np.ndarray:
    mouth = np.array(VOWELS_HZ[int(rng.choice((3, 4, 5)))])
    rows: list[tuple[float, ...]] = []
    for _ in range(int(rng.integers(3, 9))):
        rows += [_row(rng.uniform(0.05, 0.11), 0, 0.4, mouth), _row(rng.uniform(0.05, 0.12), 1.0, 0.2, mouth)]
    track = _track(rows)
    highest = speaker.middle * rng.uniform(1.2, 2.2)
    track[:, PITCH] = np.linspace(highest, highest * rng.uniform(0.5, 0.8), len(track))
    track[:, PITCH] *= np.exp(0.05 * _wander(len(track), 10, rng))
    track[:, VOICE : HISS + 1] *= np.linspace(1, 0.3, len(track))[:, None]
    return track


def _row(
    seconds: float,
    voice: float,
    breath: float,
    mouth: object,
    hiss: float = 0.0,
    hz: float = 4000.0,
    octaves: float = 1.0,
) -> tuple[float, ...]:
    return (seconds, 0.0, voice, breath, hiss, hz, octaves, *np.asarray(mouth, float))


def _track(rows: list[tuple[float, ...]]) -> np.ndarray:
    """(steps, 10): rows held for their seconds, and moved through as fast as a tongue moves."""
    from scipy.ndimage import uniform_filter1d

    steps = [max(1, round(row[0] / STEP_SECONDS)) for row in rows]
    track = np.repeat(np.array(rows)[:, 1:], steps, axis=0)
    track[:, FORMANTS] = uniform_filter1d(track[:, FORMANTS], 7, axis=0, mode="nearest")
    track[:, VOICE] = uniform_filter1d(track[:, VOICE], 3, mode="constant")
    return track


def _wander(count: int, steps: int, rng: np.random.Generator) -> np.ndarray:
    knots = rng.standard_normal(count // steps + 2)
    return np.interp(np.arange(count) / steps, np.arange(len(knots)), knots)
