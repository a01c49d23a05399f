"""Notes in, audio out over OSC: what was sent early, clips that are told ahead, a spectrogram for whoever asks."""

import os
import signal
import socket
from itertools import pairwise

import numpy as np
import pytest

from plugin_bridge.client import BridgeClient, BridgeError, osc
from plugin_bridge.protocol import AudioMessage, MagnitudeMessage, parse

RATE = 48_000
ON, OFF, CONTROL = 0x90, 0x80, 0xB0
SILENCE = np.zeros((1, 512), np.float32)


@pytest.fixture
def stream(chime_server):
    opened = chime_server.client.open_stream("chime", RATE, {"pace": "free"})
    yield opened
    opened.close()


def play(stream, start: int, end: int) -> np.ndarray:
    """Send silence from `start` to `end` and return what comes, (n,)."""
    pieces = []
    for first in range(start, end, 512):
        assert stream.send(first, SILENCE)
        pieces += [m.samples[0] for m in stream.wait(first + 512) if isinstance(m, AudioMessage)]
    assert stream.refused == []
    return np.concatenate(pieces)


def impulses(audio: np.ndarray) -> list[int]:
    return np.flatnonzero(np.abs(audio) > 0.5).tolist()


def test_a_note_may_be_sent_long_before_its_block_and_sounds_the_latency_after_it(stream):
    assert stream.latency > 0
    for sample in (30_000, 7_002, 15_000):
        stream.send_midi(sample, ON, 60, 100)
    assert impulses(play(stream, 0, 36_864)) == [sample + stream.latency for sample in (7_002, 15_000, 30_000)]


def test_a_note_that_is_sent_the_latency_early_sounds_on_its_sample(stream):
    stream.send_midi(15_000 - stream.latency, ON, 60, 100)
    assert impulses(play(stream, 0, 20_480)) == [15_000]


def test_a_live_stream_of_it_declares_its_latency(chime_server):
    live = chime_server.client.open_stream("chime", RATE, {"pace": "free", "stream": "live"})
    live.send_midi(6_000, ON, 60, 100)
    assert impulses(play(live, 0, 10_240)) == [6_000 + live.latency]
    assert live.latency > 0
    live.close()


def test_a_clip_in_samples_sounds_on_time(stream):
    rows = [(place, status, 60, 90) for place in range(3_000, 60_000, 3_000) for status in (ON, OFF)]
    assert stream.send_clip(rows) == len(rows)
    assert impulses(play(stream, 0, 61_440)) == list(range(3_000, 60_000, 3_000))


def test_a_clip_in_beats_sounds_on_the_hosts_beats_and_the_clients_path_is_taken_off(stream):
    stream.send_clip([(beat, ON, 60, 90) for beat in (1.0, 2.0, 3.5)], "beats", ahead=1_024)
    stream.send_transport(5_000, True, 0, tempo=240.0)
    assert impulses(play(stream, 0, 51_200)) == [5_000 + round(12_000 * beat) - 1_024 for beat in (1.0, 2.0, 3.5)]


def test_a_clip_that_is_forgotten_is_not_played(stream):
    stream.send_clip([(9_000, ON, 60, 90)])
    stream.forget_clip()
    assert impulses(play(stream, 0, 20_480)) == []


