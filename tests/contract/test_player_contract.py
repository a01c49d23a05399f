"""The one contract that every player keeps, over torch and over ONNX Runtime (models/stream.py says it in words)."""

import gc
import tracemalloc
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from exporters.parity import check_parity
from models.block import Block
from models.events import NoteOff, NoteOn, Transport
from models.step import Step, Tensors
from server.live_stream import LiveStream
from server.scheduler import Emission

OFFLINE = 8192
UGLY_BLOCKS = (1, 63, 441, 8193, (1, 1000, 17, 256, 8192, 3))
STORM = 110
"""Note-ons a second that no port wants: above what the probe's 10 ms of rest allow, and thrice what a pianist plays."""


class WatchedStep:
    """A step that looks at every output and every state that passes."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self.calls = 0

    def initial_state(self) -> Tensors:
        return self._step.initial_state()

    def __call__(self, inputs: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        outputs, new = self._step(inputs, state)
        self.calls += 1
        for name, array in (*outputs.items(), *new.items()):
            assert np.isfinite(array).all(), f"'{name}' is not finite in call {self.calls}"
        return outputs, new


@pytest.fixture
def make_stream(player, make_step) -> Callable[..., LiveStream]:
    """A function (kind='commit', rate=None) -> a new stream of the player; without a rate, at the model's own."""

    def make(kind: str = "commit", rate: int | None = None) -> LiveStream:
        return LiveStream(player.open(make_step(), kind), rate or player.manifest.sample_rate)

    return make


@pytest.fixture
def music(player, strokes) -> np.ndarray:
    """Most of a second of strokes with clicks between, at the model's rate, (1, n): every player has something to say."""
    return with_clicks(strokes(player.manifest.sample_rate, 0.72))


def with_clicks(audio: np.ndarray) -> np.ndarray:
    clicked = audio.copy()
    clicked[0, 777::4001] = 0.95
    return clicked


def notes_of(emissions: list[Emission]) -> list[Emission]:
    return [emission for emission in emissions if isinstance(emission.event, NoteOn)]


def hanging(emissions: list[Emission]) -> Counter[tuple[int, int]]:
    """Return how often each (channel, pitch) was started less how often it was ended; nothing where all is well."""
    open_notes: Counter[tuple[int, int]] = Counter()
    for emission in emissions:
        event = emission.event
        if isinstance(event, NoteOn | NoteOff):
            key = (event.channel, event.pitch)
            open_notes[key] += 1 if isinstance(event, NoteOn) else -1
            assert open_notes[key] in (0, 1), f"{event} doubles a note or ends none"
    return +open_notes


@pytest.mark.parametrize("kind", ["commit", "live"])
@pytest.mark.parametrize("block", UGLY_BLOCKS, ids=str)
def test_streamed_equals_offline_to_the_bit(make_stream, feed, music, block, kind):
    offline = feed(make_stream(kind), music, OFFLINE)
    streamed = feed(make_stream(kind), music, block)
    assert notes_of(offline.emissions), "the signal gives nothing to compare"
    assert streamed.emissions == offline.emissions
    assert np.array_equal(streamed.audio, offline.audio)


@pytest.mark.parametrize("block", [1, 441, (1000, 37)], ids=str)
def test_streamed_equals_offline_through_the_resampler(make_stream, feed, player, strokes, block):
    rate = 44_100
    audio = with_clicks(strokes(rate, 0.3, seed=5))
    offline = feed(make_stream(rate=rate), audio, OFFLINE)
    streamed = feed(make_stream(rate=rate), audio, block)
    assert streamed.emissions == offline.emissions
    assert np.array_equal(streamed.audio, offline.audio)


@pytest.mark.parametrize("kind", ["commit", "live"])
@pytest.mark.parametrize("changed_after", [0.31, 0.5004])
def test_what_has_left_does_not_depend_on_what_comes_later(make_stream, feed, music, noise, changed_after, kind):
    split = round(changed_after * music.shape[1])
    other = music.copy()
    other[:, split:] = noise(music.shape[1] - split, seed=9, level=0.3)
    first, second = feed(make_stream(kind), music, 64), feed(make_stream(kind), other, 64)
    # An event due at sample d has heard the samples before d and d itself.
    assert [e for e in first.emissions if e.due < split] == [e for e in second.emissions if e.due < split]
    assert np.array_equal(first.audio[:, :split], second.audio[:, :split])
    assert first.emissions != second.emissions, "the change was not heard at all"


@pytest.mark.parametrize("block", [63, 8192])
def test_a_committed_event_leaves_at_its_place_plus_the_declared_latency(make_stream, feed, music, block):
    stream = make_stream("commit")
    heard = feed(stream, music, block, finish=False)
    assert {e.due - e.place for e in heard.emissions} == {stream.declared}
    assert stream.scheduler.late == 0, "the declared latency was too short"


@pytest.mark.parametrize("block", [63, 8192])
def test_a_live_event_leaves_when_it_is_known_and_is_placed_by_one_constant(make_stream, feed, music, block):
    stream = make_stream("live")
    heard = feed(stream, music, block, finish=False)
    assert stream.declared == 0
    assert {e.due - e.place for e in heard.emissions} == {stream.live_delay}
    assert stream.scheduler.late == 0


@pytest.mark.parametrize("kind", ["commit", "live"])
def test_events_leave_in_order_and_inside_their_block(make_stream, feed, music, kind):
    heard = feed(make_stream(kind), music, 441, finish=False)
    dues = [e.due for e in heard.emissions]
    assert dues == sorted(dues)
    assert all(end - 441 <= due < end for due, end in zip(dues, heard.block_ends, strict=True))


