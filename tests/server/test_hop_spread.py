"""The hops of an engine's streams keep apart, and what a stream that waits for its turn hears is as if it had begun there."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin_bridge.protocol import AudioMessage, MidiMessage, ProcessedMessage, parse
from server.hop_spread import HopSpread
from server.hosted_stream import HostedStream
from server.kept_take import KeptTake
from server.model_store import find_model, open_stream
from server.shared_page import SharedPage

RATE, BLOCK = 48_000, 64
BLOCK_NS = 1_000_000_000 * BLOCK // RATE
HOP_NS = 12 * BLOCK_NS
CLIENT = ("127.0.0.1", 9)
TONES = {0.2: 220.0, 0.5: 330.0}  # onset in seconds -> frequency


def places(count: int, per_hop: int = 12) -> list[int]:
    """Return after how many blocks streams begin that could all begin at one moment."""
    spread = HopSpread(per_hop * BLOCK_NS)
    return [spread.choose(number, 0, BLOCK_NS) for number in range(count)]


def test_the_first_waits_for_nobody_and_the_next_take_the_middle():
    assert places(4) == [0, 6, 3, 9]


@given(st.integers(1, 40), st.integers(1, 16))
def test_no_place_is_taken_twice_before_all_are_taken_once(per_hop, count):
    taken = places(count, per_hop)
    assert all(0 <= place < per_hop for place in taken)
    uses = [taken.count(place) for place in range(per_hop)]
    assert max(uses) - min(uses) <= 1


def test_eight_of_twelve_are_never_three_in_a_row():
    taken = set(places(8))
    assert not any({place % 12, (place + 1) % 12, (place + 2) % 12} <= taken for place in range(12))


def test_a_place_that_is_let_go_is_free_and_one_that_drifts_is_known():
    spread = HopSpread(HOP_NS)
    assert [spread.choose(number, 0, BLOCK_NS) for number in (1, 2)] == [0, 6]
    spread.forget(2)
    assert spread.choose(3, 0, BLOCK_NS) == 6
    spread.note(3, 100 * HOP_NS + 2 * BLOCK_NS)
    assert spread.choose(4, 200 * HOP_NS, BLOCK_NS) == 7, "between 2 and 12"


@given(st.lists(st.integers(0, 100_000), min_size=8, max_size=8))
def test_places_fill_evenly_though_blocks_come_a_little_late(late_ns):
    spread = HopSpread(2 * BLOCK_NS)
    taken = [spread.choose(number, now_ns, BLOCK_NS) for number, now_ns in enumerate(late_ns)]
    assert taken.count(0) == taken.count(1) == 4


def test_a_block_that_holds_a_hop_waits_for_nothing():
    spread = HopSpread(HOP_NS)
    assert [spread.choose(number, 0, 2 * HOP_NS) for number in range(5)] == [0] * 5


class Third(HopSpread):
    """A spread that has every stream begin with its fourth block."""

    def choose(self, stream: int, now_ns: int, block_ns: int) -> int:
        return 3


class Hosted:
    """A gathering stream of the transcriber in an engine of ours, and what its client is told."""

    def __init__(self, page: SharedPage, spread: HopSpread | None, realtime: bool = True) -> None:
        self.slot = page.slot(0)
        self.slot.clear(1)
        self.take = KeptTake.make(RATE)
        self.said: list[bytes] = []
        stream = open_stream(find_model("transcriber", None), {"stream": "live"}, RATE, "cpu")
        self.hosted = HostedStream(1, stream, self.slot, realtime, self.tell, self.take, True, spread)

    def tell(self, datagram: bytes, address: tuple[str, int]) -> None:
        self.said.append(datagram)

    def hear(self, start: int, audio: np.ndarray, block: int = BLOCK) -> None:
        for first in range(0, audio.shape[1], block):
            samples = audio[:, first : first + block]
            self.hosted.take_audio(AudioMessage(1, start + first, samples), CLIENT)

    def notes(self) -> list[tuple[int, ...]]:
        return [tuple(m[1:]) for m in map(parse, self.said) if isinstance(m, MidiMessage)]

    def answers(self) -> list[tuple[int, int]]:
        return [(m.end, m.quiet_until) for m in map(parse, self.said) if isinstance(m, ProcessedMessage)]


@pytest.fixture
def page():
    page = SharedPage()
    yield page
    page.close()


@pytest.mark.parametrize("block", [64, 48, 100])
def test_what_waits_hears_what_it_would_have_heard_of_audio_that_begins_there(page, plucked, block):
    audio, start = plucked(RATE, 1, TONES), 7_000
    waits, alone = Hosted(page, Third(8_000_000)), Hosted(page, None)
    waits.hear(start, audio, block)
    assert waits.hosted.stream.position == start + audio.shape[1]
    alone.hear(start + 3 * block, audio[:, 3 * block :], block)
    assert sum(note[2] == 0x90 for note in waits.notes()) == 2, "both tones are heard"
    assert waits.notes() == alone.notes()
    assert waits.answers()[:3] == [(start + n * block, start + 3 * block) for n in (1, 2, 3)], "it may hold them back"
    assert waits.answers()[3:] == alone.answers()
    assert waits.take.count == audio.shape[1], "all is kept"


def test_a_block_that_reaches_beyond_the_beginning_is_heard_from_there(page, plucked):
    audio = plucked(RATE, 1, TONES)
    waits, alone = Hosted(page, Third(8_000_000)), Hosted(page, None)
    waits.hear(0, audio[:, :BLOCK])
    waits.hear(BLOCK, audio[:, BLOCK:], 10 * BLOCK)
    alone.hear(3 * BLOCK, audio[:, 3 * BLOCK :])
    assert waits.notes() == alone.notes()


def test_after_a_stall_it_begins_at_a_place_of_its_own_again_and_the_notes_before_it_end(page, plucked):
    audio = plucked(RATE, 1, TONES)
    waits = Hosted(page, Third(8_000_000))
    waits.hear(0, audio[:, : RATE // 2])
    sounding = waits.hosted.stream.ledger.sounding
    assert sounding > 0
    waits.hear(RATE, np.zeros((1, BLOCK), np.float32))  # half a second is missing: the stream is stale
    assert waits.hosted.stream.position == RATE + 3 * BLOCK
    assert waits.answers()[-1][0] == RATE + BLOCK
    assert [note[2] & 0xF0 for note in waits.notes()[-sounding:]] == [0x80] * sounding


def test_a_clock_that_goes_back_is_not_waited_for(page):
    waits = Hosted(page, Third(8_000_000))
    waits.hear(10 * RATE, np.zeros((1, BLOCK), np.float32))
    waits.hear(0, np.zeros((1, 12 * BLOCK), np.float32))
    assert waits.hosted.stream.position == 12 * BLOCK
    assert waits.hosted.stream.metrics.hops == 1


def test_what_runs_ahead_of_time_waits_for_nothing(page):
    free = Hosted(page, Third(8_000_000), realtime=False)
    free.hear(0, np.zeros((1, BLOCK), np.float32))
    assert free.hosted.stream.position == BLOCK
