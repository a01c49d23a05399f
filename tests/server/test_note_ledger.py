"""No note hangs and none is doubled, whatever a model emits."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.events import ControlChange, NoteOff, NoteOn, PitchBend
from server.note_ledger import CHANNELS, COLUMNS, PITCHES, SUSTAIN, NoteLedger

CHANNEL, PITCH = st.integers(0, CHANNELS - 1), st.sampled_from([0, 1, 60, 61, PITCHES - 1])
EVENTS = st.one_of(
    st.builds(NoteOn, st.integers(0, 999), PITCH, st.integers(1, 127), CHANNEL),
    st.builds(NoteOff, st.integers(0, 999), PITCH, st.integers(0, 127), CHANNEL),
    st.builds(ControlChange, st.integers(0, 999), st.integers(0, 119), st.integers(0, 127), CHANNEL),
    st.builds(PitchBend, st.integers(0, 999), st.integers(-8192, 8191), CHANNEL),
)


@given(events=st.lists(EVENTS, max_size=80))
def test_every_note_on_gets_one_note_off_and_no_note_sounds_twice(events):
    ledger, sounding = NoteLedger(), set()
    out = [admitted for event in events for admitted in ledger.admit(event)]
    assert ledger.sounding <= CHANNELS * PITCHES
    out += ledger.end_all(1_000)
    for event in out:
        if isinstance(event, NoteOn):
            assert (event.channel, event.pitch) not in sounding, "a note was doubled"
            sounding.add((event.channel, event.pitch))
        elif isinstance(event, NoteOff):
            assert (event.channel, event.pitch) in sounding, "an end without a start"
            sounding.remove((event.channel, event.pitch))
    assert not sounding
    assert ledger.sounding == 0


@given(events=st.lists(EVENTS, max_size=80))
def test_what_is_no_note_passes_untouched_and_no_note_on_is_lost(events):
    ledger = NoteLedger()
    out = [admitted for event in events for admitted in ledger.admit(event)]
    assert [e for e in out if not isinstance(e, NoteOff)] == [e for e in events if not isinstance(e, NoteOff)]


def test_a_note_struck_again_is_ended_at_that_sample_first():
    ledger = NoteLedger()
    assert ledger.admit(NoteOn(0, 60, 90)) == (NoteOn(0, 60, 90),)
    assert ledger.admit(NoteOn(5, 60, 80)) == (NoteOff(5, 60), NoteOn(5, 60, 80))
    assert ledger.sounding == 1


def test_channels_are_kept_apart():
    ledger = NoteLedger()
    ledger.admit(NoteOn(0, 60, 90, channel=0))
    assert ledger.admit(NoteOff(1, 60, channel=1)) == ()
    assert list(ledger.end_all(9)) == [NoteOff(9, 60, 0, 0)]


def test_another_owner_of_the_table_ends_what_the_first_left_sounding():
    table = np.zeros((CHANNELS, COLUMNS), np.uint8)
    NoteLedger(table).admit(NoteOn(0, 64, 100, channel=9))
    assert list(NoteLedger(table).end_all(77)) == [NoteOff(77, 64, 0, 9)]
    assert not table.any()


def test_a_pedal_that_is_down_and_a_wheel_that_is_bent_are_let_go_after_the_notes():
    ledger = NoteLedger()
    for event in (
        ControlChange(0, SUSTAIN, 127, 2),
        PitchBend(0, 500, 3),
        NoteOn(1, 60, 90, 2),
        ControlChange(2, 1, 99, 2),
    ):
        assert ledger.admit(event) == (event,)
    assert ledger.sounding == 1
    assert list(ledger.end_all(9)) == [NoteOff(9, 60, 0, 2), ControlChange(9, SUSTAIN, 0, 2), PitchBend(9, 0, 3)]
    assert list(ledger.end_all(10)) == []


def test_a_pedal_that_was_lifted_is_not_lifted_again():
    ledger = NoteLedger()
    for event in (ControlChange(0, SUSTAIN, 127), ControlChange(5, SUSTAIN, 10), PitchBend(5, 7), PitchBend(6, 0)):
        ledger.admit(event)
    assert list(ledger.end_all(9)) == []
