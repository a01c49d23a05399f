"""Whatever the activations, the tracker's notes keep the laws of a keyboard."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.events import NoteOn
from models.transcriber.config import PITCHES
from models.transcriber.decode import DecodeSettings, NoteTracker

SETTINGS = DecodeSettings(onset_threshold=0.5, frame_threshold=0.3)


@given(seed=st.integers(0, 10_000), hops=st.integers(1, 60))
def test_no_note_is_doubled_or_left_and_no_event_lies_before_its_frame(seed, hops):
    generator, tracker, sounding = np.random.default_rng(seed), NoteTracker(SETTINGS), set()
    last = np.full(128, -1e9)
    for hop in range(hops):
        onset, frame, velocity = generator.random((3, PITCHES), np.float32)
        shift = generator.uniform(-2.5, 2.5, PITCHES).astype(np.float32)
        for event in tracker.step(float(hop), onset, frame, velocity, shift):
            assert event.sample >= hop
            if isinstance(event, NoteOn):
                assert event.pitch not in sounding
                assert event.sample - last[event.pitch] >= SETTINGS.shortest_gap - 1e-6
                sounding.add(event.pitch)
                last[event.pitch] = event.sample
            else:
                assert event.sample >= last[event.pitch], "a note ended before it began"
                sounding.remove(event.pitch)
    assert {event.pitch for event in tracker.end_all(hops)} == sounding
