"""MIDI of any bytes: a message is an event or none, a file is a clip or one sentence, and what is written is read again."""

import io

import mido
from hypothesis import strategies as st

from models.events import NoteOff, NoteOn
from plugin_bridge.protocol import MidiMessage, ProtocolError, pack_midi, parse
from server.errors import BacklineError
from server.midi.clip import read_clip
from server.midi.file import LONGEST_SECONDS, read_midi, write_midi
from server.midi.message import from_bytes, to_bytes

BYTE = st.sampled_from([0, 1, 63, 64, 127, 128, 144, 224, 240, 247, 255]) | st.integers(0, 255)


def song() -> bytes:
    """Return a MIDI file with what such files have."""
    file = mido.MidiFile(type=1, ticks_per_beat=480)
    for name in ("drums", "piano"):
        file.tracks.append(mido.MidiTrack([
            mido.MetaMessage("track_name", name=name), mido.MetaMessage("set_tempo", tempo=400_000),
            mido.MetaMessage("time_signature", numerator=6, denominator=8), mido.MetaMessage("key_signature", key="F#m"),
            mido.Message("program_change", program=5, channel=9 if name == "drums" else 0),
            mido.Message("note_on", note=60, velocity=90, time=10), mido.Message("control_change", control=64, value=127),
            mido.Message("pitchwheel", pitch=-8192, time=100), mido.Message("sysex", data=(1, 2, 3)),
            mido.Message("note_on", note=60, velocity=0, time=200), mido.Message("note_on", note=64, velocity=1, time=5),
            mido.Message("note_off", note=64, time=500), mido.MetaMessage("end_of_track"),
        ]))  # fmt: skip
    data = io.BytesIO()
    file.save(file=data)
    return data.getvalue()


def test_any_three_bytes_are_an_event_that_is_sent_as_it_came(fuzz):
    def check(status: int, data1: int, data2: int) -> None:
        event = from_bytes(480, status, data1, data2)
        if event is None:
            return
        again = from_bytes(480, *to_bytes(event))
        assert again == event
        assert parse(pack_midi(MidiMessage(1, 480, 480, *to_bytes(event))))[3:] == to_bytes(event)

    fuzz(check, BYTE, BYTE, BYTE, examples=500)


def test_any_file_is_a_clip_or_one_sentence(fuzz, spoiled, one_sentence, memory, tmp_path):
    path, copy = tmp_path / "song.mid", tmp_path / "copy.mid"

    def check(data: bytes) -> None:
        path.write_bytes(data)
        for read in (lambda: read_midi(path, 48_000), lambda: read_clip(path, 48_000)):
            try:
                found = read()
            except BacklineError as error:
                one_sentence(error)
                continue
            events = found if isinstance(found, tuple) else found.events
            assert all(0 <= event.sample <= LONGEST_SECONDS * 48_000 for event in events)
            assert any(isinstance(event, NoteOn) for event in events)
        try:
            events = read_midi(path, 48_000)
        except BacklineError:
            return
        write_midi(copy, events, 48_000, "copy")
        kinds = [type(event) for event in read_midi(copy, 48_000) if isinstance(event, NoteOn | NoteOff)]
        assert sorted(map(str, kinds)) == sorted(str(type(e)) for e in events if isinstance(e, NoteOn | NoteOff))
        assert sorted(each.name for each in tmp_path.iterdir()) == ["copy.mid", "song.mid"], (
            "nothing is left half-written"
        )
        copy.unlink()

    fuzz(check, spoiled(st.just(song())) | st.binary(max_size=100).map(lambda data: song()[:22] + data), examples=150)


def test_any_data_message_is_one_or_one_sentence(fuzz, spoiled, one_sentence):
    def check(datagram: bytes) -> None:
        try:
            message = parse(datagram)
        except ProtocolError as error:
            one_sentence(error)
        else:
            assert -(2**31) <= message.stream < 2**31

    whole = st.sampled_from([pack_midi(MidiMessage(1, 5, 5, 0x90, 60, 1), plain) for plain in (True, False)])
    fuzz(check, spoiled(whole), examples=300)
