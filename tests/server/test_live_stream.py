"""The path of one stream where the host misbehaves: holes, jumps, repeats, odd starts."""

import numpy as np
import pytest

from models.block import Block, silence
from models.events import ControlChange, NoteOff, NoteOn
from models.stream import StreamSpec
from server.live_stream import LONGEST_GAP_SECONDS, LiveStream

RATE, HOP = 48_000, 128


class Listener:
    """A player that hears everything: it passes audio on, holds a note over each hop of sound, and keeps what came."""

    def __init__(self, kind="commit", look_ahead=0, channels_out=1):
        self.spec = StreamSpec(RATE, HOP, 1, channels_out, look_ahead, kind, live_delay=HOP if kind == "live" else 0)
        self.resets = 0
        self.heard, self.events, self.values = [], [], {}

    def process(self, block):
        self.heard.append(block.samples.copy())
        self.events += block.events
        loud = bool(np.abs(block.samples).max() > 0.5)
        notes = (NoteOn(block.start, 60, 100),) if loud else ()
        return Block(block.start - self.spec.look_ahead, block.samples[: self.spec.channels_out].copy(), notes)

    def flush(self):
        return Block(0, silence(1, 0))

    def reset(self):
        self.resets += 1
        self.heard.clear()

    def set(self, name, value):
        if name != "gain":
            raise KeyError(name)
        self.values[name] = value

    @property
    def audio(self):
        return np.concatenate(self.heard, axis=1)[0]


def ones(count):
    return np.ones((1, count), np.float32)


def test_a_short_hole_is_filled_with_silence_so_that_time_stays_right():
    player = Listener()
    stream = LiveStream(player, RATE)
    stream.process(0, ones(256))
    stream.process(256 + 1000, ones(256))
    assert stream.metrics.lost_samples == 1000
    assert player.audio[256:1256].max() == 0.0
    assert player.audio[1256:].min() == 1.0
    assert player.resets == 0
    assert stream.position == 1512


def test_a_hole_longer_than_a_block_of_the_largest_size_is_filled_too():
    player = Listener()
    stream = LiveStream(player, RATE)
    stream.process(0, ones(HOP))
    stream.process(HOP + 20_000, ones(HOP))
    assert stream.metrics.lost_samples == 20_000
    assert stream.position == 20_000 + 2 * HOP


@pytest.mark.parametrize("start", [10_000_000, 5])
def test_a_long_hole_or_a_jump_back_ends_the_notes_and_starts_again(start):
    player = Listener()
    stream = LiveStream(player, RATE)
    for block in range(0, 100_096, HOP):
        stream.process(block, ones(HOP))
    assert stream.ledger.sounding == 1
    outgoing = stream.process(start, np.zeros((1, 64), np.float32))
    assert [(e.due, e.event) for e in outgoing.emissions] == [(start, NoteOff(start, 60))]
    assert stream.ledger.sounding == 0
    assert player.resets == 1
    assert stream.metrics.restarts == 1
    assert stream.position == start + 64


def test_a_hole_of_exactly_the_longest_length_is_still_filled():
    stream = LiveStream(Listener(), RATE)
    stream.process(0, ones(HOP))
    stream.process(HOP + int(LONGEST_GAP_SECONDS * RATE), ones(HOP))
    assert stream.metrics.restarts == 0
    assert stream.metrics.lost_samples == LONGEST_GAP_SECONDS * RATE


def test_a_block_that_was_heard_before_is_not_heard_twice():
    player = Listener()
    stream = LiveStream(player, RATE)
    stream.process(0, ones(512))
    stream.process(256, 0.25 * ones(512))  # half of it is known already
    assert player.audio[:512].min() == 1.0
    assert (player.audio[512:] == 0.25).all()
    assert stream.position == 768


def test_a_stream_may_begin_anywhere_even_before_zero():
    for origin in (-1_000, 0, 7, 2**40):
        player = Listener()
        stream = LiveStream(player, RATE)
        emissions = stream.process(origin, ones(HOP)).emissions + stream.process(origin + HOP, 0 * ones(HOP)).emissions
        assert [e.place for e in emissions] == [origin]
        assert [e.due for e in emissions] == [origin + stream.declared]


