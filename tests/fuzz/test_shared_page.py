"""Whatever an engine that went mad has written on its page, the control process reads it and ends its notes."""

import os
import random

import pytest
from hypothesis import strategies as st

from models.events import ControlChange, NoteOff, PitchBend
from plugin_bridge.protocol import MidiMessage, pack_midi
from server.midi.message import to_bytes
from server.note_ledger import NoteLedger
from server.shared_page import MOST_STREAMS, TRAIL, SharedPage


@pytest.fixture
def page():
    """A page."""
    made = SharedPage()
    yield made
    made.close()


def test_a_page_of_any_bytes_is_read_and_its_notes_are_ended(fuzz, page):
    size = os.fstat(page.descriptor).st_size

    def check(number: int, places: list[tuple[int, bytes]]) -> None:
        content = random.Random(number).randbytes(size) if number else bytes(size)
        os.pwrite(page.descriptor, content, 0)
        for place, data in places:
            os.pwrite(page.descriptor, data, place % (size - len(data)))
        assert isinstance(page.heartbeat_ns + page.datagrams + page.blocks, int)
        for index in {number % MOST_STREAMS, MOST_STREAMS - 1}:
            slot = page.slot(index)
            client = slot.client
            assert client is None or 0 < client[1] < 65_536
            left, events = slot.events_since(max(0, slot.events_since(0)[0] - TRAIL + 1))
            assert events is None or len(events) <= TRAIL
            assert isinstance(left, int)
            assert isinstance(slot.peak, float)
            ended = list(NoteLedger(slot.sounding).end_all(slot.position))
            assert all(isinstance(event, NoteOff | ControlChange | PitchBend) for event in ended)
            for event in ended:
                pack_midi(MidiMessage(slot.number, slot.position, slot.position, *to_bytes(event)), plain=False)
            assert list(NoteLedger(slot.sounding).end_all(slot.position)) == [], "they are ended once"

    places = st.lists(st.tuples(st.integers(0, size), st.binary(min_size=1, max_size=16)), max_size=20)
    fuzz(check, st.integers(0, 1 << 30), places, examples=6)
