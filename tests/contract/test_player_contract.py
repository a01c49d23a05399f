"""The one contract that every player keeps, over torch and over ONNX Runtime (models/stream.py says it in words)."""

import gc
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np
import pytest

from exporters.parity import check_parity
from models.block import Block
from models.events import ControlChange, Event, NoteOff, NoteOn, PitchBend, Transport
from models.manifest import ManifestError
from models.step import Step, Tensors
from models.stream import StreamProcessor
from server.live_stream import LiveStream
from server.onnx_step import OnnxStep, open_session
from server.scheduler import Emission

OFFLINE = 8192
UGLY_BLOCKS = (1, 63, 441, 8193, (1, 1000, 17, 256, 8192, 3))
EDGE = 8  # samples: a sound that is drawn in frames begins at the edge of a window, as nothing
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


def watch(steps: Mapping[str, Step]) -> dict[str, WatchedStep]:
    return {name: WatchedStep(step) for name, step in steps.items()}


@pytest.fixture
def make_stream(player, make_steps) -> Callable[..., LiveStream]:
    """A function (kind='commit', rate=None) -> a new stream of the player; without a rate, at the model's own."""

    def make(kind: str = "commit", rate: int | None = None) -> LiveStream:
        return LiveStream(player.open(make_steps(), kind), rate or player.manifest.sample_rate)

    return make


@pytest.fixture
def music(compose):
    """Most of a second of what the player eats, at its own rate."""
    return compose(0.72)


@pytest.fixture
def hear(feed) -> Callable:
    """A function (stream, music, block, more=(), finish=True) -> what came out; `more` are events of the host's beside the music's."""

    def run(stream, music, block, more=(), finish=True):
        return feed(stream, music.samples, block, [*more, *music.events], finish=finish)

    return run


def blocks_of(processor: StreamProcessor, music) -> Iterator[Block]:
    """Yield the hops of the music."""
    hop = processor.spec.hop
    for start in range(0, music.samples.shape[1] - hop, hop):
        events = tuple(event for event in music.events if start <= event.sample < start + hop)
        yield Block(start, music.samples[: processor.spec.channels_in, start : start + hop], events)


def assert_it_says_something(player, heard) -> None:
    assert "writer" not in player.roles or notes_of(heard.emissions), "the music gives no notes to compare"
    assert "sounder" not in player.roles or heard.audio.any(), "the music gives no audio to compare"


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
def test_streamed_equals_offline_to_the_bit(make_stream, hear, music, block, kind, player):
    offline = hear(make_stream(kind), music, OFFLINE)
    streamed = hear(make_stream(kind), music, block)
    assert_it_says_something(player, offline)
    assert streamed.emissions == offline.emissions
    assert np.array_equal(streamed.audio, offline.audio)


@pytest.mark.parametrize("block", [1, 441, (1000, 37)], ids=str)
def test_streamed_equals_offline_through_the_resampler(make_stream, hear, compose, block):
    rate = 44_100
    music = compose(0.3, seed=5, rate=rate)
    offline = hear(make_stream(rate=rate), music, OFFLINE)
    streamed = hear(make_stream(rate=rate), music, block)
    assert streamed.emissions == offline.emissions
    assert np.array_equal(streamed.audio, offline.audio)


@pytest.mark.parametrize("kind", ["commit", "live"])
@pytest.mark.parametrize("changed_after", [0.31, 0.5004])
def test_what_has_left_does_not_depend_on_what_comes_later(
    make_stream, hear, music, noise, compose, changed_after, kind, player
):
    length = music.samples.shape[1]
    split, another = round(changed_after * length), compose(0.72, seed=9)
    if "listener" in player.roles:
        another = replace(another, samples=noise(length, seed=9, level=0.3))
    first, second = hear(make_stream(kind), music, 64), hear(make_stream(kind), music.then(split, another), 64)
    # An event due at sample d has heard the samples before d and d itself.
    assert [e for e in first.emissions if e.due < split] == [e for e in second.emissions if e.due < split]
    assert np.array_equal(first.audio[:, :split], second.audio[:, :split])
    assert "writer" not in player.roles or first.emissions != second.emissions, "the change was not heard at all"
    assert "sounder" not in player.roles or not np.array_equal(first.audio, second.audio), "the change did not sound"


@pytest.mark.parametrize("block", [63, 8192])
def test_a_committed_event_leaves_at_its_place_plus_the_declared_latency(make_stream, hear, music, block, writer):
    stream = make_stream("commit")
    heard = hear(stream, music, block, finish=False)
    assert {e.due - e.place for e in heard.emissions} == {stream.declared}
    assert stream.scheduler.late == 0, "the declared latency was too short"


