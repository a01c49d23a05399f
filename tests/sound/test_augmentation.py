"""Rooms, noise and microphones leave onsets where they were, and whatever they make is finite and bounded."""

import numpy as np
import pytest

from models.sound.augmentation import CODECS, background, coded, equalisation, nothing_played, record, room

RATE = 16_000
SEEDS = range(60)
ONSETS = (0.4, 0.9, 1.3)


@pytest.fixture(scope="module")
def dry() -> np.ndarray:
    """Two seconds with three strokes, (n,) float32."""
    audio = np.zeros(2 * RATE)
    for onset, frequency in zip(ONSETS, (220, 392, 880), strict=True):
        time = np.arange(len(audio) - round(onset * RATE)) / RATE
        audio[-len(time) :] += 0.4 * np.sin(2 * np.pi * frequency * time) * np.exp(-12 * time)
    return audio.astype(np.float32)


def test_strokes_keep_their_time_in_every_room(dry, begins_at):
    errors = [
        1000 * (begins_at(record(dry, RATE, np.random.default_rng(seed)), RATE, onset) - onset)
        for seed in SEEDS
        for onset in ONSETS
    ]
    assert abs(np.median(errors)) <= 1  # ms; measured 0
    assert np.percentile(np.abs(errors), 90) <= 2  # measured 0; a few rooms are louder than what is played in them


def test_a_recording_is_as_long_finite_and_not_far_over_full_scale(dry):
    for seed in SEEDS:
        for length in (1, 255, len(dry)):
            recorded = record(dry[-length:], RATE, np.random.default_rng(seed))
            assert recorded.shape == (length,)
            assert recorded.dtype == np.float32
            assert np.isfinite(recorded).all()
            assert np.abs(recorded).max() < 1.5  # measured 0.97; noise comes on top of a peak of 0 dB


def test_silence_stays_finite_and_quiet():
    for seed in SEEDS:
        recorded = record(np.zeros(RATE // 2, np.float32), RATE, np.random.default_rng(seed))
        assert np.abs(recorded).max() < 1e-4  # measured 3e-5


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec[1])
def test_a_codec_loses_something_and_keeps_the_length_and_the_time(dry, codec, begins_at):
    for seed in range(6):
        heard = coded(dry, RATE, codec, np.random.default_rng(seed))
        assert heard.shape == dry.shape
        assert heard.dtype == np.float32
        lost = np.sqrt(np.mean((heard - dry) ** 2) / np.mean(dry**2))
        assert 0.001 < lost < 0.6
        correlation = np.correlate(
            heard[round(0.35 * RATE) : round(0.6 * RATE)], dry[round(0.36 * RATE) : round(0.59 * RATE)]
        )
        assert abs(int(np.argmax(correlation)) - round(0.01 * RATE)) <= 4, "0.25 ms: the codec's delay is left in"


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec[1])
def test_a_codec_takes_any_length_and_silence(codec):
    for length in (1, 63, 441, 8193):
        heard = coded(np.zeros(length, np.float32), RATE, codec, np.random.default_rng(0))
        assert heard.shape == (length,)
        assert np.abs(heard).max() < 1e-5


def test_a_room_begins_with_the_direct_sound_and_decays():
    for seed in SEEDS:
        response = room(RATE, np.random.default_rng(seed))
        assert response[0] == 1
        assert np.isfinite(response).all()
        assert len(response) <= 1.5 * RATE
        last = response[-len(response) // 10 :]
        assert np.sqrt(np.mean(last**2)) < 0.05


def test_an_equaliser_is_broad_and_never_silences_the_middle():
    length = 2 * RATE
    for seed in SEEDS:
        gain_db = 20 * np.log10(equalisation(length, RATE, np.random.default_rng(seed)))
        assert gain_db.shape == (length // 2 + 1,)
        assert (np.abs(gain_db[2 * 300 : 2 * 2000]) < 40).all()
        assert np.abs(np.diff(gain_db[2 * 100 :])).max() < 0.5, "a cliff between two bins"


def test_a_background_has_unit_level():
    for seed in SEEDS:
        sound = background(RATE, RATE, np.random.default_rng(seed))
        assert sound.dtype == np.float32
        assert 0.5 < np.sqrt(np.mean(sound**2)) < 1.5


def test_where_nobody_plays_there_is_something_finite_and_bounded():
    for seed in SEEDS:
        sound = nothing_played(2 * RATE, RATE, np.random.default_rng(seed))
        assert sound.shape == (2 * RATE,)
        assert sound.dtype == np.float32
        assert np.isfinite(sound).all()
        assert 0 < np.abs(sound).max() <= 1


@pytest.mark.parametrize("make", [lambda audio, rng: record(audio, RATE, rng),
                                  lambda audio, rng: nothing_played(len(audio), RATE, rng)])  # fmt: skip
def test_a_seed_is_a_recording(dry, make):
    one, same, other = (make(dry, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
