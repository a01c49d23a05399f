"""The published network is the paper's to the parameter, and each correction changes what its name says.

Signals are sines and logits made here; the numbers of the losses are worked out by hand.
"""

import math
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.transcriber.published.corrections import Corrections
from models.transcriber.published.decode import Thresholds, active_bins, decode_notes, to_seconds
from models.transcriber.published.features import CROP_FRAMES, HOP, ROWS, SAMPLE_RATE, constant_q, levels
from models.transcriber.published.network import PublishedNetwork, harmonic_stack, load_network, save_network
from models.transcriber.published.targets import published_loss, rolls, weighted_cross_entropy
from models.transcriber.published.transcription import hear_recording, transcribe, write_midi

ALL, NONE = Corrections.all(), Corrections.as_released()
FRAME = HOP / SAMPLE_RATE


def logits_of(rows: int, frames: int, *spans: tuple[int, int, int]) -> np.ndarray:
    """Logits of -4 with +4 in each (row, first, last)."""
    made = np.full((rows, frames), -4.0)
    for row, first, last in spans:
        made[row, first:last] = 4.0
    return made


def test_none_is_as_released_and_all_puts_everything_right():
    assert {getattr(NONE, field.name) for field in fields(Corrections)} == {False}
    assert {getattr(ALL, field.name) for field in fields(Corrections)} == {True}
    assert Corrections(**NONE.to_json()) == NONE


@pytest.mark.parametrize("corrections", [ALL, NONE])
def test_the_network_has_the_papers_parameters_and_keeps_every_bin(corrections):
    network = PublishedNetwork(corrections).eval()
    assert network.parameter_count == 21_516
    logits = network(torch.zeros(2, ROWS, CROP_FRAMES))
    assert {name: tuple(value.shape) for name, value in logits.items()} == dict.fromkeys(
        ("pitch", "note", "onset"), (2, ROWS, CROP_FRAMES)
    )


@pytest.mark.parametrize(
    ("corrections", "reach"),
    [(NONE, {"pitch": (5, 23), "note": (11, 27), "onset": (12, 28)}),
     (ALL, {"pitch": (23, 5), "note": (27, 11), "onset": (28, 12)})],
)  # fmt: skip
def test_the_network_hears_as_far_as_its_kernels_say(corrections, reach):
    """Rows and frames to either side that move an output; an octave's shift of the stack comes on top."""
    network = PublishedNetwork(corrections).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(0.01)  # no ReLU is shut and nothing cancels
    for name, (rows_away, frames_away) in reach.items():
        rows = torch.zeros(1, ROWS, CROP_FRAMES, requires_grad=True)
        network(rows)[name][0, 44, 43].backward()
        touched = rows.grad[0].abs() > 0
        frames = np.flatnonzero(touched.any(0).numpy())
        assert (43 - frames[0], frames[-1] - 43) == (frames_away, frames_away)
        lines = np.flatnonzero(touched.any(1).numpy())
        assert (44 - lines[0], lines[-1] - 44) == (rows_away + 12, rows_away + 12)


def test_the_stack_holds_the_octave_above_the_row_itself_and_the_octave_below():
    rows = torch.arange(1.0, ROWS + 1)[None, :, None].expand(1, ROWS, 2)
    above, same, below = harmonic_stack(rows)[0, :, :, 0]
    assert torch.equal(same, rows[0, :, 0])
    assert torch.equal(above[: ROWS - 12], same[12:])
    assert not above[ROWS - 12 :].any()
    assert torch.equal(below[12:], same[: ROWS - 12])
    assert not below[:12].any()


def test_a_checkpoint_becomes_the_same_network_again(tmp_path):
    torch.manual_seed(3)
    network = PublishedNetwork(replace(ALL, onsets_used=False)).eval()
    save_network(network, tmp_path / "published.safetensors", {"step": "7"})
    again, card = load_network(tmp_path / "published.safetensors")
    rows = torch.rand(1, ROWS, CROP_FRAMES)
    assert card["step"] == "7"
    assert again.corrections == network.corrections
    assert torch.allclose(again(rows)["onset"], network(rows)["onset"], atol=1e-6)


def tone(frequency: float, seconds: float = 2.0, level: float = 0.3) -> np.ndarray:
    """A sine at SAMPLE_RATE."""
    return (level * np.sin(2 * np.pi * frequency * np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE)).astype(
        np.float32
    )


