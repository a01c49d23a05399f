"""Where things leave, and what the clock says, without a JACK server."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.rhythm.transport import TransportWatch
from plugin_bridge.protocol import MidiMessage
from server.audio.jack_audio import SIZE, AudioOut
from server.audio.jack_clock import FRAME_CLOCK_TURNS, SampleClock
from server.midi.jack import MidiOut

RATE, PERIOD = 48_000, 64
BRIDGE = 2 * PERIOD


class Port:
    """Takes what is written, at absolute samples; refuses what is out of order or out of the cycle, as JACK does."""

    def __init__(self, live: bool = False) -> None:
        self.now, self.last = 0, 0
        self.heard: list[tuple[int, int, int]] = []
        self.midi = MidiOut(RATE, live, self.write)

    def write(self, offset: int, message: bytes) -> None:
        """Take one message."""
        assert self.last <= offset < PERIOD
        self.last = offset
        self.heard.append((self.now + offset, message[0] & 0xF0, message[1]))

    def cycle(self, *messages: MidiMessage) -> None:
        """Run one cycle in which `messages` came in."""
        self.last = 0
        for message in messages:
            self.midi.take(message, self.now, BRIDGE)
        self.midi.write(self.now, PERIOD)
        self.now += PERIOD


def on(due: int, pitch: int = 60) -> MidiMessage:
    return MidiMessage(1, due, due, 0x90, pitch, 100)


def off(due: int, pitch: int = 60) -> MidiMessage:
    return MidiMessage(1, due, due, 0x80, pitch, 0)


def test_a_committed_event_leaves_a_bridge_after_it_was_due_in_whatever_cycle_it_came() -> None:
    for came_in in (0, 1, 2):
        port = Port()
        for _ in range(came_in):
            port.cycle()
        port.cycle(on(13))
        for _ in range(3):
            port.cycle()
        assert port.heard == [(13 + BRIDGE, 0x90, 60)]
        assert port.midi.late == 0


def test_an_event_whose_sample_has_passed_leaves_at_once_and_is_counted() -> None:
    port = Port()
    port.now = 10 * PERIOD
    port.cycle(on(13))
    assert port.heard == [(10 * PERIOD, 0x90, 60)]
    assert port.midi.late == 1


def test_a_note_that_is_a_fifth_of_a_second_late_does_not_start() -> None:
    port = Port()
    port.now = RATE
    port.cycle(on(13), off(20))
    assert port.heard == []
    assert port.midi.lost == 1


def test_live_notes_leave_at_once_and_keep_their_length() -> None:
    port = Port(live=True)
    port.now = 5 * PERIOD
    port.cycle(on(4 * PERIOD + 40), off(4 * PERIOD + 50))
    assert port.heard == [(5 * PERIOD, 0x90, 60), (5 * PERIOD + 10, 0x80, 60)]


def test_ending_all_forgets_what_waits_and_what_was_heard_before() -> None:
    port = Port()
    port.cycle(on(0))
    port.cycle(on(70, 61))
    port.cycle()
    assert port.midi.sounding == 1
    port.last = 0
    assert port.midi.end_all(port.now, heard_until=port.now) == 1
    port.cycle(on(port.now - 1, 62))
    port.cycle(on(port.now, 63))
    for _ in range(3):
        port.cycle()
    assert [(status, pitch) for _, status, pitch in port.heard] == [(0x90, 60), (0x80, 60), (0x90, 63)]


@given(st.lists(st.tuples(st.integers(0, 4000), st.booleans(), st.integers(60, 62)), max_size=60), st.booleans())
def test_whatever_comes_is_written_in_order_and_every_note_can_be_ended(
    events: list[tuple[int, bool, int]], live: bool
) -> None:
    port = Port(live)
    for due, starts, pitch in events:
        port.cycle((on if starts else off)(due, pitch))
    port.cycle()
    port.last = 0
    port.midi.end_all(port.now)
    sounding: set[int] = set()
    for _, status, pitch in port.heard:
        assert (pitch in sounding) == (status == 0x80)
        sounding ^= {pitch}
    assert not sounding


def test_the_clock_goes_on_by_a_block_and_over_the_turn_of_the_frame_clock() -> None:
    clock = SampleClock(RATE)
    first = FRAME_CLOCK_TURNS - 3 * PERIOD
    for i in range(6):
        assert clock.advance((first + i * PERIOD) % FRAME_CLOCK_TURNS, PERIOD, i * 1_333_333) == i * PERIOD


def test_skipped_cycles_count_and_jumps_that_are_not_time_do_not() -> None:
    clock = SampleClock(RATE)
    clock.advance(0, 256, 0)
    assert clock.advance(256 + 2304, 256, 53_333_000) == 256 + 2304  # 50 ms skipped, as measured
    assert clock.skipped == 2304
    assert clock.advance(2816 + 5888, 256, 65_000_000) == 2816  # jackd's own reset: 20 times too far
    assert clock.resets == 1


@pytest.mark.parametrize(
    ("states", "broke"),
    [
        ([(True, 0), (True, 64), (True, 128)], [False, False, False]),
        ([(False, 0), (False, 9000), (True, 9000)], [False, False, False]),
        ([(True, 0), (False, 64), (False, 64)], [False, True, False]),
        ([(True, 6400), (True, 0), (True, 64)], [False, True, False]),
        ([(True, 0), (True, 48_000), (True, 48_064)], [False, True, False]),
        ([(True, 0), (True, 640), (True, 704)], [False, False, False]),
    ],
    ids=["rolls", "stands", "stops", "loops", "jumps", "xrun"],
)
def test_a_transport_breaks_off_when_it_rolled_and_does_not_go_on(
    states: list[tuple[bool, int]], broke: list[bool]
) -> None:
    watch = TransportWatch(RATE)
    assert [watch.broke_off(rolling, frame, i * PERIOD) for i, (rolling, frame) in enumerate(states)] == broke


@given(st.lists(st.tuples(st.integers(1, 300), st.integers(-200, 400), st.integers(0, 90)), max_size=40))
def test_audio_leaves_at_its_sample_and_never_twice(blocks: list[tuple[int, int, int]]) -> None:
    port, now = AudioOut(), SIZE - 500  # so that the ring turns
    port.read(0, np.zeros(now, np.float32))
    expected = np.zeros(2 * SIZE, np.float32)
    heard = np.zeros(2 * SIZE, np.float32)
    for number, (size, ahead, skipped) in enumerate(blocks, 1):
        samples = np.full((1, size), float(number), np.float32)
        port.take(now + ahead, samples, now)
        expected[max(now, now + ahead) : max(now, now + ahead + size)] = number
        now += skipped
        port.read(now, heard[now : now + size])
        expected[now - skipped : now] = 0.0
        now += size
    assert np.array_equal(heard[:now], expected[:now])
