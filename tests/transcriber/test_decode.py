"""The note tracker on activations made by hand."""

from dataclasses import replace

import numpy as np
import pytest

from models.events import Event, NoteOff, NoteOn
from models.transcriber.config import LOWEST_PITCH, PITCHES
from models.transcriber.decode import DecodeSettings, NoteTracker

PITCH = 60
SETTINGS = DecodeSettings(onset_threshold=0.5, frame_threshold=0.3)


class Player:
    """Feeds a tracker with activations of one pitch, hop by hop."""

    def __init__(self, settings: DecodeSettings = SETTINGS) -> None:
        self.tracker = NoteTracker(settings)
        self.events: list[Event] = []
        self._hop = 0

    def hop(
        self, onset: float = 0.0, frame: float = 0.0, velocity: float = 0.5, shift: float = 0.0, pitch: int = PITCH
    ) -> list[Event]:
        rows = []
        for value in (onset, frame, velocity, shift):
            row = np.zeros(PITCHES, np.float32)
            row[pitch - LOWEST_PITCH] = value
            rows.append(row)
        new = self.tracker.step(float(self._hop), *rows)
        self._hop += 1
        self.events += new
        return new


def test_a_note_starts_where_the_shift_says_and_ends_at_the_first_low_frame() -> None:
    player = Player()
    player.hop()
    player.hop(onset=0.9, frame=0.9, velocity=100 / 127, shift=0.25)
    for _ in range(10):
        player.hop(frame=0.9)
    ended = player.hop()
    assert player.events[0] == NoteOn(1.25, PITCH, 100)
    assert ended == [NoteOff(12.0, PITCH)]


def test_a_decoder_may_wait_for_more_low_frames() -> None:
    player = Player(replace(SETTINGS, low_hops=2))
    player.hop(onset=0.9, frame=0.9)
    for _ in range(3):
        player.hop(frame=0.9)
    assert player.hop() == []
    assert player.hop(frame=0.9) == []
    player.hop()
    assert player.hop() == [NoteOff(7.0, PITCH)]


def test_an_onset_that_stays_high_is_one_note() -> None:
    player = Player()
    for _ in range(20):
        player.hop(onset=0.9, frame=0.9)
    assert [type(e) for e in player.events] == [NoteOn]


def test_a_sounding_pitch_struck_again_ends_and_starts_at_one_place() -> None:
    player = Player()
    player.hop(onset=0.9, frame=0.9)
    for _ in range(6):
        player.hop(frame=0.9)
    again = player.hop(onset=0.8, frame=0.9, shift=0.5)
    assert again == [NoteOff(7.5, PITCH), NoteOn(7.5, PITCH, 64)]


def test_no_pitch_repeats_within_three_hops() -> None:
    player = Player()
    player.hop(onset=0.9, frame=0.9)
    player.hop(frame=0.9)
    assert player.hop(onset=0.9, frame=0.9) == []


def test_an_onset_recognised_late_is_not_placed_before_the_frame_spoken_about() -> None:
    player = Player()
    player.hop()
    assert player.hop(onset=0.9, frame=0.9, shift=-0.8) == [NoteOn(1.0, PITCH, 64)]


def test_a_young_note_survives_a_frame_activation_that_lags() -> None:
    player = Player()
    player.hop(onset=0.9)
    assert player.hop() == []


@pytest.mark.parametrize(("sensitivity", "heard"), [(0.0, False), (0.5, False), (1.0, True)])
def test_more_sensitivity_hears_a_softer_onset(sensitivity: float, heard: bool) -> None:
    player = Player()
    player.tracker.sensitivity = sensitivity
    assert bool(player.hop(onset=0.3, frame=0.9)) == heard


def test_pitches_outside_the_range_are_not_reported() -> None:
    player = Player()
    player.tracker.lowest = 61
    assert player.hop(onset=0.9, frame=0.9) == []
    assert player.hop(onset=0.9, frame=0.9, pitch=61) == [NoteOn(1.0, 61, 64)]


def test_velocity_is_never_zero_nor_above_127() -> None:
    player = Player()
    player.hop(onset=0.9, velocity=-1.0)
    player.hop(onset=0.9, velocity=7.0, pitch=70)
    assert [e.velocity for e in player.events if isinstance(e, NoteOn)] == [1, 127]


def test_end_all_ends_what_sounds_once() -> None:
    player = Player()
    player.hop(onset=0.9, frame=0.9)
    assert player.tracker.end_all(9.0) == [NoteOff(9.0, PITCH)]
    assert player.tracker.end_all(9.0) == []
