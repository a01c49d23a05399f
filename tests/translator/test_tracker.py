"""Symbols to notes: when one starts and ends, where it is placed, and what it is not."""

import numpy as np
import pytest

from models.events import NoteOff, NoteOn
from models.translator.config import LOWEST_PITCH
from models.translator.symbols import dynamics_of, velocity_of
from models.translator.tracker import NoteTracker, TrackerSettings, gather

HOP, RATE = 256, 32_000


def said(*notes: tuple[int, float], onset: tuple[int, ...] = (), dynamics: int = 3) -> dict[str, np.ndarray]:
    """Outputs of a hop in which slots say notes (pitch, how surely)."""
    outputs = {
        "sounding": np.zeros((1, 3)), "pitch_class": np.zeros((1, 3, 12)), "octave": np.zeros((1, 3, 9)),
        "dynamics": np.zeros((1, 3, 5)), "onset": np.zeros((1, 88)), "active": np.zeros((1, 88)),
    }  # fmt: skip
    for slot, (pitch, sure) in enumerate(notes):
        outputs["sounding"][0, slot] = sure
        outputs["active"][0, pitch - LOWEST_PITCH] = max(sure, outputs["active"][0, pitch - LOWEST_PITCH])
        outputs["pitch_class"][0, slot, pitch % 12] = outputs["octave"][0, slot, pitch // 12 - 1] = 1
        outputs["dynamics"][0, slot, dynamics] = 1
    for pitch in onset:
        outputs["onset"][0, pitch - LOWEST_PITCH] = 0.9
    return outputs


@pytest.fixture
def tracker():
    return NoteTracker(TrackerSettings(on=0.6, off=0.3, confirm=6.0, release=3, attack=100.0), HOP, RATE, 20 * HOP)


def run(tracker, hops):
    events = []
    for number, outputs in enumerate(hops):
        events += tracker.step((number + 1) * HOP, outputs, True)
    return events


def test_a_note_starts_at_its_onset_and_ends_when_it_is_no_longer_said(tracker):
    hops = [said()] * 5 + [said(onset=(60,))] + [said((60, 0.9))] * 10 + [said()] * 5
    on, off = run(tracker, hops)
    assert (on.pitch, on.velocity) == (60, 94)
    assert on.sample == 6 * HOP - 100
    assert isinstance(off, NoteOff)
    assert off.sample == 16 * HOP


def test_one_hop_is_no_note(tracker):
    assert not run(tracker, [said((60, 0.9)), said(), said((61, 0.9)), said()])


def test_three_notes_sound_at_once_and_each_ends(tracker):
    events = run(tracker, [said((60, 0.9), (64, 0.8), (67, 0.75))] * 6 + [said((64, 0.9))] * 6)
    assert sorted(e.pitch for e in events if isinstance(e, NoteOn)) == [60, 64, 67]
    assert sorted(e.pitch for e in events if isinstance(e, NoteOff)) == [60, 67]
    assert [e.pitch for e in tracker.end_all(5000.0)] == [64]
    assert not tracker.end_all(5000.0)


def test_a_new_onset_of_a_sounding_pitch_starts_it_again(tracker):
    hops = (
        [said((60, 0.9), onset=(60,))]
        + [said((60, 0.9))] * 15
        + [said((60, 0.9), onset=(60,))] * 2
        + [said((60, 0.9))] * 4
    )
    events = run(tracker, hops)
    assert [type(e) for e in events] == [NoteOn, NoteOff, NoteOn]
    assert events[1].sample <= events[2].sample


def test_nothing_is_placed_before_what_was_declared():
    tracker = NoteTracker(TrackerSettings(confirm=6.0), HOP, RATE, HOP - 1)
    hops = [said(onset=(60,))] + [said()] * 5 + [said((60, 0.9))] * 4
    (on,) = run(tracker, hops)
    assert on.sample >= 8 * HOP - HOP


def test_range_sensitivity_and_gate(tracker):
    tracker.lowest = 61
    assert not run(tracker, [said((60, 0.9))] * 4)
    run(tracker, [said()])
    tracker.lowest, tracker.sensitivity = 21, 0.0
    assert not run(tracker, [said((60, 0.9))] * 4)
    tracker.sensitivity = 1.0
    assert run(tracker, [said((60, 0.5))] * 4), "a doubtful note, to who would rather hear too much"
    run(tracker, [said()] * 4)
    tracker.sensitivity = 0.5
    assert not run(tracker, [said((60, 0.5))] * 4)
    assert not [e for k in range(4) for e in tracker.step((20 + k) * HOP, said((60, 0.9)), False)]


def test_evidence_is_the_surest_slots():
    evidence, dynamics = gather(said((60, 0.4), (60, 0.8), (72, 0.5)))
    assert evidence[60 - LOWEST_PITCH] == pytest.approx(0.8)
    assert evidence[72 - LOWEST_PITCH] == pytest.approx(0.5)
    assert np.count_nonzero(evidence) == 2
    assert dynamics[60 - LOWEST_PITCH, 3] == 1


def test_a_patient_tracker_waits_for_how_hard_it_is_played():
    settings = TrackerSettings(on=0.6, off=0.3, confirm=6.0, release=3, attack=100.0, patient=True)
    tracker = NoteTracker(settings, HOP, RATE, 12 * HOP)
    events = []
    for number in range(20):
        hop = said((60, 0.9), onset=(60,) if number < 2 else (), dynamics=0 if number < 4 else 3)
        told = tracker.step((number + 1) * HOP, hop, True)
        assert all(event.sample >= (number + 1) * HOP - 1 - 12 * HOP for event in told)
        events += [(number, event) for event in told]
    ((when, on),) = events
    assert on.sample == HOP - 100
    assert when == 11, "the last hop that may still say it"
    assert round(dynamics_of(on.velocity)) == 3


def test_a_note_that_ends_while_it_waits_is_told_first():
    settings = TrackerSettings(on=0.6, off=0.3, confirm=6.0, release=3, patient=True)
    tracker = NoteTracker(settings, HOP, RATE, 40 * HOP)
    on, off = run(tracker, [said((60, 0.9), onset=(60,))] * 4 + [said()] * 4)
    assert isinstance(on, NoteOn)
    assert isinstance(off, NoteOff)
    assert off.sample > on.sample
    run(tracker, [said((62, 0.9))] * 3)
    assert [type(event) for event in tracker.end_all(20.0 * HOP)] == [NoteOn, NoteOff]


def test_a_velocity_is_of_the_likeliest_dynamic_and_leans_to_its_neighbours():
    for likeliest in range(5):
        for share in (0.0, 0.2, 0.45):
            probabilities = (1 - share) * np.eye(5)[likeliest] + share * np.full(5, 0.2)
            assert round(dynamics_of(velocity_of(probabilities))) == likeliest
    assert velocity_of(np.array([0, 0.1, 0.6, 0.3, 0])) > velocity_of(np.array([0, 0.3, 0.6, 0.1, 0]))