@pytest.mark.parametrize("block", [63, 8192])
def test_a_live_event_leaves_when_it_is_known_and_is_placed_by_one_constant(make_stream, hear, music, block, writer):
    stream = make_stream("live")
    heard = hear(stream, music, block, finish=False)
    assert stream.declared == 0
    assert {e.due - e.place for e in heard.emissions} == {stream.live_delay}
    assert stream.scheduler.late == 0


@pytest.mark.parametrize("kind", ["commit", "live"])
def test_a_note_sounds_in_its_hop_plus_what_audio_declares_and_nothing_before(make_stream, feed, instrument, kind):
    hop = instrument.manifest.hop
    for place in (20 * hop, 20 * hop + 1, 21 * hop - 1, 20 * hop + hop // 3):
        stream = make_stream(kind)
        late = stream.latency.total
        assert stream.declared in (late, 0 if "writer" in instrument.roles else late)
        silence = np.zeros((1, place + late + 4 * hop), np.float32)
        heard = feed(stream, silence, 441, [NoteOn(place, 67, 90)])
        first = int(np.flatnonzero(np.abs(heard.audio[0]) > 1e-9)[0])  # the probe's sinc leaves 1e-17 beside itself
        assert place - hop < first - late <= place + EDGE


def test_who_is_told_nothing_gives_exactly_nothing(make_stream, feed, sounder):
    heard = feed(make_stream(), np.zeros((1, sounder.manifest.sample_rate // 2), np.float32), 1000)
    assert heard.audio.shape[1]
    assert not heard.audio.any()


@pytest.mark.parametrize("kind", ["commit", "live"])
def test_events_leave_in_order_and_inside_their_block(make_stream, hear, music, kind, writer):
    heard = hear(make_stream(kind), music, 441, finish=False)
    dues = [e.due for e in heard.emissions]
    assert dues == sorted(dues)
    assert all(end - 441 <= due < end for due, end in zip(dues, heard.block_ends, strict=True))


@pytest.mark.parametrize("kind", ["commit", "live"])
def test_every_note_on_is_ended_once_after_the_stream_has_ended(make_stream, hear, music, kind, writer):
    length = music.samples.shape[1]
    for part in (length, length // 2 + 1, length // 3):
        heard = hear(make_stream(kind), music.until(part), 256)
        assert not hanging(heard.emissions)


def test_a_processor_owes_its_note_offs_to_flush(player, make_steps, music, writer):
    processor = player.open(make_steps())
    events = [event for block in blocks_of(processor, music) for event in processor.process(block).events]
    events += processor.flush().events
    balance: Counter[int] = Counter()
    for event in events:
        if isinstance(event, NoteOn | NoteOff):
            balance[event.pitch] += 1 if isinstance(event, NoteOn) else -1
    assert all(count <= 0 for count in balance.values()), f"hanging: {+balance}"


def test_a_processor_owes_what_rings_to_flush(player, make_steps, music, sounder):
    processor, given = player.open(make_steps()), []
    for block in blocks_of(processor, music):
        given.append(processor.process(block))
    owed = processor.flush()
    assert np.isfinite(owed.samples).all()
    if owed.samples.shape[1]:
        assert owed.start == given[-1].end
        loudest = max(np.abs(block.samples).max() for block in (*given, owed))
        assert np.abs(owed.samples[:, -player.manifest.hop :]).max() < 1e-3 * loudest, "it breaks off"


def test_a_processor_never_places_an_event_before_what_it_declared(player, make_steps, music, writer):
    processor = player.open(make_steps())
    for block in blocks_of(processor, music):
        places = [event.sample for event in processor.process(block).events]
        assert places == sorted(places)
        # Half a sample: an onset between two samples is rounded to the nearer one by the host's side.
        assert all(place >= block.end - 1 - processor.spec.earliest - 0.5 for place in places)


def test_a_processor_gives_a_hop_of_audio_for_every_hop_at_its_place(player, make_steps, music, sounder):
    processor = player.open(make_steps())
    shows = any(port.kind == "magnitude" for port in player.manifest.outputs)
    for block in blocks_of(processor, music):
        given = processor.process(block)
        assert given.start == block.start - processor.spec.look_ahead
        assert given.samples.shape == (processor.spec.channels_out, processor.spec.hop)
        assert given.samples.dtype == np.float32
        assert (given.magnitude is not None) == shows
        if given.magnitude is not None:
            assert given.magnitude.dtype == np.float32
            assert processor.spec.hop % len(given.magnitude) == 0
            assert np.isfinite(given.magnitude).all()
            assert (given.magnitude >= 0).all()


def test_reset_equals_a_new_processor(make_stream, hear, music, noise, compose, player):
    used = make_stream()
    hear(used, replace(compose(0.3, seed=4), samples=noise(5001, level=0.5)), 333)
    used.restart(0)
    again, fresh = hear(used, music, 441), hear(make_stream(), music, 441)
    assert_it_says_something(player, fresh)
    assert again.emissions == fresh.emissions
    assert np.array_equal(again.audio, fresh.audio)


def test_two_streams_of_one_model_do_not_hear_each_other(make_stream, music, noise, hear, compose):
    alone = hear(make_stream(), music, 512)
    one, other, emissions, audio = make_stream(), make_stream(), [], []
    length, others = music.samples.shape[1], compose(0.72, seed=8).events
    for start in range(0, length, 512):
        inside = [[e for e in events if start <= e.sample < start + 512] for events in (music.events, others)]
        outgoing = one.process(start, music.samples[:, start : start + 512], inside[0])
        emissions += outgoing.emissions
        audio.append(outgoing.audio)
        other.process(start, noise(min(512, length - start), seed=start), inside[1])
    assert emissions + one.finish(length) == alone.emissions
    assert np.array_equal(np.concatenate(audio, axis=1), alone.audio)


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
def test_no_signal_makes_the_state_infinite_or_the_notes_a_storm(player, make_steps, feed, music, signal, listener):
    watched, rate = watch(make_steps()), player.manifest.sample_rate
    stream = LiveStream(player.open(watched), rate)
    hard = HARD_SIGNALS[signal](3 * rate // 2)[None].astype(np.float32)
    heard = feed(stream, hard, 1000)
    if any(graph.clock == "hop" for graph in player.manifest.graphs):
        assert max(step.calls for step in watched.values()) > rate // player.manifest.hop
    assert np.isfinite(heard.audio).all()
    assert not hanging(heard.emissions)
    if player.trained:
        assert len(notes_of(heard.emissions)) < 1.5 * STORM
        if signal in ("silence", "nan", "denormal"):
            assert not heard.emissions, "silence has no notes"
    # It plays on afterwards: the state was not poisoned.
    after = 3 * rate // 2
    for start in range(0, music.samples.shape[1], 512):
        for emission in stream.process(after + start, music.samples[:, start : start + 512]).emissions:
            assert emission.due >= after
    assert stream.scheduler.late == 0


EVERY_KEY = [(channel, pitch) for channel in range(16) for pitch in range(128)]
STORMS: dict[str, Callable[[], list[Event]]] = {
    "every key at once": lambda: [NoteOn(700, pitch, 127, channel) for channel, pitch in EVERY_KEY],
    "a note a sample, none ended": lambda: [NoteOn(place, place % 128, 1 + place % 127) for place in range(3000)],
    "ends without starts": lambda: [NoteOff(3 * i, pitch, 0, channel) for i, (channel, pitch) in enumerate(EVERY_KEY)],
    "started and ended at once": lambda: [
        kind(place, 60 + place % 3, 100) for place in range(0, 5000, 7) for kind in (NoteOn, NoteOff)
    ],
    "one key again and again": lambda: [NoteOn(place, 60, 127) for place in range(0, 5000, 3)],
    "wheels and pedals": lambda: [
        NoteOn(10, 60, 90),
        *(PitchBend(place, (-8192, 8191)[place % 2]) for place in range(11, 5000, 3)),
        *(ControlChange(place, (1, 11, 64)[place % 3], 127 * (place // 3 % 2)) for place in range(11, 5000)),
    ],
}  # fmt: skip


@pytest.mark.parametrize("storm", STORMS)
def test_no_storm_of_notes_makes_the_state_infinite_or_the_player_deaf(
    player, make_steps, feed, compose, storm, instrument
):
    watched, rate = watch(make_steps()), player.manifest.sample_rate
    stream, length = LiveStream(player.open(watched, "live"), rate), rate // 3
    heard = feed(stream, np.zeros((1, length), np.float32), 1000, STORMS[storm](), finish=False)
    assert np.isfinite(heard.audio).all()
    # It plays on afterwards.
    after = stream.process(length, np.zeros((1, length), np.float32), [NoteOn(length + 99, 70, 90)])
    assert np.isfinite(after.audio).all()
    assert after.audio.any()


def test_no_parameter_takes_what_is_no_number_and_none_breaks_the_state_at_its_ends(player, make_steps, hear, music):
    watched = watch(make_steps())
    stream = LiveStream(player.open(watched), player.manifest.sample_rate)
    numbers = [p for p in player.manifest.parameters if not p.choices and not p.text]
    for parameter in numbers:
        for wrong in ("nan", float("nan"), "loud", float("inf") if parameter.maximum is not None else "nan"):
            with pytest.raises(ManifestError, match=parameter.name):
                parameter.parse(wrong)
    for end in ("minimum", "maximum"):
        for parameter in numbers:
            if not parameter.fixed and getattr(parameter, end) is not None:
                stream.set(parameter.name, getattr(parameter, end))
        assert np.isfinite(hear(stream, music, 441, finish=False).audio).all()
        stream.restart(0)


@pytest.mark.parametrize("playing", [True, False])
def test_a_transport_that_goes_on_or_stands_still_disturbs_no_player(
    make_stream, hear, music, player, playing, bystander
):
    rate = player.manifest.sample_rate
    places = (0, 3000, rate // 2)
    told = [Transport(n, playing, n - 99 if playing else -99, 120.0, n / rate * 2 if playing else 0.0) for n in places]
    disturbed, alone = hear(make_stream(), music, 441, told), hear(make_stream(), music, 441)
    assert disturbed.emissions == alone.emissions
    assert np.array_equal(disturbed.audio, alone.audio)


def test_a_transport_that_stops_ends_the_notes_of_every_player_and_it_plays_on(
    make_stream, hear, music, player, writer, bystander
):
    rate = player.manifest.sample_rate
    stop = [Transport(0, True, 0), Transport(rate // 2, False, rate // 2)]
    heard = hear(make_stream("live"), music, 441, stop)
    assert not hanging(heard.emissions)
    assert not hanging([emission for emission in heard.emissions if emission.due <= rate // 2])
    assert any(emission.due > rate // 2 for emission in notes_of(heard.emissions))


def test_a_transport_that_stops_sounds_as_if_every_key_were_let_go(make_stream, hear, music, player, instrument):
    rate = player.manifest.sample_rate
    stop, late = [Transport(0, True, 0), Transport(rate // 2, False, rate // 2)], [NoteOn(rate // 2 + 77, 70, 90)]
    held = replace(music, events=tuple(e for e in music.events if e.sample < rate // 2 and isinstance(e, NoteOn)))
    ends = [NoteOff(rate // 2, note.pitch, 0, note.channel) for note in held.events]
    stopped, let_go = (hear(make_stream("live"), held, 441, [*told, *late]) for told in (stop, ends))
    assert let_go.audio[:, rate // 2 :].any()
    assert np.array_equal(stopped.audio, let_go.audio)


def test_torch_and_onnx_agree_over_many_hops(player, network):
    difference = check_parity(network, player.path, player.manifest.graphs[0])
    assert difference < 1e-3  # measured: probe 0, untrained transcriber 2.2e-4, whose heads are steep


def test_torch_and_onnx_play_the_same(player, network, torch_step, music, sounder):
    graph = player.manifest.graphs[0]
    steps = OnnxStep(open_session(player.path), graph), torch_step(network, tuple(t.name for t in graph.inputs))
    played = []
    for step in steps:
        processor = player.open({graph.name: step})
        played.append(np.concatenate([processor.process(b).samples for b in blocks_of(processor, music)], axis=1))
    assert np.abs(played[0]).max() > 0
    assert np.abs(played[0] - played[1]).max() < 1e-3 * np.abs(played[0]).max()


def test_memory_does_not_grow_with_the_length_of_the_stream(make_stream, noise, player):
    stream = make_stream()
    block = noise(512)

    def run(blocks: int) -> int:
        for number in range(blocks):
            begin, key = stream.position, 48 + number % 40
            events = [NoteOn(begin + 5, key, 90), ControlChange(begin + 9, 11, number % 128), NoteOff(begin + 300, key)]
            stream.process(begin, block, events if "reader" in player.roles else ())
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    run(60)
    tracemalloc.start()
    try:
        before, after = run(50), run(250)
    finally:
        tracemalloc.stop()
    assert after - before < 20_000  # bytes over 250 blocks; measured 1 to 3 kB, of tracemalloc itself
