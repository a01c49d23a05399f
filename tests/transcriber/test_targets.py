"""What each head is told to say lies where the notes lie, and a head that says it is decoded to those notes."""

import numpy as np
import pytest
import torch

from models.events import NoteOn
from models.transcriber.config import LOWEST_PITCH, PITCHES, TranscriberConfig
from models.transcriber.decode import DecodeSettings, NoteTracker
from models.transcriber.network import SHIFT_REACH
from models.transcriber.targets import loss_of, rolls_of, stack_heads

HOP = TranscriberConfig().hop
HEADS = TranscriberConfig().look_ahead_hops
FRAMES = 40
C4 = 60 - LOWEST_PITCH


def note(onset_hops: float, offset_hops: float, pitch: int = 60, velocity: int = 100) -> tuple[float, ...]:
    return onset_hops * HOP, offset_hops * HOP, pitch, velocity


def rolls(*notes: tuple[float, ...]):
    return rolls_of(np.array(notes, float).reshape(-1, 4), FRAMES, HOP)


def marked(roll: np.ndarray, pitch: int = 60) -> list[int]:
    """Return the frames in which one pitch is marked, having seen that no other is."""
    assert not np.delete(roll, pitch - LOWEST_PITCH, axis=1).any()
    return np.flatnonzero(roll[:, pitch - LOWEST_PITCH]).tolist()


def test_an_onset_is_marked_in_its_frame_and_the_next():
    assert marked(rolls(note(5.25, 9)).onset) == [5, 6]
    assert marked(rolls(note(5, 9)).onset) == [5, 6]
    assert marked(rolls(note(5.999, 9)).onset) == [5, 6]


def test_a_note_sounds_from_its_frame_to_the_frame_edge_nearest_its_end():
    assert marked(rolls(note(5.25, 9.4)).frame) == [5, 6, 7, 8]
    assert marked(rolls(note(5.25, 9.6)).frame) == [5, 6, 7, 8, 9]
    assert marked(rolls(note(5.25, 5.3)).frame) == [5], "even the shortest note is seen"


def test_velocity_and_shift_count_from_the_frame_before_an_onset_to_the_second_after():
    found = rolls(note(5.25, 9))
    assert marked(found.near) == [4, 5, 6, 7]
    assert found.velocity[4:8, C4].tolist() == pytest.approx([100 / 127] * 4)
    assert found.shift[4:8, C4].tolist() == [1.25, 0.25, -0.75, -1.75]


@pytest.mark.parametrize("name", ["velocity", "shift"])
def test_nothing_is_said_far_from_an_onset(name):
    assert marked(getattr(rolls(note(5.25, 30)), name)) == [4, 5, 6, 7]


def test_a_note_that_began_before_the_segment_sounds_and_has_no_onset():
    found = rolls(note(-3, 4))
    assert marked(found.frame) == [0, 1, 2, 3]
    assert marked(found.onset) == marked(found.near) == []


def test_notes_at_the_edges_of_a_segment_are_cut():
    found = rolls(note(FRAMES - 0.5, FRAMES + 9))
    assert marked(found.onset) == marked(found.frame) == [FRAMES - 1]
    assert marked(found.near) == [FRAMES - 2, FRAMES - 1]
    assert marked(rolls(note(0.5, 2)).near) == [0, 1, 2]
    assert marked(rolls(note(FRAMES + 1, FRAMES + 9)).frame) == []


def test_the_later_of_two_strokes_of_a_key_has_the_last_word():
    found = rolls(note(8, 12, velocity=127), note(5, 8))  # not in order
    assert found.velocity[6:11, C4].tolist() == pytest.approx([100 / 127, 1, 1, 1, 1])
    assert found.shift[7, C4] == 1


def test_the_lowest_and_the_highest_key_have_their_columns():
    assert marked(rolls(note(5, 9, pitch=21)).onset, 21) == [5, 6]
    assert marked(rolls(note(5, 9, pitch=108)).onset, 108) == [5, 6]


def test_heads_are_told_the_same_as_much_later_as_they_may_look_ahead():
    segments = [rolls(note(5.25, 9), note(20, 30, pitch=72)), rolls(note(1, 38, pitch=40))]
    for name, stacked in stack_heads(segments, HEADS).items():
        assert stacked.shape == (2, FRAMES, len(HEADS), PITCHES)
        for segment, told in zip(segments, stacked.numpy(), strict=True):
            for head, delay in enumerate(HEADS):
                assert np.array_equal(told[delay:, head], getattr(segment, name)[: FRAMES - delay])
                assert not told[:delay, head].any(), "nobody played before the first frame"


def test_a_head_that_says_what_it_is_told_costs_almost_nothing_and_one_that_is_silent_more():
    targets = stack_heads([rolls(note(5.25, 9), note(20.5, 30, pitch=72))], HEADS)
    told = {
        "onset": 40 * targets["onset"] - 20,
        "frame": 40 * targets["frame"] - 20,
        "velocity": torch.logit(targets["velocity"], eps=1e-6),
        "shift": torch.atanh(targets["shift"] / SHIFT_REACH),
    }
    silent = {"onset": 0 * told["onset"] - 20, "frame": 0 * told["frame"] - 20, "velocity": 0 * told["velocity"] - 20,
              "shift": 0 * told["shift"]}  # fmt: skip
    for name, loss in loss_of(told, targets, SHIFT_REACH).items():
        assert loss < 1e-6  # measured 4e-10
        assert loss_of(silent, targets, SHIFT_REACH)[name] > 0.01


@pytest.mark.parametrize("head", range(len(HEADS)))
def test_a_head_that_says_what_it_is_told_is_decoded_to_the_notes(head):
    notes = [note(2.25, 6, velocity=30), note(8.5, 12), note(8.99, 20, pitch=64), note(13, 20), note(20, 25, pitch=108)]
    told = {name: value[0, :, head].numpy() for name, value in stack_heads([rolls(*notes)], HEADS).items()}
    tracker, events = NoteTracker(DecodeSettings(0.5, 0.5)), []
    for frame in range(FRAMES):
        arguments = (told[name][frame] for name in ("onset", "frame", "velocity", "shift"))
        events += tracker.step(float(frame - HEADS[head]), *arguments)
    heard = [(event.sample, event.pitch, event.velocity) for event in events if isinstance(event, NoteOn)]
    played = sorted((onset / HOP, pitch, velocity) for onset, _, pitch, velocity in notes)
    assert [row[1:] for row in sorted(heard)] == [row[1:] for row in played]
    assert [row[0] for row in sorted(heard)] == pytest.approx([row[0] for row in played], abs=1e-5)  # hops