def test_aligned_rows_put_a4_where_its_label_is():
    label = rolls(np.array([(0.0, 2.0, 69, 80)]), 0.0, ALL)[0].any(1).argmax()
    assert constant_q(tone(440.0), ALL).mean(1).argmax() == label == 48
    assert constant_q(tone(440.0), NONE).mean(1).argmax() == label - 3


def test_the_lowest_key_is_heard_only_from_a0():
    heard, unheard = (constant_q(tone(27.5), corrections).max() for corrections in (ALL, NONE))
    assert heard > 5 * unheard
    assert constant_q(tone(27.5), ALL).shape == (ROWS, CROP_FRAMES)


def test_log_magnitude_does_not_depend_on_the_level():
    magnitude = constant_q(tone(440.0), ALL)
    assert np.allclose(levels(magnitude, ALL), levels(0.1 * magnitude, ALL), atol=1e-5)
    assert levels(magnitude, ALL).max() == 1
    assert np.array_equal(levels(magnitude, NONE), magnitude)
    assert not levels(np.zeros((ROWS, CROP_FRAMES)), ALL).any()


def test_struck_onsets_leave_out_what_sounds_on_from_before():
    notes = np.array([(0.5, 1.5, 60, 80), (1.2, 1.4, 64, 80)])
    for corrections, expected in ((ALL, {(43, 8)}), (NONE, {(43, 8), (39, 0)})):
        sounding, onset = rolls(notes, 1.0, corrections)
        assert {tuple(place) for place in np.argwhere(onset)} == expected
        assert sounding[39].sum() == math.ceil(0.5 / FRAME)
        assert sounding[43, 8:18].all()
        assert sounding[43].sum() == 10


# one positive bin of logit 1 and three negative ones of logit 0, -1 and -2
LOGITS, TARGET = torch.tensor([1.0, 0.0, -1.0, -2.0]), torch.tensor([1.0, 0.0, 0.0, 0.0])
ENTROPY = [math.log(1 + math.exp(x)) for x in (-1.0, 0.0, -1.0, -2.0)]


def test_the_loss_weighs_the_mean_of_each_class():
    corrections = replace(NONE, mask_before_smoothing=True)
    loss = weighted_cross_entropy(LOGITS, TARGET, 0.9, 0.0, corrections)
    assert loss.item() == pytest.approx(0.9 * ENTROPY[0] + 0.1 * sum(ENTROPY[1:]) / 3)
    assert weighted_cross_entropy(LOGITS, TARGET, 0.9, 0.0, NONE).item() == pytest.approx(
        loss.item()
    )  # the trap needs smoothing


def test_as_released_any_smoothing_makes_the_weighted_loss_a_plain_mean():
    smoothing = 0.2
    smoothed = [e + 0.1 * d for e, d in zip(ENTROPY, (1.0, 0.0, 1.0, 2.0), strict=True)]  # softplus(x) - target * x
    released = weighted_cross_entropy(LOGITS, TARGET, 0.9, smoothing, NONE)
    assert released.item() == pytest.approx(0.9 * sum(smoothed) / 4)
    masked = weighted_cross_entropy(LOGITS, TARGET, 0.9, smoothing, replace(NONE, mask_before_smoothing=True))
    assert masked.item() == pytest.approx(0.9 * smoothed[0] + 0.1 * sum(smoothed[1:]) / 3)


def test_true_class_weights_weigh_bins_and_not_means():
    loss = weighted_cross_entropy(LOGITS, TARGET, 0.9, 0.0, ALL)
    assert loss.item() == pytest.approx((0.9 * ENTROPY[0] + 0.1 * sum(ENTROPY[1:])) / (0.9 + 3 * 0.1))
    even = weighted_cross_entropy(LOGITS, TARGET, 0.5, 0.0, ALL)
    assert even.item() == pytest.approx(sum(ENTROPY) / 4)


