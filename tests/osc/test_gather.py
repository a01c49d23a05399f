"""Blocks in which nothing happens wait for the next: fewer datagrams, the same music, and no block without an answer."""

import os
import signal

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from pythonosc.osc_message import OscMessage

from plugin_bridge.client import BridgeError, BridgeStream
from plugin_bridge.gather import Gather
from plugin_bridge.protocol import LARGEST_BLOCK, MidiMessage, ProcessedMessage, pack_processed_quiet, parse

RATE, BLOCK = 48_000, 64
SECONDS = 3
TONES = {0.3: 220.0, 0.8: 330.0, 1.1: 440.0, 1.9: 262.0}  # onset in seconds -> frequency


@pytest.fixture(scope="module")
def server(start_server):
    """A server of the shipped models."""
    with start_server() as running:
        yield running


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(st.integers(1, 700), st.integers(0, 2), st.integers(0, 2000), st.booleans()), min_size=1, max_size=60
    )
)
def test_all_goes_out_once_in_order_and_nothing_waits_that_must_not(steps):
    gather, start, out, taken, quiet_until = Gather(), 0, [], [], 0
    for count, jump, quiet, wakes in steps:
        start += 10_000 * (jump == 2)
        if wakes:
            gather.wake()
            quiet_until = 0
        before = sum(block.shape[1] for _, block in out)
        samples = np.arange(start, start + count, dtype=np.float32)[None]
        taken.append(samples)
        out += gather.take(start, samples)
        if start + count > quiet_until:
            assert sum(block.shape[1] for _, block in out) == sum(block.shape[1] for block in taken)
        assert gather.through(start) <= start + count
        if sum(block.shape[1] for _, block in out) > before:
            assert gather.through(start + count) == start + count
        start += count
        quiet_until = start + quiet
        gather.hear(quiet_until)
    out += gather.flush()
    assert gather.flush() == []
    np.testing.assert_array_equal(np.concatenate([block for _, block in out], axis=1), np.concatenate(taken, axis=1))
    assert all(block[0, 0] == first and block.shape[1] <= LARGEST_BLOCK + 700 for first, block in out)


def play(stream: BridgeStream, audio: np.ndarray) -> list[MidiMessage]:
    """Play in small blocks as fast as the answers come; return the notes."""
    heard: list[MidiMessage] = []
    for start in range(0, audio.shape[1], BLOCK):
        stream.send(start, audio[:, start : start + BLOCK])
        heard += [m for m in stream.wait(start + BLOCK) if isinstance(m, MidiMessage)]
    return heard + [m for m in stream.finish() if isinstance(m, MidiMessage)]


def without_number(messages: list[MidiMessage]) -> list[tuple[int, ...]]:
    return [tuple(message[1:]) for message in messages]


@pytest.mark.parametrize("chosen", [{}, {"stream": "live"}, {"look_ahead_ms": "20"}])
def test_the_transcriber_says_the_same_in_a_quarter_of_the_datagrams(server, plucked, chosen):
    audio = plucked(RATE, SECONDS, TONES)
    plain = server.client.open_stream("transcriber", RATE, {"pace": "free", **chosen})
    gathering = server.client.open_stream("transcriber", RATE, {"pace": "free", "gather": "yes", **chosen})
    sent = audio.shape[1] // BLOCK
    expected, heard = play(plain, audio), play(gathering, audio)
    assert plain.answered == sent
    assert len(expected) >= 8, "four notes begin and end"
    assert without_number(heard) == without_number(expected)
    assert gathering.answered < sent / 4
    assert gathering.processed == audio.shape[1]


def test_a_stream_that_gives_audio_or_is_told_of_notes_sends_every_block(server):
    for model, direction in (("performer", {}), ("translator", {"direction": "play"})):
        stream = server.client.open_stream(model, RATE, {"pace": "free", "gather": "yes", **direction})
        for start in range(0, 50 * BLOCK, BLOCK):
            stream.send(start, np.zeros((1, BLOCK), np.float32))
            list(stream.wait(start + BLOCK))
        assert stream.answered == 50, model
        stream.close()


