"""Pedal, bend and gate on activations and samples made by hand."""

import numpy as np
import pytest

from models.events import ControlChange, PitchBend
from models.transcriber.config import PITCHES
from models.transcriber.decode import Clock
from models.transcriber.expression import FULL_BEND, BendTracker, InputGate, PedalTracker

CLOCK = Clock(16_000, 128, 2, (0, 160, 320, 640, 1280, 2560))
HEAD = 3
MIDDLE = -640 - 256 + 128  # of the frame that it speaks about, from the end of the hop


def press(tracker: PedalTracker, activations: list[float]) -> list[list[ControlChange]]:
    """Return what each hop says."""
    said = []
    for hop, value in enumerate(activations):
        outputs = {"pedal": np.zeros((1, len(CLOCK.look_ahead)), np.float32)}
        outputs["pedal"][0, HEAD] = value
        said.append(tracker.step((hop + 1) * CLOCK.hop, outputs))
    return said


def test_the_pedal_goes_down_and_up_in_the_middle_of_the_frame_spoken_about():
    tracker = PedalTracker(HEAD, 0.5, CLOCK)
    said = press(tracker, [0.0] * 8 + [1.0] * 4 + [0.0] * 4)
    changes = [event for events in said for event in events]
    assert changes == [ControlChange(10 * 128 + MIDDLE, 64, 127), ControlChange(14 * 128 + MIDDLE, 64, 0)]


def test_one_phase_alone_does_not_move_the_pedal():
    assert not any(press(PedalTracker(HEAD, 0.5, CLOCK), [0.0, 1.0] * 8))


def test_between_two_limits_the_pedal_stays_where_it_is():
    tracker = PedalTracker(HEAD, 0.5, CLOCK)
    assert not any(press(tracker, [0.55] * 6)), "it was up"
    press(tracker, [0.65] * 2)
    assert tracker.down
    assert not any(press(tracker, [0.45] * 6)), "it was down"
    press(tracker, [0.35] * 2)
    assert not tracker.down


def test_a_pedal_is_moved_only_to_where_it_is_not():
    tracker = PedalTracker(HEAD, 0.5, CLOCK)
    assert tracker.move(5.0, False) == []
    assert tracker.move(5.0, True) == [ControlChange(5.0, 64, 127)]
    assert tracker.move(6.0, True) == []


class Wheel:
    """Feeds a BendTracker with what one key bends by, while `keys` sound since sample 0."""

    def __init__(self) -> None:
        self.tracker, self.end = BendTracker(HEAD, CLOCK), 0

    def hops(self, count: int, semitones: float, keys: tuple[int, ...] = (40,)) -> list[PitchBend]:
        said = []
        for _ in range(count):
            outputs = {"bend": np.zeros((1, len(CLOCK.look_ahead), PITCHES), np.float32)}
            outputs["bend"][0, HEAD, list(keys)] = semitones
            sounding = np.zeros(PITCHES, bool)
            sounding[list(keys)] = True
            self.end += CLOCK.hop
            said += self.tracker.step(self.end, outputs, sounding, np.zeros(PITCHES))
        return said


def value_of(semitones: float) -> int:
    return round(semitones / 2 * FULL_BEND)


def test_the_one_note_that_sounds_is_bent_to_where_it_is_heard():
    said = Wheel().hops(40, 1.0)
    values = [event.value for event in said]
    assert values == sorted(values), "it goes there straight"
    assert values[-1] == pytest.approx(value_of(1.0), abs=value_of(0.04))
    assert [event.sample for event in said] == sorted(event.sample for event in said)
    assert all((event.sample - MIDDLE) % CLOCK.hop == 0 for event in said)


def test_a_bend_beyond_the_wheels_range_stays_at_its_end():
    assert Wheel().hops(40, 2.5)[-1].value == FULL_BEND


def test_nothing_is_said_about_a_notes_first_30_ms():
    wheel = Wheel()
    heard_after = 480 - MIDDLE  # samples
    assert wheel.hops(heard_after // 128, 1.0) == []
    assert len(wheel.hops(1, 1.0)) == 1


def test_what_is_too_little_to_be_heard_is_not_said():
    assert Wheel().hops(40, 0.035) == []


@pytest.mark.parametrize("keys", [(), (40, 45)], ids=["none", "two"])
def test_the_wheel_goes_home_when_none_or_several_sound(keys):
    wheel = Wheel()
    wheel.hops(40, 1.0)
    said = wheel.hops(4, 1.0, keys)
    assert [event.value for event in said] == [0]


def test_a_bend_that_is_over_leaves_the_wheel_at_home():
    wheel = Wheel()
    wheel.hops(40, 1.0)
    assert wheel.hops(40, 0.0)[-1].value == 0


def test_a_gate_opens_with_the_first_sample_at_its_level_and_stays_open_for_a_while():
    gate, quiet, loud = InputGate(hold_samples=300), np.full(128, 0.05), np.zeros(128)
    loud[77] = -0.1
    gate.level = 0.1
    assert not gate.is_open(128, quiet)
    assert gate.is_open(256, loud)
    assert gate.is_open(384, quiet)
    assert gate.is_open(512, quiet)
    assert not gate.is_open(640, quiet), "300 samples are over"


def test_a_gate_without_a_level_is_open():
    assert InputGate(300).is_open(128, np.zeros(128))
