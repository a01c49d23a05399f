"""What leaves: its pitch and channel, and for a live stream the moment."""

from models.events import ControlChange, NoteOff, NoteOn, PitchBend
from models.transcriber.voice import Voice

RATE, HOLD = 16_000, 512.0


def test_a_commit_stream_keeps_every_place():
    voice = Voice(None, RATE)
    for event in (NoteOn(100.5, 60, 64), ControlChange(200.0, 64, 127), PitchBend(300.0, 5), NoteOff(400.25, 60)):
        assert voice.say(event, 4096) == event


def test_a_live_note_leaves_exactly_hold_after_its_place():
    assert Voice(HOLD, RATE).say(NoteOn(1000.25, 60, 64), 1280) == NoteOn(1512.25, 60, 64)


def test_a_live_note_that_is_known_later_leaves_at_once():
    assert Voice(HOLD, RATE).say(NoteOn(1000.0, 60, 64), 2048) == NoteOn(2047.0, 60, 64)


def test_a_live_note_off_leaves_at_once_but_not_before_the_note_has_sounded_10_ms():
    voice = Voice(HOLD, RATE)
    voice.say(NoteOn(1000.0, 60, 64), 1280)  # leaves at 1512
    voice.say(NoteOn(1000.0, 64, 64), 1280)
    assert voice.say(NoteOff(1100.0, 60), 1408) == NoteOff(1512.0 + 160, 60)
    assert voice.say(NoteOff(1100.0, 64), 2048) == NoteOff(2047.0, 64)


def test_a_note_struck_again_leaves_no_earlier_than_the_end_of_the_one_before():
    voice = Voice(0.0, RATE)
    voice.say(NoteOn(0.0, 60, 64), 2048)  # late: it leaves at 2047
    off, on = voice.say(NoteOff(1900.0, 60), 2176), voice.say(NoteOn(1900.0, 60, 80), 2176)
    assert off == NoteOff(2047.0 + 160, 60)
    assert on == NoteOn(2047.0 + 160, 60, 80)


def test_pedal_and_bend_are_held_as_notes_are():
    voice = Voice(HOLD, RATE)
    assert voice.say(ControlChange(1000.0, 64, 127), 1280) == ControlChange(1512.0, 64, 127)
    assert voice.say(PitchBend(1000.0, 77), 4096) == PitchBend(4095.0, 77)


def test_a_note_ends_as_the_pitch_and_on_the_channel_that_it_was_started_as():
    voice = Voice(None, RATE)
    voice.transpose, voice.channel = 12, 3
    assert voice.say(NoteOn(0.0, 60, 64), 128) == NoteOn(0.0, 72, 64, channel=3)
    voice.transpose, voice.channel = -5, 9
    assert voice.say(NoteOn(1.0, 61, 64), 128) == NoteOn(1.0, 56, 64, channel=9)
    assert voice.say(NoteOff(2.0, 60), 128) == NoteOff(2.0, 72, channel=3)
    assert voice.say(NoteOff(3.0, 61), 128) == NoteOff(3.0, 56, channel=9)


def test_controllers_go_to_the_channel_of_now():
    voice = Voice(None, RATE)
    voice.channel = 5
    assert voice.say(ControlChange(0.0, 64, 127), 128) == ControlChange(0.0, 64, 127, channel=5)


def test_what_is_moved_off_the_keyboard_is_neither_started_nor_ended():
    voice = Voice(None, RATE)
    voice.transpose = 24
    assert voice.say(NoteOn(0.0, 104, 64), 128) is None
    assert voice.say(NoteOn(0.0, 103, 64), 128) == NoteOn(0.0, 127, 64)
    voice.transpose = 0
    assert voice.say(NoteOff(1.0, 104), 128) is None
    assert voice.say(NoteOff(1.0, 90), 128) is None, "it never began"
