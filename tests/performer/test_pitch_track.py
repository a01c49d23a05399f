"""The pitch of written notes is followed to a few cents, alone and under other notes, and not where nothing sounds."""

from collections.abc import Callable

import numpy as np
import pytest

from models.performer.pitch_track import track_pitch

RATE = 32_000


def vibrato(time: np.ndarray) -> np.ndarray:
    return 0.1 + 0.3 * np.sin(2 * np.pi * 5.5 * time)


@pytest.mark.parametrize("pitch", [48, 60, 69, 88])
def test_a_vibrato_is_followed_to_five_cents(bowed: Callable[..., np.ndarray], pitch: int) -> None:
    notes = np.array([(0.2, 1.2, pitch, 80.0)])
    points = track_pitch(bowed(notes, 1.5, RATE, vibrato), RATE, notes)
    inside = points[(points[:, 1] > 0.25) & (points[:, 1] < 1.15)]
    assert len(inside) > 0.9 * 0.9 / 0.008
    error = inside[:, 2] - vibrato(inside[:, 1])
    assert 100 * np.sqrt(np.mean(error**2)) < 5


def test_two_notes_at_once_keep_their_own_pitches(bowed: Callable[..., np.ndarray]) -> None:
    notes = np.array([(0.1, 1.1, 60, 80.0), (0.1, 1.1, 67, 80.0)])
    low = bowed(notes[:1], 1.3, RATE, lambda time: np.full(len(time), -0.2))
    points = track_pitch(low + bowed(notes[1:], 1.3, RATE, vibrato), RATE, notes)
    lower, upper = points[points[:, 0] == 0], points[points[:, 0] == 1]
    assert len(lower) > 60
    assert len(upper) > 60
    assert np.median(lower[:, 2]) == pytest.approx(-0.2, abs=0.05)
    inside = (upper[:, 1] > 0.15) & (upper[:, 1] < 1.05)
    assert 100 * np.sqrt(np.mean((upper[inside, 2] - vibrato(upper[inside, 1])) ** 2)) < 8


def test_noise_and_silence_have_no_pitch() -> None:
    notes = np.array([(0.1, 0.9, 64, 80.0)])
    noise = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    assert len(track_pitch(noise, RATE, notes)) < 20
    assert track_pitch(np.zeros(RATE, np.float32), RATE, notes).shape == (0, 3)
    assert track_pitch(noise, RATE, np.zeros((0, 4))).shape == (0, 3)


def test_a_note_beyond_the_recording_makes_no_points(bowed: Callable[..., np.ndarray]) -> None:
    notes = np.array([(0.1, 0.4, 64, 80.0), (2.0, 2.5, 66, 80.0)])
    assert set(track_pitch(bowed(notes[:1], 0.5, RATE), RATE, notes)[:, 0]) == {0.0}
