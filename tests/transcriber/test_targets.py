"""What each head is told to say lies where the notes lie, and saying something else costs."""

import numpy as np
import pytest
import torch

from models.transcriber.config import LOWEST_PITCH, PITCHES, TranscriberConfig
from models.transcriber.network import BEND_REACH, SHIFT_REACH
from models.transcriber.targets import COMMON_LEVEL, WEIGHTS, Rolls, Score, loss_of, rolls_of, stack_heads

CONFIG = TranscriberConfig()
FRAME, HEADS = CONFIG.frame, len(CONFIG.look_ahead)
FRAMES = 40
C4 = 60 - LOWEST_PITCH


def note(onset_frames: float, offset_frames: float, pitch: int = 60, velocity: int = 100) -> tuple[float, ...]:
    return onset_frames * FRAME, offset_frames * FRAME, pitch, velocity


def played(*notes: tuple[float, ...], pedal: object = (), bend: object = ()) -> Score:
    """A score; pedal and bend in frames."""
    rows = np.array(notes, float).reshape(-1, 4)
    points = np.array(bend, float).reshape(-1, 2) * [FRAME, 1]
    return Score(rows, np.array(pedal, float).reshape(-1, 2) * FRAME, points)


def rolls(*notes: tuple[float, ...], delay: int = 0, **more: object) -> Rolls:
    return rolls_of(played(*notes, **more), FRAMES, FRAME, delay)


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


def test_an_offset_is_marked_in_the_first_two_frames_without_the_note():
    assert marked(rolls(note(5.25, 9.4)).offset) == [9, 10]
    assert marked(rolls(note(5.25, FRAMES - 1)).offset) == [FRAMES - 1]
    assert marked(rolls(note(-9, -1.2)).offset) == [0]


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


def test_the_pedal_is_down_in_the_frames_whose_middle_it_holds():
    found = rolls(pedal=[(3.4, 7.6), (20, 21)])
    assert np.flatnonzero(found.pedal).tolist() == [3, 4, 5, 6, 7, 20]
    assert not rolls().pedal.any()


def test_a_bend_goes_straight_from_point_to_point_and_holds_for_every_key():
    found = rolls(note(0, FRAMES), bend=[(10.5, 0), (14.5, 2)])
    assert found.bend[9:16, C4].tolist() == pytest.approx([0, 0, 0.5, 1, 1.5, 2, 2])
    assert (found.bend == found.bend[:, :1]).all()


def test_a_head_is_told_all_as_many_samples_later_as_it_may_look_ahead():
    score = played(note(5.25, 9), note(20, 30, pitch=72), pedal=[(2, 12)], bend=[(4, 0), (9, 1)])
    stacked = stack_heads([score, Score.nothing()], FRAMES, CONFIG)
    for name, told in stacked.items():
        assert told.shape == ((2, FRAMES, HEADS) if name == "pedal" else (2, FRAMES, HEADS, PITCHES))
        assert not told[1].any(), "nobody played in the second segment"
        for head, delay in enumerate(CONFIG.look_ahead):
            assert np.array_equal(told[0, :, head], getattr(rolls_of(score, FRAMES, FRAME, delay), name))


def test_a_delay_of_whole_frames_moves_and_one_of_a_part_shifts_the_place_within_the_frame():
    now, whole, part = (rolls(note(5.25, 9), delay=delay) for delay in (0, 3 * FRAME, FRAME // 2))
    for name in ("onset", "frame", "velocity", "shift", "offset"):
        assert np.array_equal(getattr(whole, name)[3:], getattr(now, name)[:-3])
    assert marked(part.onset) == marked(now.onset) == [5, 6]
    assert part.shift[5, C4] == now.shift[5, C4] + 0.5


def logits_of(targets: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return what a network says that says what it is told."""
    binary = {name: 40 * targets[name] - 20 for name in ("onset", "frame", "offset", "pedal")}
    return binary | {
        "velocity": torch.logit(targets["velocity"], eps=1e-6),
        "shift": torch.atanh(targets["shift"] / SHIFT_REACH),
        "bend": torch.atanh(targets["bend"] / BEND_REACH),
    }


def losses(logits: dict[str, torch.Tensor], targets: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return loss_of(logits, targets, SHIFT_REACH, BEND_REACH)


PHRASE = played(note(5.25, 9), note(20.5, 30, pitch=72, velocity=60), pedal=[(2, 12)], bend=[(0, 0.5), (40, 1)])


def test_a_head_that_says_what_it_is_told_costs_almost_nothing_and_one_that_is_silent_more():
    targets = stack_heads([PHRASE], FRAMES, CONFIG)
    told = logits_of(targets)
    silent = {name: 0 * value - (0 if name in ("shift", "bend") else 20) for name, value in told.items()}
    assert losses(told, targets).keys() == WEIGHTS.keys()
    for name, loss in losses(told, targets).items():
        assert loss < 1e-5, name
        assert losses(silent, targets)[name] > 0.01, name


def velocity_loss(said: tuple[float, float]) -> float:
    """What it costs to say these velocities, of 1, for PHRASE's two notes."""
    targets = stack_heads([PHRASE], FRAMES, CONFIG)
    told = logits_of(targets)
    for pitch, unit in zip((60, 72), said, strict=True):
        told["velocity"][..., pitch - LOWEST_PITCH] = torch.logit(torch.tensor(unit))
    return float(losses(told, targets)["velocity"])


def test_an_error_that_all_notes_share_is_forgiven_and_one_of_a_single_note_is_not():
    right = 100 / 127, 60 / 127
    common, single = (
        velocity_loss((right[0] + first, right[1] + second)) for first, second in ((0.1, 0.1), (0.1, -0.1))
    )
    assert common > 0, "how loud a player is counts a little"
    assert common == pytest.approx((1 - COMMON_LEVEL) ** 2 * single, rel=1e-3)
    assert velocity_loss(right) < 1e-9


def test_a_missed_onset_costs_most_among_the_lowest_keys_and_a_false_one_costs_the_same_everywhere():
    missed, false = {}, {}
    for pitch in (39, 40):
        targets = stack_heads([played(note(5.25, 9, pitch))], FRAMES, CONFIG)
        silent = logits_of(stack_heads([Score.nothing()], FRAMES, CONFIG))
        missed[pitch] = float(losses(silent, targets)["onset"])
        nothing = stack_heads([Score.nothing()], FRAMES, CONFIG)
        false[pitch] = float(losses(logits_of(targets), nothing)["onset"])
    assert missed[39] == pytest.approx(1.75 * missed[40], rel=1e-4)
    assert false[39] == pytest.approx(false[40])


@pytest.mark.parametrize(("name", "where"), [("shift", "near"), ("bend", "frame"), ("velocity", "near")])
def test_what_is_said_about_a_key_counts_only_while_it_means_something(name, where):
    targets = stack_heads([PHRASE], FRAMES, CONFIG)
    told = logits_of(targets)
    outside = told | {name: torch.where(targets[where] > 0, told[name], torch.tensor(3.0))}
    inside = told | {name: torch.where(targets[where] > 0, torch.tensor(3.0), told[name])}
    assert losses(outside, targets)[name] == losses(told, targets)[name]
    assert losses(inside, targets)[name] > losses(told, targets)[name] + 0.01
