"""The sampled kit: strokes at their samples, as loud as they are hit, damped as drums are."""

import numpy as np
import pytest

from models.drummer.groove import HAT, STICK
from models.drummer.planner import HIGH_TOM, LOW_TOM, NOTES, RIDE
from models.drummer.sampled import SampledKit

RATE, HOP = 48_000, 384


def play(kit: SampledKit, start: int, seconds: float) -> np.ndarray:
    return np.concatenate([kit.mix(start + n * HOP, HOP) for n in range(round(seconds * RATE / HOP))])


@pytest.mark.parametrize("note", [*NOTES.values(), HIGH_TOM, LOW_TOM, RIDE, HAT, STICK])
def test_every_drum_that_is_played_sounds_from_its_sample_on_and_ends(note):
    kit = SampledKit(RATE)
    kit.strike(1000, note, 100)
    heard = play(kit, 0, 3.0)
    assert np.flatnonzero(heard)[0] == 1000
    assert 0.03 < np.abs(heard).max() < 0.9
    assert kit.idle
    assert np.abs(np.diff(heard[2000:])).max() < 0.3


def test_harder_is_louder_and_hop_by_hop_is_one_piece():
    loud = []
    for velocity in (20, 60, 100, 127):
        kit = SampledKit(RATE)
        kit.strike(5, 38, velocity)
        loud.append(float(np.square(play(kit, 0, 0.5)).sum()))
    assert loud == sorted(loud)
    one, other = SampledKit(RATE), SampledKit(RATE)
    for kit in (one, other):
        kit.strike(700, 49, 90)
        kit.strike(900, 36, 110)
    assert np.array_equal(play(one, 0, 0.8), other.mix(0, round(0.8 * RATE / HOP) * HOP))


def test_a_closed_hat_chokes_an_open_one_and_a_stop_everything():
    for damp in (lambda kit: kit.strike(9600, 42, 1), lambda kit: kit.stop(9600)):
        kit = SampledKit(RATE)
        kit.strike(0, 46, 127)
        kit.strike(20_000, 36, 127)
        damp(kit)
        kit.take_back(20_000)
        heard = play(kit, 0, 1.0)
        assert np.abs(heard[4000:9600]).max() > 0.01
        assert np.abs(heard[9600 + 1500 :]).max() < 1e-3


@pytest.mark.parametrize("first", [42, 44, 46])
@pytest.mark.parametrize("second", [42, 44, 46])
def test_a_pair_of_hats_has_one_sound(first, second):
    both, alone = SampledKit(RATE), SampledKit(RATE)
    both.strike(0, first, 127)
    for kit in (both, alone):
        kit.strike(960, second, 60)
    assert np.allclose(play(both, 0, 1.0)[960 + 1500 :], play(alone, 0, 1.0)[960 + 1500 :], atol=1e-6)


def test_everything_at_once_and_as_hard_as_can_be_does_not_clip():
    kit = SampledKit(RATE)
    for sample in range(0, RATE, 3000):
        for note in (36, 38, 46, 49, 51, 45, 50):
            kit.strike(sample, note, 127)
    heard = play(kit, 0, 2.0)
    assert 0.85 < np.abs(heard).max() < 1.0


def test_a_drum_it_does_not_have_is_silent():
    kit = SampledKit(RATE)
    kit.strike(0, 81, 127)
    assert kit.idle
