"""Synthetic talk has voices of all heights, hiss, pauses and melody, and a mouth puts its formants where it is told."""

from dataclasses import replace

import numpy as np
import pytest

from models.sound.speech import talk
from models.sound.vocal_tract import (
    BREATH,
    FORMANTS,
    HISS,
    HISS_HZ,
    HISS_OCTAVES,
    PITCH,
    STEP_SECONDS,
    VOICE,
    Speaker,
    sound,
)

RATE = 16_000
ADULT = Speaker(
    middle=100,
    size=1.0,
    rate=5,
    lively=2,
    jitter=0.0,
    shimmer=0.0,
    breath=0.0,
    dullness=0.9,
    creaks=0.0,
    whispers=False,
)


@pytest.fixture(scope="module")
def heard() -> list[np.ndarray]:
    return [talk(8 * RATE, RATE, np.random.default_rng(seed)) for seed in range(24)]


def vowel(
    speaker: Speaker = ADULT, formants=(300, 2290, 3010, 3500), hiss: float = 0.0, voice: float = 1.0
) -> np.ndarray:
    """A second of one sound at 100 Hz."""
    track = np.zeros((round(1 / STEP_SECONDS) + 1, 10))
    for column, value in (
        (PITCH, 100),
        (VOICE, voice),
        (BREATH, 0),
        (HISS, hiss),
        (HISS_HZ, 6000),
        (HISS_OCTAVES, 0.5),
    ):
        track[:, column] = value
    track[:, FORMANTS] = formants
    return sound(track, RATE, RATE, speaker, np.random.default_rng(0))


def spectrum(samples: np.ndarray) -> np.ndarray:
    return np.abs(np.fft.rfft(samples * np.hanning(len(samples))))


def test_talk_is_of_the_length_and_level_asked_for_and_a_seed_is_a_conversation(heard):
    for one in heard:
        assert one.shape == (8 * RATE,)
        assert one.dtype == np.float32
        assert np.abs(one).max() == pytest.approx(1, abs=1e-5)
    assert np.array_equal(heard[0], talk(8 * RATE, RATE, np.random.default_rng(0)))
    assert not np.array_equal(heard[0], heard[1])
    assert talk(12_345, 48_000, np.random.default_rng(1)).shape == (12_345,)


def test_there_are_pauses_and_hiss_and_voices(heard):
    quiet, hissing = [], []
    for one in heard:
        windows = one[: len(one) // 400 * 400].reshape(-1, 400)
        loudness = np.sqrt(np.mean(windows**2, 1))
        power = np.abs(np.fft.rfft(windows * np.hanning(400))) ** 2 + 1e-12
        centre = power @ np.fft.rfftfreq(400, 1 / RATE) / power.sum(1)
        quiet.append(np.mean(loudness < 0.003))
        hissing.append(np.mean((centre > 3000) & (loudness > 0.003)))
    assert 0.05 < np.mean(quiet) < 0.6
    assert 0.03 < np.mean(hissing) < 0.4


def test_speakers_are_children_women_and_men():
    speakers = [Speaker.draw(np.random.default_rng(seed)) for seed in range(200)]
    middle, size = np.array([(one.middle, one.size) for one in speakers]).T
    assert middle.min() < 80
    assert middle.max() > 300
    assert size[middle > 250].mean() > 1.2 * size[middle < 110].mean()


def test_a_voice_sounds_at_its_pitch_with_its_formants():
    heard = spectrum(vowel())
    strongest = np.argsort(heard)[::-1][:12]
    assert np.abs((strongest / 100 + 0.5) % 1 - 0.5).max() < 0.025, "not harmonics of 100 Hz"
    assert np.argmax(heard[150:1000]) + 150 == pytest.approx(300, abs=3)
    assert np.argmax(heard[1500:2700]) + 1500 == pytest.approx(2290, abs=60)
    child = spectrum(vowel(replace(ADULT, size=1.3)))
    assert np.argmax(child[2200:3600]) + 2200 == pytest.approx(1.3 * 2290, abs=80)


def test_jitter_blurs_the_high_harmonics_and_a_whisper_has_none():
    def periodic(speaker: Speaker) -> float:
        power = spectrum(vowel(speaker))[1900:2700] ** 2
        near = np.abs((np.arange(1900, 2700) / 100 + 0.5) % 1 - 0.5) < 0.03
        return float(power[near].sum() / power.sum())

    assert periodic(ADULT) > 0.99
    assert periodic(replace(ADULT, whispers=True)) < 0.2
    assert 0.2 < periodic(replace(ADULT, jitter=0.003)) < 0.98


def test_hiss_lies_where_it_is_told():
    heard = spectrum(vowel(hiss=1.0, voice=0.0)) ** 2
    assert heard[:3000].sum() < 0.01 * heard.sum()
    assert np.average(np.arange(len(heard)), weights=heard) == pytest.approx(6000, abs=500)


def test_no_pitch_is_held_as_in_singing(heard):
    """The strongest bin below 400 Hz, of windows of 64 ms: a held note is one bin for half a second."""
    for one in heard:
        windows = np.lib.stride_tricks.sliding_window_view(one, 1024)[::256]
        power = np.abs(np.fft.rfft(windows * np.hanning(1024), 8192))[:, 30:205]
        same = np.abs(np.diff(np.argmax(power, 1))) <= 1
        loud = power.max(1)[1:] > 0.1 * power.max()
        runs = np.diff(np.flatnonzero(~np.append(np.append(False, same & loud), False)))
        assert runs.max() * 256 / RATE < 0.8