def test_a_clip_outlives_the_engine_that_was_told_of_it(chime_server, stream):
    stream.send_clip([(12_000, ON, 60, 90)])
    play(stream, 0, 2_048)
    engine = chime_server.row(stream.number)["process"]
    os.kill(engine, signal.SIGKILL)
    while chime_server.row(stream.number).get("process") in (engine, 0, None):
        pass
    assert impulses(play(stream, 2_048, 20_480)) == [12_000 - 2_048]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("bars", 0, "[]"), "places are in 'bars'; allowed: samples, beats"),
        (("samples", -1, "[]"), "adds -1 samples; allowed: 0 to"),
        (("samples", 0, "[["), "rows are not JSON"),
        (("samples", 0, "3"), "rows are a JSON list"),
        (("samples", 0, "[[1, 144, 60]]"), r"row is \[1, 144, 60\]; it is \[place, status, data 1, data 2\]"),
        (("samples", 0, "[[1, 144, 60, 1.5]]"), "it is "),
        (("samples", 0, "[[1, 192, 60, 1]]"), "of a note, a controller or a bend"),
        (("samples", 0, "[[1, 144, 60, 300]]"), "of a note, a controller or a bend"),
        (("samples", 0, "[[-1, 144, 60, 1]]"), "a place in the clip is -1; allowed: 0 to"),
        (("beats", 0, "[[NaN, 144, 60, 1]]"), "a place in the clip is nan; allowed: -1e"),
    ],
    ids=lambda value: str(value[2]) if isinstance(value, tuple) else "",
)
def test_a_clip_that_makes_no_sense_is_refused(stream, arguments, sentence):
    with pytest.raises(BridgeError, match=sentence):
        stream.client.request("/backline/stream/clip", stream.number, *arguments)


def test_the_audio_client_is_shown_as_many_frames_as_it_asks_for(stream):
    play(stream, 0, 4_096)
    assert not stream.frames, "nobody has asked"
    stream.ask_magnitude(50)
    stream.send_midi(10_000, ON, 60, 100)
    play(stream, 4_096, 4_096 + 48_128)
    places = [frame.place for frame in stream.frames]
    assert 48 <= len(places) <= 52
    assert {round((b - a) / 960) for a, b in pairwise(places)} == {1}, "960 samples, by hops of 192"
    assert all(frame.bins.shape == (65,) for frame in stream.frames)
    count = len(stream.frames)
    stream.ask_magnitude(0)
    play(stream, 52_224, 60_416)
    assert len(stream.frames) == count


def test_every_frame_is_there_where_enough_are_asked_for(stream):
    stream.ask_magnitude(1_000)
    stream.send_midi(6_000, ON, 60, 100)
    play(stream, 0, 20_480)
    places = [frame.place for frame in stream.frames]
    assert [b - a for a, b in pairwise(places)] == [192] * (len(places) - 1)
    [loud] = [frame.place for frame in stream.frames if frame.bins.max() > 0.5]
    assert loud <= 6_000 < loud + 192


def test_another_program_is_shown_the_spectrogram_for_ten_seconds(chime_server, stream):
    port = chime_server.row(stream.number)["port"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as viewer:
        viewer.settimeout(5.0)
        viewer.sendto(osc("/backline/magnitude", stream.number, 10, 1, tags="iii"), ("127.0.0.1", port))
        viewer.sendto(osc("/backline/magnitude", stream.number, 2_000, tags="ii"), ("127.0.0.1", port))
        assert b"frames a second are 2000; allowed: 0 to 1000" in viewer.recv(65536)
        play(stream, 0, 12 * 48_128)
        seen = []
        viewer.setblocking(False)
        try:
            while True:
                seen.append(viewer.recv(65536))
        except BlockingIOError:
            pass
    assert all(b",iiib" in datagram[:32] for datagram in seen)
    messages = [parse(datagram) for datagram in seen]
    assert all(isinstance(message, MagnitudeMessage) for message in messages)
    assert len(messages) == pytest.approx(100, abs=2)
    assert messages[-1].place < 10.1 * RATE
    assert not stream.frames


def test_over_tcp_clip_audio_and_spectrogram_come_too(chime_server):
    client = BridgeClient(port=chime_server.port, tcp=True)
    stream = client.open_stream("chime", RATE, {"pace": "free"})
    stream.send_clip([(9_000, ON, 60, 90)])
    stream.ask_magnitude(100)
    assert impulses(play(stream, 0, 20_480)) == [9_000]
    assert stream.frames
    stream.close()
    client.close()