def test_the_transport_is_heard_with_the_next_block(server):
    stream = server.client.open_stream("transcriber", RATE, {"pace": "free", "gather": "yes"})
    silence, answered = np.zeros((1, BLOCK), np.float32), []
    for start in range(0, 60 * BLOCK, BLOCK):
        stream.send_transport(start, True, start, 120.0)
        stream.send(start, silence)
        list(stream.wait(start + BLOCK))
        answered.append(stream.answered)
    assert answered == list(range(1, 61))
    stream.close()


def test_a_jump_sends_what_was_held_back_first(server):
    stream = server.client.open_stream("transcriber", RATE, {"pace": "free", "gather": "yes"})
    silence = np.zeros((1, BLOCK), np.float32)
    places = [*range(0, 9 * BLOCK, BLOCK), *range(RATE, RATE + 9 * BLOCK, BLOCK)]
    for start in places:
        stream.send(start, silence)
        list(stream.wait(start + BLOCK))
    row = server.row(stream.number)
    assert row["restarts"] == 0, "less than a second was left out"
    assert row["lost_samples"] == RATE - 9 * BLOCK, "all nine blocks before it were heard"
    assert row["position"] >= RATE + 6 * BLOCK
    stream.close()


def test_the_take_lacks_no_more_than_what_a_hop_holds(server, plucked, tmp_path, start_server):
    with start_server("--takes", str(tmp_path)) as running:
        stream = running.client.open_stream("transcriber", RATE, {"pace": "free", "gather": "yes"})
        audio = plucked(RATE, SECONDS, TONES)[:, : 100 * BLOCK]
        for start in range(0, audio.shape[1], BLOCK):
            stream.send(start, audio[:, start : start + BLOCK])
            list(stream.wait(start + BLOCK))
        _, wave = stream.keep()
        kept, _ = soundfile.read(wave, dtype="float32")
        assert audio.shape[1] - RATE // 125 <= kept.size <= audio.shape[1]
        assert np.abs(kept - audio[0, : kept.size]).max() < 2**-22
        stream.close()


def test_a_setting_that_is_neither_is_refused(server):
    with pytest.raises(BridgeError, match="gather is 'perhaps'; allowed: yes, no"):
        server.client.open_stream("transcriber", RATE, {"gather": "perhaps"})


def test_the_answer_is_osc():
    said = pack_processed_quiet(3, 1 << 40, 2, (1 << 40) + 384)
    assert parse(said) == ProcessedMessage(3, 1 << 40, 2, (1 << 40) + 384)
    assert list(OscMessage(said)) == [3, 1 << 40, 2, (1 << 40) + 384]


def test_tracks_that_begin_at_one_moment_have_their_hops_at_different_ones(server):
    tracks = [server.client.open_stream("transcriber", RATE, {"gather": "yes"}) for _ in range(4)]
    silence = np.zeros((1, BLOCK), np.float32)
    process = server.row(tracks[0].number)["process"]
    os.kill(process, signal.SIGSTOP)  # so that all four are read at one moment
    try:
        for track in tracks:
            track.send(0, silence)
    finally:
        os.kill(process, signal.SIGCONT)
    for track in tracks:
        list(track.wait(BLOCK))
    assert server.row(tracks[0].number)["position"] == BLOCK
    begin = [track.number for track in tracks if server.row(track.number)["position"] == 0]
    assert len(begin) == 3, "the first has begun, the others wait for their turn"
    for start in range(BLOCK, RATE // 50, BLOCK):
        for track in tracks:
            track.send(start, silence)
            list(track.wait(start + BLOCK))
    assert all(server.row(track.number)["hops"] >= 1 for track in tracks)
    for track in tracks:
        track.close()
