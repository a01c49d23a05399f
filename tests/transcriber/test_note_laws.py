"""Whatever the activations, the tracker's notes keep the laws of a keyboard, and the voice's those of a listener."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.events import NoteOff, NoteOn, time_order
from models.transcriber.config import PITCHES, TranscriberConfig
from models.transcriber.decode import SHORTEST_GAP_SECONDS, Clock, DecodeSettings, NoteTracker
from models.transcriber.voice import SHORTEST_SECONDS, Voice

CONFIG = TranscriberConfig()
CLOCK = Clock(CONFIG.sample_rate, CONFIG.hop, CONFIG.phases, CONFIG.look_ahead)
GAP = SHORTEST_GAP_SECONDS * CONFIG.sample_rate
VOTES = {0: 0.9, 3: 0.8, 5: 0.7}
SETTINGS = DecodeSettings(VOTES, VOTES, 3, 0.5, offset=0.8, rearm_ratio=1.0)
SEEDS = {"seed": st.integers(0, 10_000), "hops": st.integers(1, 30)}
KEYS = 3  # that speak


def wild(seed: int, hops: int):
    """Yield (end, outputs) of hops whose activations mean nothing."""
    generator = np.random.default_rng(seed)
    shape = (1, len(CONFIG.look_ahead), PITCHES)
    for hop in range(hops):
        outputs = {name: generator.random(shape, np.float32) for name in ("onset", "frame", "velocity", "offset")}
        outputs["onset"][..., KEYS:] = 0
        outputs["shift"] = generator.uniform(-2.5, 2.5, shape).astype(np.float32)
        yield (hop + 1) * CONFIG.hop, outputs


@pytest.mark.parametrize("single", [False, True])
@given(**SEEDS)
def test_no_note_is_doubled_or_left_or_ended_before_it_began(single, seed, hops):
    tracker, sounding = NoteTracker(SETTINGS, CLOCK, single), set()
    last = np.full(128, -1e9)
    for end, outputs in wild(seed, hops):
        for event in tracker.step(end, outputs):
            if isinstance(event, NoteOn):
                assert event.pitch not in sounding
                assert event.sample - last[event.pitch] >= GAP - 1e-6
                sounding.add(event.pitch)
                last[event.pitch] = event.sample
            else:
                assert event.sample > last[event.pitch], "a note ended before it began"
                sounding.remove(event.pitch)
        assert len(sounding) <= 1 or not single
    assert {event.pitch for event in tracker.end_all(hops * CONFIG.hop)} == sounding


@given(**SEEDS)
def test_no_event_lies_more_than_a_frame_before_the_one_that_the_latest_head_speaks_about(seed, hops):
    tracker = NoteTracker(SETTINGS, CLOCK)
    for end, outputs in wild(seed, hops):
        places = [event.sample for event in tracker.step(end, outputs)]
        assert min(places, default=end) >= end - max(CONFIG.look_ahead) - 2 * CONFIG.frame


@pytest.mark.parametrize("hold", [None, 0.0, 512.0])
@given(**SEEDS)
def test_the_events_that_leave_of_a_pitch_take_turns_and_live_ones_are_heard(hold, seed, hops):
    tracker, voice, leaving = NoteTracker(SETTINGS, CLOCK), Voice(hold, CONFIG.sample_rate), {}
    for end, outputs in wild(seed, hops):
        for event in sorted(tracker.step(end, outputs), key=time_order):
            said = voice.say(event, end)
            assert said is not None
            assert hold is None or said.sample >= end - 1, "it leaves before it is known"
            leaving.setdefault(said.pitch, []).append(said)
    for events in leaving.values():
        assert [type(e) for e in sorted(events, key=time_order)] == [
            (NoteOn, NoteOff)[n % 2] for n in range(len(events))
        ]
        lengths = [off.sample - on.sample for on, off in zip(events[0::2], events[1::2], strict=False)]
        assert min(lengths, default=1.0) > 0
        assert hold is None or min(lengths, default=1e9) >= SHORTEST_SECONDS * CONFIG.sample_rate