@pytest.mark.parametrize("kind", ["commit", "live"])
def test_every_note_on_is_ended_once_after_the_stream_has_ended(make_stream, feed, music, kind):
    for length in (music.shape[1], music.shape[1] // 2 + 1, music.shape[1] // 3):
        heard = feed(make_stream(kind), music[:, :length], 256)
        assert not hanging(heard.emissions)


def test_a_processor_owes_its_note_offs_to_flush(player, make_step, music):
    processor, hop = player.open(make_step()), player.manifest.hop
    events = []
    for start in range(0, music.shape[1] - hop, hop):
        events += processor.process(Block(start, music[:, start : start + hop])).events
    events += processor.flush().events
    balance: Counter[int] = Counter()
    for event in events:
        if isinstance(event, NoteOn | NoteOff):
            balance[event.pitch] += 1 if isinstance(event, NoteOn) else -1
    assert all(count <= 0 for count in balance.values()), f"hanging: {+balance}"


def test_a_processor_never_places_an_event_before_what_it_declared(player, make_step, music):
    processor, hop = player.open(make_step()), player.manifest.hop
    for start in range(0, music.shape[1] - hop, hop):
        result = processor.process(Block(start, music[:, start : start + hop]))
        places = [event.sample for event in result.events]
        assert places == sorted(places)
        # Half a sample: an onset between two samples is rounded to the nearer one by the host's side.
        assert all(place >= start + hop - 1 - processor.spec.earliest - 0.5 for place in places)


def test_reset_equals_a_new_processor(make_stream, feed, music, noise):
    used = make_stream()
    feed(used, noise(5001, level=0.5), 333)
    used.restart(0)
    again, fresh = feed(used, music, 441), feed(make_stream(), music, 441)
    assert again.emissions == fresh.emissions
    assert np.array_equal(again.audio, fresh.audio)


def test_two_streams_of_one_model_do_not_hear_each_other(make_stream, music, noise, feed):
    alone = feed(make_stream(), music, 512)
    one, other, emissions = make_stream(), make_stream(), []
    for start in range(0, music.shape[1], 512):
        emissions += one.process(start, music[:, start : start + 512]).emissions
        other.process(start, noise(min(512, music.shape[1] - start), seed=start))
    assert emissions + one.finish(music.shape[1]) == alone.emissions


HARD_SIGNALS = {
    "silence": lambda count: np.zeros(count),
    "nan": lambda count: np.full(count, np.nan),
    "infinity": lambda count: np.full(count, np.inf),
    "minus infinity and nan": lambda count: np.where(np.arange(count) % 3, -np.inf, np.nan),
    "full scale square": lambda count: np.sign(np.sin(np.arange(count) * 0.05) + 1e-9),
    "full scale noise": lambda count: np.random.default_rng(2).uniform(-1, 1, count),
    "far over full scale": lambda count: 1e30 * np.sin(np.arange(count) * 0.1),
    "denormal": lambda count: np.full(count, 1e-40),
}


@pytest.mark.parametrize("signal", HARD_SIGNALS)
def test_no_signal_makes_the_state_infinite_or_the_notes_a_storm(player, make_step, feed, music, signal):
    watched, rate = WatchedStep(make_step()), player.manifest.sample_rate
    stream = LiveStream(player.open(watched), rate)
    hard = HARD_SIGNALS[signal](3 * rate // 2)[None].astype(np.float32)
    heard = feed(stream, hard, 1000)
    assert watched.calls > rate // player.manifest.hop
    assert np.isfinite(heard.audio).all()
    assert not hanging(heard.emissions)
    if player.trained:
        assert len(notes_of(heard.emissions)) < 1.5 * STORM
        if signal in ("silence", "nan", "denormal"):
            assert not heard.emissions, "silence has no notes"
    # It plays on afterwards: the state was not poisoned.
    after = 3 * rate // 2
    for start in range(0, music.shape[1], 512):
        for emission in stream.process(after + start, music[:, start : start + 512]).emissions:
            assert emission.due >= after
    assert stream.scheduler.late == 0


def test_a_transport_that_goes_on_disturbs_no_player(make_stream, feed, music, player):
    rate = player.manifest.sample_rate
    told = [Transport(place, True, place - 99, 120.0, place / rate * 2) for place in (0, 3000, rate // 2)]
    assert feed(make_stream(), music, 441, told).emissions == feed(make_stream(), music, 441).emissions


def test_a_transport_that_stops_ends_the_notes_of_every_player_and_it_plays_on(make_stream, feed, music, player):
    rate = player.manifest.sample_rate
    stop = [Transport(0, True, 0), Transport(rate // 2, False, rate // 2)]
    heard = feed(make_stream("live"), music, 441, stop)
    assert not hanging(heard.emissions)
    assert not hanging([emission for emission in heard.emissions if emission.due <= rate // 2])
    assert any(emission.due > rate // 2 for emission in notes_of(heard.emissions))


def test_torch_and_onnx_agree_over_many_hops(player, network):
    difference = check_parity(network, player.path, player.manifest.graphs[0])
    assert difference < 1e-3  # measured: probe 0, untrained transcriber 2.2e-4, whose heads are steep


def test_memory_does_not_grow_with_the_length_of_the_stream(make_stream, noise):
    stream = make_stream()
    block = noise(512)

    def run(blocks: int) -> int:
        for _ in range(blocks):
            stream.process(stream.position, block)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    run(20)
    tracemalloc.start()
    try:
        before, after = run(50), run(250)
    finally:
        tracemalloc.stop()
    assert after - before < 20_000  # bytes over 250 blocks; measured 1 to 3 kB, of tracemalloc itself