def test_the_loss_is_three_terms_and_survives_a_crop_without_notes():
    silent = torch.zeros(1, 2, 3)
    logits = dict.fromkeys(("pitch", "note", "onset"), silent)
    for corrections in (ALL, NONE):
        terms = published_loss(logits, silent, silent, 0.0, corrections)
        assert set(terms) == {"pitch", "note", "onset"}
        weight = {"pitch": 0.5, "note": 0.5, "onset": 0.1} if corrections is NONE else dict.fromkeys(terms, 1.0)
        assert {name: term.item() for name, term in terms.items()} == pytest.approx(
            {name: weight[name] * math.log(2) for name in terms}
        )


def test_as_released_a_threshold_meets_logits():
    logit = np.array([[0.5, 0.61]])  # probabilities 0.622 and 0.648
    assert active_bins(logit, 0.6, ALL).tolist() == [[True, True]]
    assert active_bins(logit, 0.6, NONE).tolist() == [[False, True]]


def test_onsets_part_a_pitch_that_is_struck_again():
    note = logits_of(4, 30, (2, 5, 25))
    onset = logits_of(4, 30, (2, 5, 6), (2, 15, 16))
    assert decode_notes(note, onset, Thresholds(), NONE).tolist() == [[2, 5, 25]]
    assert decode_notes(note, onset, Thresholds(), ALL).tolist() == [[2, 5, 15], [2, 15, 25]]


def test_a_note_without_an_onset_must_last_unless_the_recording_begins_in_it():
    note = logits_of(4, 30, (0, 0, 2), (1, 10, 12), (2, 10, 14), (3, 6, 8), (3, 9, 12))
    onset = logits_of(4, 30, (3, 5, 6))
    found = decode_notes(note, onset, Thresholds(shortest=3), ALL).tolist()
    assert found == [[0, 0, 2], [2, 10, 14], [3, 5, 8], [3, 9, 12]]  # row 3: the onset is taken once, a frame early


def test_one_onset_over_several_frames_begins_one_note():
    note = logits_of(1, 30, (0, 5, 25))
    onset = np.full((1, 30), -4.0)
    onset[0, 4:9] = (1.0, 3.0, 3.0, 2.0, 1.0)
    assert decode_notes(note, onset, Thresholds(), ALL).tolist() == [[0, 5, 25]]


def test_centred_times_take_half_a_frame_back():
    notes = np.array([(39, 10, 20), (0, 0, 4)])
    assert to_seconds(notes, NONE).tolist() == [[0, 4 * FRAME, 21, 100], [10 * FRAME, 20 * FRAME, 60, 100]]
    assert to_seconds(notes, ALL) == pytest.approx(
        np.array([[0, 3.5 * FRAME, 21, 100], [10.5 * FRAME, 19.5 * FRAME, 60, 100]])
    )


class EchoNetwork:
    """Says what it hears."""

    corrections = NONE

    def eval(self) -> "EchoNetwork":
        """There is nothing to switch."""
        return self

    def __call__(self, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        return dict.fromkeys(("pitch", "note", "onset"), rows)


@pytest.mark.parametrize("frames", [1, 43, 44, 87, 88, 500])
def test_windows_of_a_recording_are_put_together_without_a_seam(frames):
    magnitude = np.random.default_rng(frames).random((ROWS, frames)).astype(np.float32)
    assert np.array_equal(hear_recording(EchoNetwork(), magnitude)["note"], magnitude)


def test_a_recording_becomes_notes_in_seconds_and_a_midi_file(tmp_path: Path):
    import pretty_midi

    audio = np.concatenate([np.zeros(30_000, np.float32), tone(440.0, 1.0), np.zeros(30_000, np.float32)])
    threshold = 0.7 * float(constant_q(audio, NONE).max())
    notes = transcribe(EchoNetwork(), np.repeat(audio, 2), Thresholds(note=threshold), sample_rate=2 * SAMPLE_RATE)
    loudest = notes[np.argmax(notes[:, 1] - notes[:, 0])]
    assert loudest[2] == 69 - 3  # as released
    assert loudest[:2] == pytest.approx((30_000 / SAMPLE_RATE, 30_000 / SAMPLE_RATE + 1.0), abs=0.06)
    write_midi(notes, tmp_path / "found.mid")
    read = pretty_midi.PrettyMIDI(str(tmp_path / "found.mid")).instruments[0].notes
    assert sorted((note.pitch, round(note.start, 2)) for note in read) == sorted(
        (int(pitch), round(onset, 2)) for onset, _, pitch, _ in notes
    )
