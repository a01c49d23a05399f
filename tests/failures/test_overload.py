"""An engine that cannot keep up for a moment: what is stale is dropped and counted, and afterwards nothing is late."""

import os
import signal

import numpy as np
import pytest

SECONDS_BEHIND = 2
RATE, BLOCK = 48_000, 64


def loud(count: int) -> np.ndarray:
    return np.full((1, count), 0.5, np.float32)


@pytest.fixture
def stall(server):
    """A function (daw, samples, block): the engine stands still while `samples` are sent in blocks, then goes on."""

    def make(daw, samples: np.ndarray, block: int) -> None:
        process = server.row(daw.stream.number)["process"]
        os.kill(process, signal.SIGSTOP)
        try:
            for start in range(0, samples.shape[1], block):
                daw.send(samples[:, start : start + block])
        finally:
            os.kill(process, signal.SIGCONT)

    return make


@pytest.mark.parametrize("kind", ["commit", "live"])
def test_a_backlog_is_dropped_and_the_newest_block_is_answered(server, open_daw, stall, kind):
    daw = open_daw(stream=kind)
    daw.hold_chord()
    before = server.row(daw.stream.number)
    stall(daw, loud(SECONDS_BEHIND * RATE), BLOCK)
    daw.take(daw.stream.wait(daw.place, 5))
    after = server.row(daw.stream.number)
    assert after["position"] == daw.place, "no delay is left"
    dropped = after["stale_samples"] - before["stale_samples"]
    assert 0.25 * SECONDS_BEHIND * RATE < dropped < SECONDS_BEHIND * RATE
    assert after["hops"] == before["hops"], "nothing that is late already keeps the newest block waiting"
    assert after["restarts"] == before["restarts"] + 1
    assert after["process"] == before["process"], "a short stall is no reason for another engine"
    assert after["late_events"] == before["late_events"]

    daw.play(loud(BLOCK))
    assert daw.stream.processed == daw.place, "the next block is answered by itself"
    for _ in range(8):
        daw.play(np.zeros((1, 768), np.float32))
    assert not daw.sounding


def test_a_backlog_of_many_streams_is_dropped_though_no_reading_of_it_is_stale(server, open_daw):
    daws = [open_daw(stream="live") for _ in range(8)]
    for daw in daws:
        daw.play(loud(40 * BLOCK))
    before = server.rows()
    process = server.row(daws[0].stream.number)["process"]
    os.kill(process, signal.SIGSTOP)
    try:
        for _ in range(RATE // 2 // BLOCK):
            for daw in daws:
                daw.send(loud(BLOCK))
    finally:
        os.kill(process, signal.SIGCONT)
    for daw in daws:
        daw.take(daw.stream.wait(daw.place, 5))
    after = server.rows()
    for number in (str(daw.stream.number) for daw in daws):
        assert after[number]["stale_samples"] >= RATE // 4, "half a second waited, and a tenth may"
        assert after[number]["hops"] == before[number]["hops"], "nothing that is late already is worked on"
        assert after[number]["process"] == process
    for daw in daws:
        daw.play(np.zeros((1, RATE // 4), np.float32))
        assert not daw.sounding


def test_silence_after_a_backlog_ends_what_sounded_before_it(server, open_daw, stall):
    daw = open_daw(stream="live")
    daw.hold_chord()
    stall(daw, np.zeros((1, SECONDS_BEHIND * RATE), np.float32), BLOCK)
    daw.take(daw.stream.wait(daw.place, 5))
    assert not daw.sounding


def test_at_free_pace_nothing_is_dropped_and_a_long_render_is_no_silence(server, open_daw, stall):
    daw = open_daw(model="probe", pace="free")
    clicks = np.zeros((1, 60 * 8192), np.float32)
    clicks[0, ::4800] = 0.9
    before = server.row(daw.stream.number)
    stall(daw, clicks, 8192)
    daw.take(daw.stream.wait(daw.place, 20))
    after = server.row(daw.stream.number)
    assert after["stale_samples"] == after["lost_samples"] == 0
    assert after["position"] == daw.place == clicks.shape[1]
    assert len(daw.struck) >= clicks.shape[1] // 4800 - 1
    assert after["process"] == before["process"]


def test_a_long_hole_in_the_stream_ends_its_notes(server, open_daw):
    daw = open_daw(stream="live")
    daw.hold_chord()
    daw.place += 5 * RATE  # a locate, or audio that never came
    daw.play(np.zeros((1, 768), np.float32))
    assert not daw.sounding
    assert daw.hold_chord()


def test_a_stall_longer_than_the_watchdogs_patience_costs_one_swap(server, open_daw, listener):
    daw = open_daw(stream="live")
    server.client.request("/backline/model/load", "held", timeout=30)
    daw.hold_chord()
    process = server.row(daw.stream.number)["process"]
    os.kill(process, signal.SIGSTOP)
    for _ in range(10):
        daw.send(loud(768))
    assert "frozen" in listener.wait_for("replaced in")
    daw.wait_until_quiet()
    daw.play(loud(768))
    daw.hold_chord()
    assert server.row(daw.stream.number)["process"] != process
