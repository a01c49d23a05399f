"""The ring that remembers a stream: whatever the clock does, what is read is what was taken down last."""

import os
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.events import NoteOff, NoteOn, PitchBend
from server import kept_take
from server.kept_take import KEPT_SECONDS, LONGEST_SILENCE_SECONDS, MOST_EVENTS, SLACK_SECONDS, KeptTake
from server.scheduler import Emission

RATE = 8000  # the lowest: rings that turn soon
SIZE = (KEPT_SECONDS + SLACK_SECONDS) * RATE


@pytest.fixture
def take() -> Iterator[KeptTake]:
    """An empty ring."""
    made = KeptTake.make(RATE)
    yield made
    made.close()


def ramp(first: int, count: int) -> np.ndarray:
    """Return samples that say which they are, (1, n)."""
    return np.arange(first, first + count, dtype=np.float32)[None]


def on(place: int, pitch: int = 60) -> Emission:
    return Emission(place + 500, place, NoteOn(place + 500, pitch, 90))


def off(place: int, pitch: int = 60) -> Emission:
    return Emission(place + 500, place, NoteOff(place + 500, pitch))


def test_what_is_read_is_the_end_of_what_was_heard(take):
    for start in range(0, 3 * RATE, 1000):
        take.hear(start, ramp(start, 1000))
    assert np.array_equal(take.read().samples, ramp(0, 3 * RATE))
    assert np.array_equal(take.read(1).samples, ramp(2 * RATE, RATE))
    assert np.array_equal(take.read(1, until=2 * RATE).samples, ramp(RATE, RATE))


def test_two_minutes_are_kept_and_the_memory_is_bounded(take):
    for start in range(0, 2 * SIZE, 8192):
        take.hear(start, ramp(start % 65_536, 8192))
    kept = take.read()
    assert kept.samples.shape == (1, KEPT_SECONDS * RATE)
    end = take.count
    assert np.array_equal(kept.samples[0, -8192:], ramp((end - 8192) % 65_536, 8192)[0])
    assert np.array_equal(take.read(200).samples, kept.samples)
    assert os.fstat(take.descriptor).st_size <= 64 + 16 * MOST_EVENTS + 4 * SIZE


@given(st.lists(st.tuples(st.integers(1, 900), st.integers(-500, 500)), min_size=1, max_size=30))
def test_holes_are_silent_and_repeats_are_heard_once(blocks):
    take, expected, clock = KeptTake.make(RATE), np.zeros(0, np.float32), 10_000
    for size, gap in blocks:
        start = clock + gap if expected.size else clock
        take.hear(start, ramp(start, size))
        if expected.size and gap > 0:
            expected = np.concatenate([expected, np.zeros(gap, np.float32)])
        fresh = ramp(start, size)[0, max(0, clock - start) :]
        expected = np.concatenate([expected, fresh])
        clock = max(clock, start + size)
    assert np.array_equal(take.read().samples[0], expected)
    take.close()


def test_a_jump_leaves_no_hole_and_events_keep_to_their_audio(take):
    take.hear(0, ramp(0, 1000))
    take.leave(on(500))
    take.leave(off(900))
    take.hear(10_000_000, ramp(5, 1000))
    take.leave(on(10_000_100))
    take.leave(off(10_000_200))
    take.hear(0, ramp(7, 1000))
    take.leave(on(50))
    take.leave(off(51))
    kept = take.read()
    assert kept.samples.shape == (1, 3000)
    assert [event.sample for event in kept.events] == [500, 900, 1100, 1200, 2050, 2051]
    take.hear(1000 + (LONGEST_SILENCE_SECONDS + 1) * RATE, ramp(0, 10))
    assert take.count == 3010


def test_no_note_hangs_over_an_edge_of_what_is_read(take):
    for start in range(0, 2 * RATE, 1000):
        take.hear(start, ramp(start, 1000))
    for emission in (
        on(100, 40),
        on(RATE - 10, 50),
        off(RATE + 10, 50),
        on(RATE + 20, 60),
        off(RATE + 30, 60),
        on(RATE + 40, 70),
    ):
        take.leave(emission)
    take.leave(Emission(0, RATE + 50, PitchBend(0, 77)))
    last = take.read(1).events
    assert last == [
        NoteOn(20, 60, 90),
        NoteOff(30, 60),
        NoteOn(40, 70, 90),
        PitchBend(50, 77),
        NoteOff(RATE, 70),
        PitchBend(RATE, 0),
    ]


def test_more_events_than_fit_lose_the_oldest(take, monkeypatch):
    monkeypatch.setattr(kept_take, "MOST_EVENTS", 10)
    take.hear(0, ramp(0, 1000))
    for place in range(100, 200, 4):
        take.leave(on(place))
        take.leave(off(place + 2))
    assert [event.sample for event in take.read().events] == list(range(180, 200, 2))


def test_another_writer_goes_on_where_the_first_one_stopped(take):
    take.hear(0, ramp(0, 1000))
    take.leave(on(500))
    second = take.resumed()
    second.hear(1200, ramp(1200, 800))
    second.leave(off(1300))
    kept = take.read()
    assert kept.samples.shape == (1, 2000)
    assert [event.sample for event in kept.events] == [500, 1300]


def test_the_tempo_told_last_goes_with_it(take):
    assert take.read().tempo_bpm == 0
    take.set_tempo(97.5)
    take.hear(0, ramp(0, 100))
    assert take.read().tempo_bpm == take.resumed().read().tempo_bpm == 97.5


def test_what_is_no_number_is_kept_as_what_was_heard_of_it(take):
    take.hear(0, np.array([[np.nan, np.inf, -np.inf, 0.5]], np.float32))
    assert take.read().samples.tolist() == [[0.0, 1.0, -1.0, 0.5]]


def test_stereo_is_mixed(take):
    take.hear(0, np.concatenate([ramp(0, 100), ramp(2, 100)]))
    assert np.array_equal(take.read().samples, ramp(1, 100))