def test_host_events_reach_the_processor_in_the_hop_that_holds_them():
    player = Listener()
    stream = LiveStream(player, RATE)
    stream.process(1000, ones(100), [NoteOn(1005, 60, 90), ControlChange(1099, 1, 5)])
    assert player.events == []
    stream.process(1100, ones(100), [NoteOff(1130, 60)])
    assert player.events == [NoteOn(5.0, 60, 90), ControlChange(99.0, 1, 5)]
    stream.process(1200, ones(100))
    assert player.events[2:] == [NoteOff(130.0, 60)]


def test_audio_leaves_after_the_declared_latency_and_is_silent_before():
    stream = LiveStream(Listener(look_ahead=10), RATE)
    audio = np.concatenate([stream.process(s, ones(64)).audio for s in range(0, 1024, 64)], axis=1)[0]
    assert stream.declared == HOP - 1 + 10
    assert not audio[: stream.declared].any()
    assert (audio[stream.declared :] == 1.0).all()


def test_audio_stays_in_step_for_longer_than_any_buffer_holds():
    stream = LiveStream(Listener(), RATE)
    audio = np.random.default_rng(0).uniform(-1, 1, (1, 5 * RATE)).astype(np.float32)
    out = np.concatenate(
        [stream.process(s, audio[:, s : s + 4001]).audio for s in range(0, audio.shape[1], 4001)], axis=1
    )
    assert np.array_equal(out[:, stream.declared :], audio[:, : -stream.declared])


def test_a_player_without_audio_out_gives_no_channels():
    stream = LiveStream(Listener(channels_out=0), RATE)
    assert stream.process(0, ones(300)).audio.shape == (0, 300)


def test_a_block_larger_than_any_host_uses_is_taken_whole():
    player = Listener()
    stream = LiveStream(player, RATE)
    stream.process(0, ones(50_000))
    assert player.audio.size == 50_000 // HOP * HOP


def test_a_new_origin_on_request_equals_a_new_stream():
    player = Listener()
    stream = LiveStream(player, RATE)
    stream.process(0, ones(1000))
    assert [e.event for e in stream.restart(50)] == [NoteOff(50, 60)]
    again = stream.process(50, ones(1000))
    fresh = LiveStream(Listener(), RATE).process(50, ones(1000))
    assert again.emissions == fresh.emissions
    assert np.array_equal(again.audio, fresh.audio)


def test_a_parameter_reaches_the_processor_and_an_unknown_one_is_refused():
    player = Listener()
    stream = LiveStream(player, RATE)
    stream.set("gain", 0.5)
    assert player.values == {"gain": 0.5}
    with pytest.raises(KeyError):
        stream.set("reverb", 1)


def test_finish_forgets_what_is_not_due_and_ends_what_sounds():
    stream = LiveStream(Listener(), RATE)
    stream.process(0, ones(256))
    stream.process(256, ones(128))
    assert stream.ledger.sounding == 1
    ends = stream.finish(300)
    assert [(e.place, e.event.pitch) for e in ends] == [(300, 60)]
    assert len(stream.scheduler) == 0
    assert stream.ledger.sounding == 0


def test_a_player_of_sound_does_not_ring_out_for_nobody_when_its_stream_ends():
    player = Listener(channels_out=1)
    player.flush = lambda: pytest.fail("the other streams of its engine would wait until it has rung out")
    stream = LiveStream(player, RATE)
    stream.process(0, ones(2 * HOP))
    assert stream.ledger.sounding == 1
    assert [emission.event for emission in stream.finish(300)] == [NoteOff(300, 60)]
    assert stream.ledger.sounding == 0


def test_a_player_of_notes_says_what_it_owes_when_its_stream_ends():
    player = Listener(channels_out=0)
    player.flush = lambda: Block(2 * HOP, silence(0, 0), (NoteOff(2 * HOP, 60, 7),))
    stream = LiveStream(player, RATE)
    stream.process(0, ones(2 * HOP))
    assert [emission.event for emission in stream.finish(300)] == [NoteOff(2 * HOP, 60, 7)]
