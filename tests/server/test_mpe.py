"""A channel of its own for every note: property-tested against what was asked for, and over a whole stream."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.block import Block, silence
from models.events import ControlChange, NoteOff, NoteOn, PitchBend
from models.stream import StreamSpec
from server.live_stream import LiveStream
from server.midi.mpe import (
    BEND_SEMITONES,
    MASTER,
    MEMBER_SEMITONES,
    MEMBERS,
    MpeZone,
    configuration,
)
from server.note_ledger import NoteLedger

HALF_A_STEP = 0.51 * MEMBER_SEMITONES / 8192  # semitones: what rounding to the member's wheel may cost

few_pitches, channels = st.integers(58, 63), st.integers(0, 2)
any_event = st.one_of(
    st.builds(NoteOn, st.just(0), few_pitches, st.integers(1, 127), channels),
    st.builds(NoteOff, st.just(0), few_pitches, st.just(0), channels),
    st.builds(PitchBend, st.just(0), st.integers(-8192, 8191), channels),
    st.builds(ControlChange, st.just(0), st.sampled_from((1, 64)), st.integers(0, 127), channels),
)
many_notes = st.lists(st.builds(NoteOn, st.just(0), st.integers(0, 127), st.integers(1, 127), st.integers(0, 15)))


class Synth:
    """What an MPE synth does with what it gets: which notes sound, and how far each member is bent."""

    def __init__(self):
        self.sounding = set()
        self.wheels = dict.fromkeys(range(16), 0)
        self.struck = []

    def hear(self, event):
        if isinstance(event, NoteOn):
            assert event.channel in MEMBERS
            assert (event.channel, event.pitch) not in self.sounding, "doubled"
            self.sounding.add((event.channel, event.pitch))
            self.struck.append((event.pitch, event.channel, self.wheels[event.channel]))
        elif isinstance(event, NoteOff):
            self.sounding.remove((event.channel, event.pitch))
        elif isinstance(event, PitchBend):
            assert event.channel in MEMBERS
            self.wheels[event.channel] = event.value
        else:
            assert event.channel == MASTER

    def pitches(self):
        """Return the pitches that sound, bends included, in order."""
        return sorted(pitch + self.wheels[channel] * MEMBER_SEMITONES / 8192 for channel, pitch in self.sounding)


class Player:
    """What the player asked for, by MIDI's own rules."""

    def __init__(self):
        self.sounding, self.wheels = set(), dict.fromkeys(range(16), 0)

    def say(self, event):
        key = event.channel, getattr(event, "pitch", None)
        if isinstance(event, NoteOn):
            self.sounding.add(key)
        elif isinstance(event, NoteOff):
            self.sounding.discard(key)
        elif isinstance(event, PitchBend):
            self.wheels[event.channel] = event.value

    def pitches(self):
        return sorted(pitch + self.wheels[channel] * BEND_SEMITONES / 8192 for channel, pitch in self.sounding)


@given(st.lists(any_event, max_size=60))
def test_what_sounds_is_what_was_asked_for_bends_included_and_each_note_has_its_channel(events):
    zone, synth, player, ledger = MpeZone(), Synth(), Player(), NoteLedger()
    for event in events:
        player.say(event)
        if len(player.sounding) > len(MEMBERS):
            return
        for said in zone.say(event):
            for admitted in ledger.admit(said):
                synth.hear(admitted)
        assert np.allclose(synth.pitches(), player.pitches(), atol=HALF_A_STEP, rtol=0)
        members = [channel for channel, _ in synth.sounding]
        assert len(set(members)) == len(members), "two notes on one member while others are free"
    for off in ledger.end_all(0):
        if isinstance(off, NoteOff):
            synth.hear(off)
    assert not synth.sounding


@given(many_notes)
def test_when_the_channels_run_out_notes_share_them_and_still_none_hangs(notes):
    zone, synth = MpeZone(), Synth()
    ends = [NoteOff(0, note.pitch, 0, note.channel) for note in notes]
    for event in (*notes, *ends):
        for said in zone.say(event):
            synth.hear(said)  # says itself where one is doubled or never began
    assert not synth.sounding


