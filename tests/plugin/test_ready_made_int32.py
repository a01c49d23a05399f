"""The wire in int32, for programs that read nothing else: the same blocks and notes, also from an engine that has died."""

import os
import signal
import socket
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc.osc_message import OscMessage

from plugin_bridge.client import osc
from plugin_bridge.protocol import (
    LARGEST_BLOCK,
    LAST_PLAIN_SAMPLE,
    AudioMessage,
    MidiMessage,
    ProcessedMessage,
    ProtocolError,
    pack_audio,
    pack_midi,
    pack_processed,
    parse,
)

INT32 = st.integers(0, LAST_PLAIN_SAMPLE)
FLOATS = st.lists(st.integers(-128, 127).map(lambda value: value / 128), min_size=1, max_size=70)
PATIENCE = 10.0


@given(stream=INT32, start=st.integers(0, LAST_PLAIN_SAMPLE - 70), samples=FLOATS)
def test_floats_as_arguments_are_the_block_that_a_blob_is(stream, start, samples):
    block = np.array([samples], np.float32)
    as_arguments = parse(osc("/backline/audio", stream, start, *samples))
    as_blob = parse(pack_audio(stream, start, block, plain=True))
    assert isinstance(as_arguments, AudioMessage)
    for message in (as_arguments, as_blob):
        assert message[:2] == (stream, start)
        assert message.plain
        np.testing.assert_array_equal(message.samples, block)
    assert not parse(pack_audio(stream, start, block)).plain


@given(st.tuples(INT32, INT32, INT32, *[st.integers(0, 127)] * 3), INT32)
def test_answers_in_int32_are_osc_and_say_the_same(numbers, late):
    note = MidiMessage(*numbers)
    for datagram in (pack_midi(note, plain=True), pack_midi(note)):
        assert parse(datagram) == note
    assert list(OscMessage(pack_midi(note, plain=True))) == list(numbers)
    done = ProcessedMessage(numbers[0], numbers[1], late)
    assert parse(pack_processed(*done[:3], plain=True)) == done
    assert list(OscMessage(pack_processed(*done[:3], plain=True))) == list(done[:3])


@pytest.mark.parametrize(
    ("datagram", "reason"),
    [
        (osc("/backline/audio", 1, LAST_PLAIN_SAMPLE - 1, 0.5, 0.5), "past what int32 counts"),
        (osc("/backline/audio", 1, -1, 0.5), "sample -1 is on no stream's clock"),
        (osc("/backline/audio", 1, 0, 0.5, 1), "two integers and floats"),
        (osc("/backline/audio", 1, 0, *[0.0] * (LARGEST_BLOCK + 1)), f"{LARGEST_BLOCK + 1} samples"),
        (osc("/backline/audio", 1, 0, 0.5)[:-4], "two integers and floats"),
        (b"/backline/audio\0,iiffffffff", "two integers and floats"),
        (osc("/backline/midi", 1, 0, 0x90, 60, 256), "256 is no byte"),
        (osc("/backline/midi", 1, -5, 0x90, 60, 100), "sample -5"),
    ],
)
def test_what_is_no_block_or_note_is_refused(datagram, reason):
    with pytest.raises(ProtocolError, match=reason):
        parse(datagram)


def test_a_midi_message_in_int32_is_one():
    assert parse(osc("/backline/midi", 3, 480, 0x90, 60, 100)) == MidiMessage(3, 480, 480, 0x90, 60, 100)


def test_a_client_in_int32_hears_nothing_else_and_has_its_notes_ended_when_the_engine_dies(start_server, held_folder):
    with start_server("--models", str(held_folder)) as server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as data:
        server.client.load("held")
        opened = server.client.request("/backline/stream/open", "held", 48_000, '{"stream": "live", "pace": "free"}')
        stream, port = int(str(opened[0])), int(str(opened[1]))
        data.settimeout(PATIENCE)
        place, sounding = 0, set()
        while len(sounding) < 3:
            data.sendto(osc("/backline/audio", stream, place, *[0.5, -0.5] * 128), ("127.0.0.1", port))
            place += 256
            for message in answers(data):
                if message.address == "/backline/midi":
                    sounding.add(message.params[4])
        victim = int(server.row(stream)["process"])
        os.kill(victim, signal.SIGKILL)
        deadline = time.monotonic() + PATIENCE
        while sounding and time.monotonic() < deadline:
            message = OscMessage(data.recv(65536))
            if message.address == "/backline/midi":
                assert message.params[3] & 0xF0 == 0x80
                assert all(isinstance(value, int) for value in message)
                sounding.discard(message.params[4])
        assert not sounding


def answers(data: socket.socket) -> list[OscMessage]:
    """Return what comes back for a block, all of it in int32."""
    found: list[OscMessage] = []
    while not found or found[-1].address != "/backline/processed":
        datagram = data.recv(65536)
        tags = datagram[datagram.index(b",") :].partition(b"\0")[0]
        assert set(tags[1:]) == {ord("i")}, datagram
        found.append(OscMessage(datagram))
    return found
