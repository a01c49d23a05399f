"""Vibrato, the bend wheel and the expression pedal: how far each voice lies from what is written."""

import numpy as np
import pytest

from models.events import ControlChange, PitchBend
from models.performer.expression import BEND_SEMITONES, EXPRESSION_RANGE, WHEEL_DEPTH, Expression
from models.performer.score import Voice

RATE = 32_000
OWN = {"vibrato_semitones": 0.2, "vibrato_hertz": 6.0, "vibrato_delay": 0.1}
VOICE = Voice(number=3, pitch=69, velocity=80, onset=1000.0)


@pytest.fixture
def expression() -> Expression:
    return Expression(OWN, RATE)


def track(expression: Expression, seconds: float = 1.5, vibrato: float = 1.0, voice: Voice = VOICE) -> np.ndarray:
    """(hops,) semitones of one voice in every hop of 256 samples from its start on."""
    samples = voice.onset + np.arange(0, seconds * RATE, 256)
    return np.array([expression.semitones([None, voice], sample, vibrato)[1] for sample in samples])


def test_vibrato_sets_in_after_its_delay_and_has_the_depth_and_rate_of_the_player(expression):
    moved = track(expression, 4.0)
    assert not moved[: round(0.1 * RATE / 256)].any()
    grown = moved[round(0.3 * RATE / 256) :]
    assert np.abs(grown).max() == pytest.approx(0.2, rel=0.02)
    spectrum = np.abs(np.fft.rfft(grown * np.hanning(len(grown)), 8192))
    assert np.fft.rfftfreq(8192, 256 / RATE)[spectrum.argmax()] == pytest.approx(6.0, abs=0.05)


@pytest.mark.parametrize("times", [0.0, 0.5, 2.0])
def test_the_parameter_multiplies_the_depth(expression, times):
    assert np.allclose(track(expression, vibrato=times), times * track(expression))


def test_the_modulation_wheel_deepens_it_even_where_the_parameter_is_0(expression):
    expression.take(ControlChange(0, 1, 127))
    assert np.abs(track(expression, 3.0, vibrato=0.0)).max() == pytest.approx(0.2 * WHEEL_DEPTH, rel=0.02)
    expression.take(ControlChange(0, 1, 0))
    assert not track(expression, vibrato=0.0).any()


@pytest.mark.parametrize(
    ("value", "semitones"), [(-8192, -BEND_SEMITONES), (4096, 1.0), (8191, BEND_SEMITONES), (0, 0.0)]
)
def test_the_bend_wheel_moves_by_two_semitones_at_most(expression, value, semitones):
    expression.take(PitchBend(0, value))
    assert np.allclose(track(expression, vibrato=0.0), semitones, atol=3e-4)


def test_each_channel_has_wheels_and_a_pedal_of_its_own(expression):
    other = Voice(number=4, pitch=60, velocity=80, onset=1000.0, channel=1)
    expression.take(PitchBend(0, 8191, channel=1))
    expression.take(ControlChange(0, 11, 0, channel=1))
    expression.take(ControlChange(0, 1, 127, channel=1))
    voices = [VOICE, None, other]
    moved = expression.semitones(voices, VOICE.onset, 0.0)
    assert list(moved) == pytest.approx([0.0, 0.0, 2.0], abs=3e-4)
    assert list(expression.dynamics(voices)) == pytest.approx([0.0, 0.0, -EXPRESSION_RANGE])
    late = expression.semitones(voices, VOICE.onset + 0.57 * RATE, 0.0)
    assert late[0] == 0.0
    assert abs(late[2] - 2.0) > 0.01


def test_the_pedal_takes_away_and_gives_back(expression):
    for value, added in ((0, -EXPRESSION_RANGE), (64, -EXPRESSION_RANGE * 63 / 127), (127, 0.0)):
        expression.take(ControlChange(0, 11, value))
        assert expression.dynamics([VOICE])[0] == pytest.approx(added)


def test_two_notes_do_not_begin_their_vibrato_alike(expression):
    other = Voice(number=4, pitch=69, velocity=80, onset=1000.0)
    first, second = track(expression), track(expression, voice=other)
    assert np.corrcoef(first, second)[0, 1] < 0.5


def test_other_controllers_change_nothing(expression):
    for control in (0, 2, 7, 10, 64, 74, 119):
        expression.take(ControlChange(0, control, 127))
    assert not track(expression, vibrato=0.0).any()
    assert not expression.dynamics([VOICE]).any()
