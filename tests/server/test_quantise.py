"""Notes on a grid: the laws that hold for whatever is played, and places that were worked out by hand."""

from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.block import Block, silence
from models.events import ControlChange, NoteOff, NoteOn, PitchBend, Transport, moved
from models.rhythm.grid import STEPS, Grid
from models.stream import StreamSpec
from server.live_stream import LiveStream
from server.midi.quantise import Quantiser
from server.run_file import run_stream
from server.scheduler import Emission

RATE = 48_000
LINE = 6000  # samples between lines of 1/16 at 120 bpm
LATENCY = 2000


def values(**given_values):
    return {
        "quantise": "1/16", "quantise_strength": 100.0, "swing": 50.0, "tempo_bpm": 120.0, "mpe": "off", **given_values
    }  # fmt: skip


def play(quantiser, events, latency=0, block=1024):
    """Return what leaves for events that are known when they are played and due `latency` later, as a stream does it."""
    left, last = [], max((e.sample for e in events), default=0) + latency + 10 * LINE
    queue = sorted(events, key=lambda e: e.sample)
    waiting = []
    for end in range(block, last, block):
        while queue and queue[0].sample < end:
            event = queue.pop(0)
            for emission in quantiser.take(Emission(event.sample + latency, event.sample, event)):
                assert emission.due >= end - block, "it would be late"
                waiting.append(emission)
        waiting += quantiser.due(end)
        left += [e for e in sorted(waiting, key=lambda e: (e.due, isinstance(e.event, NoteOn))) if e.due < end]
        waiting = [e for e in waiting if e.due >= end]
    assert not waiting
    return left


@st.composite
def performances(draw):
    """Notes of a few pitches, each ended before it is struck again, in time order, controllers between."""
    events, now = [], defaultdict(int)
    for _ in range(draw(st.integers(0, 12))):
        pitch = draw(st.integers(60, 62))
        start = now[pitch] + draw(st.integers(1, 9000))
        now[pitch] = end = start + draw(st.integers(1, 15_000))
        events += [NoteOn(start, pitch, 100), NoteOff(end, pitch)]
    events += [ControlChange(draw(st.integers(0, 90_000)), 64, 127), PitchBend(draw(st.integers(0, 90_000)), 5)]
    return sorted(events, key=lambda e: e.sample)


def number(low: float, high: float) -> st.SearchStrategy[float]:
    """Floats that are there even where ONNX Runtime has turned denormal ones off for the whole process."""
    return st.floats(low, high, allow_subnormal=False)


any_values = st.fixed_dictionaries(
    {"quantise": st.sampled_from(tuple(STEPS)), "quantise_strength": number(0, 100), "swing": number(50, 75),
     "tempo_bpm": number(60, 240)}
)  # fmt: skip


