"""What the page says of a stream's notes is what its client has heard, at whatever moment the engine dies."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from plugin_bridge.protocol import AudioMessage, MidiMessage, parse
from server.hosted_stream import HostedStream
from server.kept_take import KeptTake
from server.model_store import find_model, open_stream
from server.shared_page import SharedPage, Slot

HELD_CHORD = [60, 64, 67]
RATE, BLOCK = 48_000, 768
CLIENT = ("127.0.0.1", 9)
Host = Callable[[Callable[[bytes, tuple[str, int]], None]], HostedStream]


class DiedError(Exception):
    """The engine is no more."""


def sounding(slot: Slot) -> list[int]:
    return np.flatnonzero(slot.sounding[0, :128]).tolist()


def block(start: int, level: float) -> AudioMessage:
    return AudioMessage(1, start, np.full((1, BLOCK), level, np.float32))


@pytest.fixture
def slot() -> Iterator[Slot]:
    page = SharedPage()
    place = page.slot(0)
    place.clear(1)
    yield place
    page.close()


@pytest.fixture
def host(held_folder: Path, slot: Slot) -> Iterator[Host]:
    """A function (transmit) -> a live stream of the model that holds its chord while audio is loud."""
    take = KeptTake.make(RATE)

    def make(transmit: Callable[[bytes, tuple[str, int]], None]) -> HostedStream:
        stream = open_stream(find_model("held", held_folder), {"stream": "live"}, RATE, "cpu")
        return HostedStream(1, stream, slot, True, transmit, take)

    yield make
    take.close()


def test_a_note_is_in_the_page_before_its_start_leaves_and_until_its_end_has(host: Host, slot: Slot):
    seen: list[tuple[int, int, list[int]]] = []

    def transmit(datagram: bytes, address: tuple[str, int]) -> None:
        message = parse(datagram)
        if isinstance(message, MidiMessage):
            seen.append((message.status, message.data1, sounding(slot)))

    hosted = host(transmit)
    for turn in range(16):
        hosted.take_audio(block(turn * BLOCK, 0.5 if turn < 8 else 0.0), CLIENT)
    starts, ends = ([row for row in seen if row[0] == status] for status in (0x90, 0x80))
    assert starts == [(0x90, pitch, HELD_CHORD[: place + 1]) for place, pitch in enumerate(HELD_CHORD)]
    assert ends == [(0x80, pitch, HELD_CHORD[place:]) for place, pitch in enumerate(HELD_CHORD)]
    assert sounding(slot) == []


def test_an_engine_that_dies_before_the_ends_leave_leaves_them_in_the_page(host: Host, slot: Slot):
    dies: list[bool] = []

    def transmit(datagram: bytes, address: tuple[str, int]) -> None:
        if dies:
            raise DiedError

    hosted = host(transmit)
    for turn in range(8):
        hosted.take_audio(block(turn * BLOCK, 0.5), CLIENT)
    assert sounding(slot) == HELD_CHORD
    dies.append(True)
    with pytest.raises(DiedError):
        hosted.take_audio(
            block(10 * RATE, 0.5), CLIENT
        )  # after so long a hole the chord ends, before the block is computed
    assert sounding(slot) == HELD_CHORD