def test_a_bend_precedes_its_note_and_a_ringing_note_keeps_its_own():
    zone = MpeZone()
    first = zone.say(NoteOn(0, 60, 100))
    assert first == (NoteOn(0, 60, 100, 1),)
    assert zone.say(PitchBend(1, 4096)) == (PitchBend(1, 171, 1),)
    assert zone.say(NoteOff(2, 60)) == (NoteOff(2, 60, 0, 1),)
    assert zone.say(PitchBend(3, 8191)) == (), "nothing sounds, and what rings out stays where it is"
    assert zone.say(NoteOn(4, 62, 90)) == (PitchBend(4, 341, 2), NoteOn(4, 62, 90, 2))


def test_the_longest_released_channel_is_used_again():
    zone = MpeZone()
    for pitch in range(60, 75):
        zone.say(NoteOn(0, pitch, 100))
    for pitch in (64, 60, 70):
        zone.say(NoteOff(1, pitch))
    again = [zone.say(NoteOn(2, pitch, 100))[-1].channel for pitch in (40, 41, 42)]
    assert again == [5, 1, 11]


def test_the_pedal_goes_to_the_master_and_the_configuration_names_all_members():
    assert MpeZone().say(ControlChange(7, 64, 127, 4)) == (ControlChange(7, 64, 127, MASTER),)
    said = [(e.channel, e.control, e.value) for e in configuration(7)]
    assert said[:3] == [(0, 100, 6), (0, 101, 0), (0, 6, 15)]
    assert said[3:] == [(c, n, v) for c in range(1, 16) for n, v in ((100, 0), (101, 0), (6, 48), (38, 0))]


RATE, HOP = 48_000, 128


class Fiddler:
    """A player whose every hop of sound is a new pitch, bent; nothing is ended before the next one."""

    spec = StreamSpec(RATE, HOP, 1, 0, 0)

    def __init__(self):
        self.reset()

    def process(self, block):
        if not block.samples.any():
            return Block(block.start, silence(0, HOP))
        before, self.pitch = self.pitch, self.pitch + 1
        ended = (NoteOff(block.start, before),) if before > 60 else ()
        return Block(
            block.start, silence(0, HOP), (*ended, PitchBend(block.start, 2000), NoteOn(block.start, before + 1, 90))
        )

    def flush(self):
        return Block(0, silence(0, 0))

    def reset(self):
        self.pitch = 60

    def set(self, name, value):
        raise KeyError(name)


def values(**given_values):
    return {"quantise": "off", "mpe": "off", **given_values}


def test_a_stream_says_its_zone_first_and_again_after_a_reset_and_ends_every_note():
    stream, synth, heard = LiveStream(Fiddler(), RATE, values(mpe="on")), Synth(), []
    introduction = list(configuration(0))
    for start in range(0, 20 * HOP, HOP):
        heard += stream.process(start, np.ones((1, HOP), np.float32)).emissions
    assert [e.event for e in heard[: len(introduction)]] == introduction
    assert all(e.due == e.place == 0 for e in heard[: len(introduction)])
    for emission in heard[len(introduction) :]:
        synth.hear(emission.event)
    assert len({channel for _, channel, _ in synth.struck}) == len(MEMBERS)
    assert {wheel for *_, wheel in synth.struck} == {83}, "bent before it begins, from the first note on"
    again = stream.restart(stream.position)
    for emission in again[: -len(introduction)]:
        synth.hear(emission.event)
    assert not synth.sounding
    assert not any(synth.wheels.values())
    assert [e.event for e in again[-len(introduction) :]] == list(configuration(stream.position))
    heard = [e.event for e in stream.process(stream.position, np.ones((1, 4 * HOP), np.float32)).emissions]
    assert [e.channel for e in heard if isinstance(e, NoteOn)] == [1, 2, 3, 4]
