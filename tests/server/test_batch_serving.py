"""A server that lets streams share calls gives every client the notes that it would get from a server of its own."""

import os
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any  # Any: the status is JSON

import numpy as np
import pytest

from plugin_bridge.client import BridgeStream
from plugin_bridge.protocol import MidiMessage

RATE, SECONDS, ROUND = 48_000, 1.0, 512
BLOCKS = (128, 256, 512, 64, 512)  # of five streams: a group of four, and one that is alone in the next
Notes = list[tuple[int, int, int, int, int]]


def audio_of(stream: int) -> np.ndarray:
    """Return (1, n) float32 of impulses at places of that stream's own."""
    audio = np.zeros((1, round(RATE * SECONDS) // ROUND * ROUND), np.float32)
    audio[0, 100 + 777 * stream :: 3001] = 0.3 + 0.1 * stream
    return audio


def take(stream: BridgeStream, end: int) -> Notes:
    """Return what a stream says until `end` is heard."""
    heard = [message for message in stream.wait(end) if isinstance(message, MidiMessage)]
    return [(message.due, message.place, message.status, message.data1, message.data2) for message in heard]


def play(server: Any) -> tuple[list[Notes], dict[str, Any]]:
    """Play on as many streams as there are blocks, one leaving and coming back; return their notes and the status."""
    streams = [server.client.open_stream("probe", RATE, {"pace": "free"}) for _ in BLOCKS]
    notes: list[Notes] = [[] for _ in BLOCKS]
    audio = [audio_of(number) for number in range(len(BLOCKS))]
    length = audio[0].shape[1]
    for start in range(0, length, ROUND):
        if start == length // ROUND // 2 * ROUND:
            streams[1].close()
            streams[1] = server.client.open_stream("probe", RATE, {"pace": "free"})
        for stream, samples, block in zip(streams, audio, BLOCKS, strict=True):
            for begin in range(start, start + ROUND, block):
                stream.send(begin, samples[:, begin : begin + block])
        for number, stream in enumerate(streams):
            notes[number] += take(stream, start + ROUND)
    rows = server.rows()
    for stream in streams:
        stream.close()
    return notes, rows


@pytest.fixture(scope="module")
def alone(start_server: Callable[..., AbstractContextManager[Any]]) -> list[Notes]:
    """What the streams say where none shares a call."""
    with start_server("--provider", "cpu") as server:
        return play(server)[0]


@pytest.mark.parametrize("batch", ["4", "16"])
def test_every_stream_of_a_batch_says_what_it_says_alone(
    batch: str, alone: list[Notes], start_server: Callable[..., AbstractContextManager[Any]]
):
    with start_server("--provider", "auto", "--batch", batch) as server:
        notes, rows = play(server)
    assert notes == alone
    assert all(len(said) >= 20 for said in notes)
    assert {row["provider"] for row in rows.values()} == {"cpu"}
    assert all(row["late_events"] == 0 for row in rows.values())


def test_a_batch_survives_its_engine(start_server: Callable[..., AbstractContextManager[Any]]):
    with start_server("--batch", "2") as server:
        server.client.load("probe")
        streams = [server.client.open_stream("probe", RATE, {"pace": "free"}) for _ in range(2)]
        block = np.zeros((1, ROUND), np.float32)
        for start in range(0, 8 * ROUND, ROUND):
            if start == 4 * ROUND:
                worker = server.row(streams[0].number)["process"]

                os.kill(worker, signal.SIGKILL)
                while server.row(streams[0].number)["process"] == worker:
                    pass
            for stream in streams:
                stream.send(start, block)
            for stream in streams:
                take(stream, start + ROUND)
        assert {server.row(stream.number)["provider"] for stream in streams} == {"cpu"}
        for stream in streams:
            stream.close()
