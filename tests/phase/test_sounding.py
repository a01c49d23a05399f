"""Voices of partials and noise as samples: at their sample, at their level, and nothing before or after."""

import numpy as np
import pytest

from models.phase.sounding import Sounding

RATE, HOP = 32_000, 256
PARTIALS, VOICES = 8, 3


def levels(*voices: float, noise: float = 0.0) -> dict[str, np.ndarray]:
    amplitude = np.zeros((VOICES, PARTIALS), np.float32)
    for voice, level in enumerate(voices):
        amplitude[voice, 0] = level
    return {"amplitude": amplitude, "noise": np.full(1025, noise, np.float32)}


@pytest.fixture
def sounding():
    return Sounding(2048, HOP, HOP, RATE, VOICES, PARTIALS)


def run(sounding, first, hops, notes, said, hertz=(440.0, 660.0, 220.0)):
    return np.concatenate([sounding.next(HOP * (first + k), notes, np.array(hertz), said, 1.0)[0] for k in range(hops)])


def test_a_partial_has_its_level_from_its_sample_on(sounding):
    sound = run(sounding, 10, 40, [(0, 10 * HOP + 100, False), None, None], levels(0.25))
    assert np.abs(sound[:60]).max() < 1e-6
    assert np.abs(sound[100:400]).max() > 0.15
    steady = sound[2000:10_000]
    assert np.sqrt(2 * np.mean(steady**2)) == pytest.approx(0.25, rel=0.01)
    spectrum = np.abs(np.fft.rfft(steady * np.hanning(len(steady))))
    assert np.fft.rfftfreq(len(steady), 1 / RATE)[spectrum.argmax()] == pytest.approx(440, abs=4)


def test_a_slow_note_rises_through_the_rest_of_its_hop(sounding):
    fast = run(Sounding(2048, HOP, HOP, RATE, VOICES, PARTIALS), 0, 6, [(0, 40.0, False), None, None], levels(0.25))
    slow = run(sounding, 0, 6, [(0, 40.0, True), None, None], levels(0.25))
    assert np.abs(slow[60:120]).max() < 0.5 * np.abs(fast[60:120]).max()
    assert np.abs(slow - fast)[HOP:].max() < 1e-6


def test_a_voice_that_joins_leaves_the_other_alone(sounding):
    alone, both = Sounding(2048, HOP, HOP, RATE, VOICES, PARTIALS), sounding
    first = [(0, 0.0, False), None, None]
    run(alone, 0, 10, first, levels(0.2)), run(both, 0, 10, first, levels(0.2))
    one = run(alone, 10, 20, first, levels(0.2))
    two = run(both, 10, 20, [(0, 0.0, False), (1, 10 * HOP + 70.0, False), None], levels(0.2, 0.1))
    assert np.abs((two - one)[:35]).max() < 1e-6
    assert np.sqrt(2 * np.mean((two - one)[8 * HOP :] ** 2)) == pytest.approx(0.1, rel=0.02)


def test_silence_is_exactly_nothing_and_a_reset_is_a_new_one(sounding):
    assert not any(sounding.rest()[0].any() for _ in range(4))
    first = run(sounding, 0, 12, [(0, 0.0, False), None, None], levels(0.2, noise=0.01))
    rest = [sounding.rest()[0] for _ in range(4)]
    assert rest[0].any()
    assert not rest[-1].any()
    assert sounding.idle
    sounding.reset()
    assert np.array_equal(run(sounding, 0, 12, [(0, 0.0, False), None, None], levels(0.2, noise=0.01)), first)


def test_noise_moves_with_its_note(sounding):
    other = Sounding(2048, HOP, HOP, RATE, VOICES, PARTIALS)
    here = run(sounding, 4, 8, [(5, 4 * HOP + 60.0, False), None, None], levels(0.0, noise=0.1))
    there = run(other, 4, 8, [(5, 4 * HOP + 100.0, False), None, None], levels(0.0, noise=0.1))
    assert np.corrcoef(here[400:1400], there[440:1440])[0, 1] > 0.99
