"""The ear: plucked strings are heard where and as what they were plucked, and nothing else is."""

import numpy as np
import pytest

from models.drummer.ear import HOP, RATE, BassEar


def pluck(seconds: float, pitch: float, loud: float = 0.3) -> np.ndarray:
    """A decaying string with eight harmonics and a finger's noise of 4 ms."""
    time = np.arange(round(seconds * RATE)) / RATE
    frequency = 440 * 2 ** ((pitch - 69) / 12)
    string = sum(np.sin(2 * np.pi * frequency * n * time) * np.exp(-time * (2 + n)) / n for n in range(1, 9))
    noise = np.random.default_rng(1).normal(0, 0.3, len(time)) * np.exp(-time / 0.004)
    return (loud * (string + noise) * np.minimum(1, time / 0.001)).astype(np.float32)


def line(notes: list[tuple[float, float]], seconds: float, loud: float = 0.3) -> np.ndarray:
    """Notes (begin, pitch), each until the next."""
    audio = np.zeros(int(seconds * RATE), np.float32)
    ends = [begin for begin, _ in notes[1:]] + [seconds]
    for (begin, pitch), end in zip(notes, ends, strict=True):
        start, stop = round(begin * RATE), round(end * RATE)
        audio[start:stop] = pluck(end - begin, pitch, loud)
    return audio


def hear(audio: np.ndarray):
    ear = BassEar()
    told = [ear.hop(audio[start : start + HOP]) for start in range(0, len(audio) - HOP + 1, HOP)]
    return [s for now, _ in told for s in now], [s for _, known in told for s in known]


def test_strokes_and_pitches_of_a_line_are_heard():
    notes = [(0.2 + 0.25 * i, pitch) for i, pitch in enumerate((28, 28, 35, 40, 33, 45, 43, 31))]
    strokes, pitched = hear(line(notes, 2.5))
    assert len(strokes) == len(pitched) == len(notes)
    errors = [stroke.sample / RATE - begin for stroke, (begin, _) in zip(strokes, notes, strict=True)]
    assert np.abs(errors).max() < 0.02
    assert [round(stroke.pitch) for stroke in pitched] == [pitch for _, pitch in notes]


def test_a_stroke_is_told_within_the_declared_delay():
    audio, ear = line([(0.5, 33)], 1.0), BassEar()
    told = [
        (start + HOP, strokes[0].sample)
        for start in range(0, len(audio) - HOP + 1, HOP)
        if (strokes := ear.hop(audio[start : start + HOP])[0])
    ]
    assert len(told) == 1
    assert told[0][0] - told[0][1] <= BassEar.delay + HOP


@pytest.mark.parametrize("loud", [0.01, 0.05, 0.9])
def test_a_quiet_or_loud_line_is_the_same_line(loud):
    notes = [(0.2 + 0.3 * i, 33 + 2 * i) for i in range(5)]
    assert len(hear(line(notes, 2.0, loud))[0]) == len(notes)


def test_silence_noise_and_hum_are_no_strokes():
    rng = np.random.default_rng(3)
    seconds = np.arange(4 * RATE) / RATE
    for sound in (np.zeros(4 * RATE), rng.normal(0, 0.003, 4 * RATE), 0.2 * np.sin(2 * np.pi * 50 * seconds)):
        strokes, _ = hear(sound.astype(np.float32))
        assert len(strokes) <= 1  # the beginning of a sound is one


def test_a_reset_ear_equals_a_new_one():
    audio, ear = line([(0.2, 33), (0.6, 40)], 1.0), BassEar()
    for start in range(0, len(audio) - HOP + 1, HOP):
        ear.hop(audio[start : start + HOP])
    ear.reset()
    again = [s for start in range(0, len(audio) - HOP + 1, HOP) for s in ear.hop(audio[start : start + HOP])[0]]
    assert again == hear(audio)[0]


def test_bad_samples_do_not_deafen_it():
    audio = line([(0.2, 33), (0.6, 40), (1.0, 35)], 1.5)
    audio[int(0.4 * RATE)] = np.nan
    assert len(hear(audio)[0]) == 3
