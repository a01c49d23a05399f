"""A client goes away in the middle of a note, or misbehaves as a peer: its notes end, all others are served on."""

import os
import select
import socket
import struct
import time

import numpy as np
import pytest

from plugin_bridge.client import BridgeError, BridgeStream, osc
from plugin_bridge.protocol import pack_audio, pack_midi_in

HELD_CHORD = {60, 64, 67}


def loud(count: int = 768) -> np.ndarray:
    return np.full((1, count), 0.5, np.float32)


def socket_to(port: int) -> socket.socket:
    connection = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    connection.connect(("127.0.0.1", port))
    connection.settimeout(5.0)
    return connection


@pytest.fixture
def vanish(server):
    """A function (daw) -> the port that the daw's engine listens at; the daw's socket is closed without a word."""

    def make(daw) -> int:
        daw.stream._socket.close()
        return server.row(daw.stream.number)["port"]

    return make


def test_notes_of_a_vanished_client_end_while_another_plays(server, open_daw, vanish):
    gone, other = open_daw(stream="live"), open_daw(stream="live")
    gone.hold_chord()
    other.hold_chord()
    vanish(gone)
    assert server.row(gone.stream.number)["sounding"] == 3
    deadline = time.monotonic() + 5.0
    while server.row(gone.stream.number)["sounding"]:
        assert time.monotonic() < deadline, "the vanished client's notes sound on"
        for _ in range(20):  # the other one keeps the engine busier than a quiet moment needs
            other.play(loud(64))
    assert other.sounding == HELD_CHORD, "a client that plays on is not touched"


def test_a_client_that_only_stops_is_sent_the_ends_of_its_notes_while_another_plays(server, open_daw):
    stopped, other = open_daw(stream="live"), open_daw(stream="live")
    stopped.hold_chord()
    deadline = time.monotonic() + 5.0
    while stopped.sounding:
        assert time.monotonic() < deadline
        other.play(loud(64))
        stopped.take(stopped.stream.receive())
    assert server.row(stopped.stream.number)["sounding"] == 0


def test_a_stream_can_be_taken_up_again_from_another_socket(server, open_daw, make_daw, vanish):
    gone = open_daw(stream="live")
    gone.hold_chord()
    port = vanish(gone)
    again = make_daw(BridgeStream(server.client, gone.stream.number, 0, 0, socket_to(port)))
    again.stream._socket.setblocking(False)
    again.place = gone.place
    again.play(np.zeros((1, 4800), np.float32))
    assert again.hold_chord() == HELD_CHORD


def test_a_client_whose_stream_another_takes_over_hears_the_ends_of_its_notes(server, open_daw, make_daw):
    first = open_daw(stream="live")
    first.hold_chord()
    port = server.row(first.stream.number)["port"]
    second = make_daw(BridgeStream(server.client, first.stream.number, 0, 0, socket_to(port)))
    second.stream._socket.setblocking(False)
    second.place = first.place
    second.play(loud())
    first.wait_until_quiet()
    assert not second.sounding, "it never heard them begin"


def test_a_vanished_clients_stream_can_be_closed_and_its_place_is_free(server, open_daw, vanish):
    gone = open_daw(stream="live")
    gone.hold_chord()
    vanish(gone)
    server.client.request("/backline/stream/close", gone.stream.number)
    with pytest.raises(BridgeError, match=f"there is no stream {gone.stream.number}"):
        server.client.request("/backline/stream/close", gone.stream.number)
    streams = [server.client.open_stream("held", 48_000, {}) for _ in range(16)]
    with pytest.raises(BridgeError, match="16 streams of 'held' are open, which is the most"):
        server.client.open_stream("held", 48_000, {})
    for stream in streams:
        stream.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a raw socket")
def test_a_sender_that_cannot_be_answered_kills_nothing(server, open_daw):
    daw = open_daw(stream="live")
    daw.hold_chord()
    row = server.row(daw.stream.number)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP) as raw:
        for port, text in (
            (row["port"], pack_audio(daw.stream.number, daw.place, loud())),
            (row["port"], b"nonsense"),
            (server.port, osc("/backline/nonsense")),
            (server.port, osc("/backline/notify", 1)),
        ):
            # Source port 0: sendto refuses to answer it.
            raw.sendto(struct.pack(">HHHH", 0, port, 8 + len(text), 0) + text, ("127.0.0.1", 0))
    daw.place += 768
    daw.play(loud())
    after = server.row(daw.stream.number)
    assert after["process"] == row["process"]
    daw.play(np.zeros((1, 4800), np.float32))
    assert server.client.request("/backline/sync", 5) == [5]


def test_a_note_that_comes_late_is_played_at_once_and_one_for_later_waits(server, open_daw):
    daw = open_daw(model="probe")
    daw.play(np.zeros((1, 960), np.float32))
    port = server.row(daw.stream.number)["port"]
    process = server.row(daw.stream.number)["process"]
    with socket_to(port) as other:
        for sample in (0, 100, 1 << 62):
            other.send(pack_midi_in(daw.stream.number, sample, 0x90, 60, 100))
        daw.play(np.zeros((1, 960), np.float32))
        for refused in (pack_midi_in(daw.stream.number, -5, 0x90, 60, 100), pack_midi_in(-1, 5, 0x90, 60, 100)):
            other.send(refused)
            assert other.recv(65536).startswith(b"/backline/fail")
    for _ in range(3):
        daw.play(np.zeros((1, 960), np.float32))
    assert server.row(daw.stream.number)["process"] == process


def test_more_midi_than_can_wait_is_refused(server, open_daw):
    daw = open_daw(model="probe")
    daw.play(np.zeros((1, 960), np.float32))
    with socket_to(server.row(daw.stream.number)["port"]) as other:
        other.settimeout(0)
        for place in range(6000):
            other.send(pack_midi_in(daw.stream.number, 10**9 + place, 0x90, 60, 100))
            if place % 100 == 0:
                daw.play(np.zeros((1, 1), np.float32))  # the engine has read what was sent before
        assert select.select([other], [], [], 5)[0]
        answer = other.recv(65536)
    assert b"4096 MIDI messages wait" in answer