@given(performances(), any_values, st.sampled_from(("commit", "live")))
def test_no_note_is_lost_doubled_turned_round_or_without_length_and_none_leaves_too_soon(events, chosen, kind):
    quantiser = Quantiser(RATE, kind, chosen)
    latency = LATENCY + quantiser.reserve
    left = play(quantiser, events, latency)
    assert sorted(str(moved(e.event, 0)) for e in left) == sorted(str(moved(e, 0)) for e in events)
    assert all(e.due - e.place == latency for e in left)
    for pitch in (60, 61, 62):
        own = [e for e in left if getattr(e.event, "pitch", None) == pitch]
        assert [isinstance(e.event, NoteOn) for e in own] == [True, False] * (len(own) // 2)
        assert all(off.due > on.due for on, off in zip(own[::2], own[1::2], strict=True))
        assert all(a.due <= b.due for a, b in pairwise(own))
        for emission in own[::2] if kind == "live" else ():
            assert emission.place >= emission.event.sample
    others = [e for e in left if not hasattr(e.event, "pitch")]
    assert all(e.place == e.event.sample for e in others), "controllers stay where they were played"


@given(st.integers(0, 10**7), any_values, number(0, 1e5))
def test_the_nearest_line_is_a_line_and_none_is_nearer(sample, chosen, origin):
    step, swing = STEPS[chosen["quantise"]], chosen["swing"] / 100
    grid = Grid(60 * RATE / chosen["tempo_bpm"], step, origin, swing)
    pair = 2 * step * grid.quarter
    lines = origin + pair * (np.arange(-2, 3)[:, None] + round((sample - origin) / pair) + np.array((0.0, swing)))
    found = grid.nearest(sample)
    assert np.abs(lines - found).min() < 1e-3
    assert abs(abs(found - sample) - np.abs(lines - sample).min()) < 1e-3
    assert abs(found - sample) <= grid.furthest + 1e-3


@pytest.mark.parametrize(
    ("chosen", "kind", "played", "placed"),
    [
        ({}, "commit", (5800, 9000), (6000, 9200)),  # to its line, as long as before
        ({}, "commit", (6200, 9000), (6000, 8800)),
        ({"quantise_strength": 50.0}, "commit", (6200, 9000), (6100, 8900)),
        ({"quantise_strength": 0.0}, "commit", (6200, 9000), (6200, 9000)),
        ({"quantise": "off"}, "commit", (6200, 9000), (6200, 9000)),
        ({"swing": 75.0}, "commit", (8800, 9500), (9000, 9700)),  # the second line of two lies at three quarters
        ({"tempo_bpm": 60.0}, "commit", (11_000, 12_000), (12_000, 13_000)),
        ({"quantise": "1/8t"}, "commit", (7900, 8500), (8000, 8600)),
        ({}, "live", (5800, 9000), (6000, 9200)),  # it waits for its line
        ({}, "live", (6200, 9000), (6200, 9000)),  # and is late where it is late
    ],
)
def test_a_note_lies_where_it_should(chosen, kind, played, placed):
    quantiser = Quantiser(RATE, kind, values(**chosen))
    events = [NoteOn(played[0], 60, 100), NoteOff(played[1], 60)]
    left = play(quantiser, events, LATENCY + quantiser.reserve)
    assert [e.place for e in left] == list(placed)


def test_a_pitch_struck_again_cuts_the_note_that_was_moved_into_it():
    quantiser = Quantiser(RATE, "commit", values())
    events = [NoteOn(4000, 60, 100), NoteOff(11_900, 60), NoteOn(12_100, 60, 90), NoteOff(20_000, 60)]
    left = play(quantiser, events, LATENCY + quantiser.reserve)
    assert [(e.place, type(e.event)) for e in left] == [
        (6000, NoteOn), (12_000, NoteOff), (12_000, NoteOn), (19_900, NoteOff)
    ]  # fmt: skip


def test_two_strokes_at_one_line_keep_a_length_between_them():
    quantiser = Quantiser(RATE, "commit", values())
    events = [NoteOn(5000, 60, 100), NoteOff(5900, 60), NoteOn(6000, 60, 90), NoteOff(9000, 60)]
    left = play(quantiser, events, LATENCY + quantiser.reserve)
    assert [e.place for e in left] == [6000, 6480, 6480, 9480], "a hundredth of a second is left of the first"


def test_the_lines_are_the_hosts_while_its_transport_rolls():
    quantiser = Quantiser(RATE, "commit", values())

    def placed(sample):
        return quantiser.take(Emission(sample + quantiser.reserve, sample, NoteOn(sample, 60, 100)))[0].place

    quantiser.follow(Transport(1000, True, 777_000, tempo_bpm=240.0, position=5.0))
    assert placed(1100) == 1000
    assert placed(1000 + 3000 + 400) == 1000 + 3000
    quantiser.follow(Transport(9000, False, 777_000, tempo_bpm=240.0, position=5.0))
    assert placed(9100) == 9100, "a host that stands has no beat"
    quantiser.follow(Transport(20_000, True, 0))
    assert placed(24_100) == 24_000, "one without a tempo leaves it to the stream's own"


class Drummer:
    """A player of the hop's own time: every click, a sample of 1, is a note of 50 ms there."""

    def __init__(self, kind="commit"):
        self.spec = StreamSpec(RATE, 128, 1, 1, 0, kind)

    def process(self, block):
        events = []
        for index in np.flatnonzero(block.samples[0]):
            place = block.start + int(index) if self.spec.kind == "commit" else block.end - 1
            events += [NoteOn(place, 60, 100), NoteOff(place + 2400, 60)]
        return Block(block.start, block.samples.copy(), tuple(events))

    def flush(self):
        return Block(0, silence(1, 0))

    def reset(self):
        pass

    def set(self, name, value):
        raise KeyError(name)


CLICKS = (300, 5800, 12_400, 17_000, 25_000)


def clicks():
    samples = silence(1, 30_000)
    samples[0, list(CLICKS)] = 1.0
    return samples


@pytest.mark.parametrize("block", [64, 1000, 4096])
def test_a_stream_declares_what_moving_back_needs_and_keeps_to_it(block):
    stream = LiveStream(Drummer(), RATE, values())
    assert stream.latency.quantise == LINE // 2
    assert stream.declared == 127 + LINE // 2
    take = run_stream(stream, clicks(), block=block)
    onsets = [e for e, _ in take.emissions if isinstance(e.event, NoteOn)]
    assert [e.place for e in onsets] == [0, 6000, 12_000, 18_000, 24_000]
    assert {e.due - e.place for e, _ in take.emissions} == {stream.declared}
    assert stream.scheduler.late == 0
    assert list(np.flatnonzero(take.audio[0])) == list(CLICKS), "audio is as late as the notes, and is not moved"


def test_a_live_stream_declares_nothing_and_loses_no_note_at_the_files_end():
    stream = LiveStream(Drummer("live"), RATE, values(quantise="1/4"))
    assert stream.declared == 0
    take = run_stream(stream, clicks())
    onsets = [e.due for e, _ in take.emissions if isinstance(e.event, NoteOn)]
    assert len(onsets) == len(CLICKS)
    assert 24_000 in onsets
    assert all(due >= click for due, click in zip(onsets, CLICKS, strict=True))


def test_strength_swing_and_tempo_change_while_a_stream_runs_and_the_grid_itself_does_not():
    stream = LiveStream(Drummer(), RATE, values())
    stream.process(0, silence(1, 256))
    stream.set("quantise_strength", 0.0)
    samples = silence(1, 1024)
    samples[0, 500] = 1.0
    outgoing = stream.process(256, samples).emissions + stream.process(1280, silence(1, 2 * LINE)).emissions
    assert [e.place for e in outgoing] == [756, 756 + 2400]
    with pytest.raises(KeyError):
        stream.set("quantise", "1/8")


def test_a_break_in_the_transport_leaves_no_moved_note_behind():
    stream = LiveStream(Drummer(), RATE, values(quantise="1/4"))
    rolling = Transport(0, True, 0, tempo_bpm=120.0)
    samples = silence(1, 13_000)
    samples[0, 12_900] = 1.0  # would go to 24,000
    stream.process(0, samples, (rolling,))
    heard = stream.process(13_000, silence(1, 1000), (Transport(13_200, True, 90_000, tempo_bpm=120.0),)).emissions
    heard += stream.process(14_000, silence(1, 40_000)).emissions
    assert heard == []
    assert stream.ledger.sounding == 0
