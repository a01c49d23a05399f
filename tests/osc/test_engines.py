"""Several engines share a model's streams: evenly, each with a spare, and what happens to one is nothing to the others."""

import os
import signal
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from plugin_bridge.protocol import MidiMessage
from server.realtime import IDLE_LIMIT

RATE = 48_000


@pytest.fixture(scope="module")
def server(start_server):
    """A server whose models have two engines."""
    with start_server("--engines", "2") as running:
        running.client.load("probe")
        yield running


def streams_by_process(server) -> Counter[int]:
    return Counter(row["process"] for row in server.rows().values())


def click(stream, start: int) -> int:
    """Play a tenth of a second with a click; return the notes that begin in it."""
    audio = np.zeros((1, RATE // 10), np.float32)
    audio[0, 1000] = 0.5
    stream.send(start, audio)
    said = [message for message in stream.wait(start + audio.shape[1]) if isinstance(message, MidiMessage)]
    return sum(message.status & 0xF0 == 0x90 for message in said)


def test_new_streams_go_where_the_fewest_are(server):
    assert len(server.engines()) == 4, "two that work and a spare for each"
    opened = [server.client.open_stream("probe", RATE, {"pace": "free"}) for _ in range(5)]
    shares = streams_by_process(server)
    assert sorted(shares.values()) == [2, 3]
    busy = shares.most_common(1)[0][0]
    gone = [stream for stream in opened if server.rows()[str(stream.number)]["process"] == busy]
    for stream in gone:
        stream.close()
    more = [server.client.open_stream("probe", RATE, {"pace": "free"}) for _ in range(2)]
    assert [server.rows()[str(stream.number)]["process"] for stream in more] == [busy, busy]
    for stream in (*opened, *more):
        if stream not in gone:
            assert click(stream, 0) == 1
            stream.close()
    assert not server.rows()


def test_each_keeps_to_a_core_with_its_spare(server):
    cores = sorted(os.sched_getaffinity(0))
    kept = Counter(tuple(os.sched_getaffinity(process)) for process in server.engines())
    assert kept == Counter({(core,): 4 // len(cores[:2]) for core in cores[:2]})


def test_idle_cores_are_held_awake_while_a_stream_is_open(server):
    def holds(process: int) -> bool:
        return any(link.readlink() == IDLE_LIMIT for link in Path(f"/proc/{process}/fd").iterdir())

    if not os.access(IDLE_LIMIT, os.W_OK):
        pytest.skip("the system does not allow it")
    stream = server.client.open_stream("probe", RATE, {"pace": "free"})
    busy = server.row(stream.number)["process"]
    assert [process for process in server.engines() if holds(process)] == [busy]
    stream.close()
    assert not any(map(holds, server.engines()))


def test_an_engine_that_dies_is_replaced_and_the_other_plays_on(server):
    first, second = (server.client.open_stream("probe", RATE, {"pace": "free"}) for _ in range(2))
    rows = server.rows()
    killed, other = (rows[str(stream.number)]["process"] for stream in (first, second))
    assert killed != other
    os.kill(killed, signal.SIGKILL)
    assert click(second, 0) == 1
    deadline = time.monotonic() + 20
    while server.row(first.number)["process"] == killed:
        assert time.monotonic() < deadline
    assert click(first, 0) == 1
    row = server.rows()[str(second.number)]
    assert (row["process"], row["swaps"]) == (other, [])
    for stream in (first, second):
        stream.close()


def test_more_streams_than_one_engine_hosts(server):
    opened = [server.client.open_stream("probe", RATE, {"pace": "free"}) for _ in range(20)]
    assert sorted(streams_by_process(server).values()) == [10, 10]
    for stream in opened:
        assert click(stream, 0) == 1
        stream.close()


@pytest.mark.parametrize("engines", ["0", "17", "-1"])
def test_a_number_that_is_not_allowed_is_refused(command_line, engines):
    said = command_line("serve", "--port", "0", "--engines", engines)
    assert (said.returncode, said.stderr) == (2, f"backline: engines are {engines}; allowed: 1 to 16\n")
