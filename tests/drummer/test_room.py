"""The room that the kit stands in."""

import numpy as np
import pytest

from models.drummer.room import SECONDS, Room

RATE, HOP = 48000, 384


def ring(sound: np.ndarray) -> np.ndarray:
    room = Room(RATE, HOP)
    return np.concatenate([room.answer(hop) for hop in sound.astype(np.float32).reshape(-1, HOP)])


def response() -> np.ndarray:
    impulse = np.zeros(120 * HOP)
    impulse[0] = 1
    return ring(impulse)


def test_the_room_answers_as_its_response_says_wherever_the_hops_lie():
    rng, sound = np.random.default_rng(1), np.zeros(300 * HOP)
    sound[1000:9000] = rng.normal(0, 0.2, 8000)
    sound[60000:60500] = rng.normal(0, 0.2, 500)
    assert ring(sound) == pytest.approx(np.convolve(sound, response())[: len(sound)], abs=2e-5)


def test_it_begins_after_the_first_wall_falls_by_60_db_and_has_the_sounds_energy():
    answer = response()
    assert np.abs(answer[: int(0.005 * RATE)]).max() < 0.01 * np.abs(answer).max()
    first, last = (np.sum(answer[at : at + 4800] ** 2) for at in (480, int((SECONDS - 0.11) * RATE)))
    assert -62 < 10 * np.log10(last / first) < -44
    assert np.sum(answer**2) == pytest.approx(1, rel=0.01)


def test_it_falls_silent_and_forgets():
    room, burst, nothing = Room(RATE, HOP), np.full(HOP, 0.5, np.float32), np.zeros(HOP, np.float32)
    assert room.idle
    room.answer(burst)
    assert not room.idle
    for _ in range(110):
        room.answer(nothing)
    assert room.idle
    assert not room.answer(nothing).any()
    room.answer(burst)
    room.reset()
    assert not room.answer(nothing).any()
