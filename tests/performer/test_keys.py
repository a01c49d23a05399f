"""Which pitches are held down, by several keys, on several channels and by pedals."""

import pytest

from models.events import ControlChange, NoteOff, NoteOn
from models.keys import Keys
from models.performer.config import PerformerConfig
from models.performer.score import Voices


class Told(Voices):
    """Voices that keep what they are told."""

    def __init__(self) -> None:
        super().__init__(PerformerConfig(), 0)
        self.told: list[tuple[str, float, int]] = []

    def start(self, sample: float, pitch: int, velocity: int, channel: int = 0) -> None:
        self.told.append(("start", sample, pitch))

    def stop(self, sample: float, pitch: int) -> None:
        self.told.append(("stop", sample, pitch))


@pytest.fixture
def voices() -> Told:
    return Told()


@pytest.fixture
def keys(voices: Told) -> Keys:
    return Keys(voices)


def pedal(sample: float, value: int, channel: int = 0) -> ControlChange:
    return ControlChange(sample, 64, value, channel)


def test_a_key_starts_its_pitch_and_ends_it(keys, voices):
    keys.press(NoteOn(1, 60, 90), 62, 90)
    keys.release(NoteOff(5, 60))
    keys.release(NoteOff(6, 60))
    assert voices.told == [("start", 1, 62), ("stop", 5, 62)]


def test_a_pitch_on_two_channels_sounds_until_the_last_key_lets_go(keys, voices):
    for channel in (0, 1):
        keys.press(NoteOn(1 + channel, 60, 90, channel), 60, 90)
    keys.release(NoteOff(5, 60, 0, 0))
    assert [event for event in voices.told if event[0] == "stop"] == []
    keys.release(NoteOff(7, 60, 0, 1))
    assert voices.told[-1] == ("stop", 7, 60)


def test_two_keys_that_play_one_pitch_hold_it_together(keys, voices):
    keys.press(NoteOn(1, 43, 90), 55, 90)
    keys.press(NoteOn(2, 55, 90), 55, 90)
    keys.release(NoteOff(3, 55))
    keys.release(NoteOff(4, 43))
    assert [event for event in voices.told if event[0] == "stop"] == [("stop", 4, 55)]


def test_a_key_struck_again_while_it_is_transposed_otherwise_leaves_nothing_behind(keys, voices):
    keys.press(NoteOn(1, 60, 90), 60, 90)
    keys.press(NoteOn(2, 60, 90), 65, 90)
    assert voices.told == [("start", 1, 60), ("start", 2, 65), ("stop", 2, 60)]
    keys.press(NoteOn(3, 60, 90), None, 90)
    assert voices.told[-1] == ("stop", 3, 65)


def test_a_pedal_holds_the_notes_of_its_channel_until_it_goes_up(keys, voices):
    keys.move_pedal(pedal(0, 127, channel=1))
    for channel, pitch in ((0, 60), (1, 64)):
        keys.press(NoteOn(1, pitch, 90, channel), pitch, 90)
        keys.release(NoteOff(2, pitch, 0, channel))
    assert [event for event in voices.told if event[0] == "stop"] == [("stop", 2, 60)]
    keys.move_pedal(pedal(9, 63, channel=1))
    keys.move_pedal(pedal(10, 0, channel=1))
    assert voices.told[-1] == ("stop", 9, 64)


def test_a_sustained_note_that_is_still_held_by_another_key_goes_on(keys, voices):
    keys.move_pedal(pedal(0, 127))
    keys.press(NoteOn(1, 60, 90), 60, 90)
    keys.release(NoteOff(2, 60))
    keys.press(NoteOn(3, 60, 90, 1), 60, 90)
    keys.move_pedal(pedal(4, 0))
    assert [event for event in voices.told if event[0] == "stop"] == []


def test_all_is_ended_once_and_the_pedal_stays_down(keys, voices):
    keys.move_pedal(pedal(0, 127))
    for pitch in (64, 60):
        keys.press(NoteOn(1, pitch, 90), pitch, 90)
    keys.release(NoteOff(2, 60))
    keys.end_all(5)
    keys.end_all(6)
    assert voices.told[2:] == [("stop", 5, 60), ("stop", 5, 64)]
    keys.press(NoteOn(7, 70, 90), 70, 90)
    keys.release(NoteOff(8, 70))
    assert voices.told[-1] == ("start", 7, 70)
