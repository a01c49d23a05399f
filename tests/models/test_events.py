"""Events as values, blocks as data."""

import numpy as np
import pytest

from models.block import Block, silence
from models.events import ControlChange, NoteOff, NoteOn, PitchBend, moved, time_order


def test_time_order_is_by_sample_then_ends_controllers_bends_and_starts():
    events = [
        NoteOn(5, 60, 1),
        PitchBend(5, 0),
        NoteOff(9, 60),
        ControlChange(5, 1, 1),
        NoteOff(5, 60),
        NoteOn(4.5, 61, 1),
    ]
    ordered = sorted(events, key=time_order)
    assert [type(e) for e in ordered] == [NoteOn, NoteOff, ControlChange, PitchBend, NoteOn, NoteOff]
    assert [e.sample for e in ordered] == [4.5, 5, 5, 5, 5, 9]


@pytest.mark.parametrize(
    "event", [NoteOn(1, 2, 3, 4), NoteOff(1, 2, 3, 4), ControlChange(1, 2, 3, 4), PitchBend(1, -2, 3)]
)
def test_a_moved_event_differs_in_its_sample_alone(event):
    assert moved(event, 99.5).sample == 99.5
    assert moved(moved(event, 99.5), event.sample) == event


def test_a_block_ends_after_its_last_sample():
    assert Block(100, silence(2, 63)).end == 163
    assert Block(100, silence(0, 63)).end == 163


def test_silence_is_what_audio_is_everywhere():
    made = silence(2, 5)
    assert made.dtype == np.float32
    assert made.flags.c_contiguous
    assert made.shape == (2, 5)
    assert not made.any()
