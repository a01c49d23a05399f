"""The scores that choose a checkpoint: the matcher against mir_eval, and a network that knows the notes scores 1."""

import mir_eval
import numpy as np
import pytest
import torch

from models.transcriber.config import TranscriberConfig
from models.transcriber.targets import rolls_of, stack_heads
from models.transcriber.validation import Excerpt, decode_notes, decode_onsets, match, validate

CONFIG = TranscriberConfig()
HOP_SECONDS = CONFIG.hop / CONFIG.sample_rate
NOTES = np.array(
    [(0.2, 0.9, 60, 90), (0.21, 0.5, 64, 40), (0.9, 1.4, 60, 100), (1.1, 1.5, 21, 20), (1.2, 2.6, 108, 127)], float
)  # onset, offset (seconds), pitch, velocity
FRAMES = 200


class Knowing:
    """Says at every head what the notes are, late by its look-ahead."""

    config = CONFIG

    def __init__(self, notes: np.ndarray) -> None:
        samples = notes * [CONFIG.sample_rate, CONFIG.sample_rate, 1, 1]
        self._told = stack_heads([rolls_of(samples, FRAMES, CONFIG.hop)], CONFIG.look_ahead_hops)

    def __call__(self, audio: torch.Tensor) -> dict[str, torch.Tensor]:
        return {name: self._told[name] for name in ("onset", "frame", "velocity", "shift")}


def excerpt(notes: np.ndarray = NOTES) -> Excerpt:
    samples = notes * [CONFIG.sample_rate, CONFIG.sample_rate, 1, 1]
    return Excerpt(np.zeros(FRAMES * CONFIG.hop, np.float32), samples.astype(np.int32))


def test_a_network_that_knows_the_notes_scores_one_at_every_head():
    figures = validate(Knowing(NOTES), [excerpt()])
    assert figures["onset_f1"] == figures["note_f1"] == [1.0] * 6
    assert figures["error_ms"] == pytest.approx([0.0] * 6, abs=0.05)


def test_a_note_counts_as_live_where_it_was_known_75_ms_after_its_onset():
    figures = validate(Knowing(NOTES), [excerpt()])
    assert figures["live_f1"] == [1, 1, 1, 1, 0, 0]  # at most 16, 32, 48, 64, 96 and 176 ms late


def test_a_network_that_knows_other_notes_scores_what_it_hits():
    missing_one, wrong_octave = NOTES[1:], NOTES.copy()
    wrong_octave[:, 2] = [72, 64, 72, 21, 108]
    assert validate(Knowing(missing_one), [excerpt()])["onset_f1"] == pytest.approx([2 * 4 / 9] * 6, abs=1e-4)
    assert validate(Knowing(wrong_octave), [excerpt()])["onset_f1"] == pytest.approx([2 * 3 / 10] * 6, abs=1e-4)
    cut_short = NOTES.copy()
    cut_short[4, 1] = 1.9  # half of its length
    figures = validate(Knowing(cut_short), [excerpt()])
    assert figures["onset_f1"] == [1.0] * 6
    assert figures["note_f1"] == [0.8] * 6


def test_notes_of_all_excerpts_count_together():
    figures = validate(Knowing(NOTES), [excerpt(), excerpt(NOTES[:0])])
    assert figures["onset_f1"] == pytest.approx([2 * 5 / 15] * 6, abs=1e-4)


def test_where_nobody_plays_and_nothing_is_heard_the_score_is_zero_and_not_an_error():
    figures = validate(Knowing(NOTES[:0]), [excerpt(NOTES[:0])])
    assert figures["onset_f1"] == figures["error_ms"] == figures["note_f1"] == [0.0] * 6


@pytest.mark.parametrize("head", range(6))
def test_decoded_notes_are_those_that_were_said(head):
    outputs = {name: value[0].numpy() for name, value in Knowing(NOTES)(torch.zeros(1)).items()}
    look_ahead = CONFIG.look_ahead_hops[head]
    found = decode_notes(outputs, head, 0.5, 0.5, look_ahead, HOP_SECONDS)
    expected = NOTES[np.lexsort((NOTES[:, 0], NOTES[:, 2]))]
    assert np.allclose(found[:, [0, 2, 3]], expected[:, [0, 2, 3]], atol=1e-4)
    assert np.abs(found[:, 1] - expected[:, 1]).max() < HOP_SECONDS
    known = decode_onsets(outputs, head, 0.5, look_ahead, HOP_SECONDS)[:, 1] - expected[:, 0]
    assert (known > look_ahead * HOP_SECONDS).all()
    assert (known < (look_ahead + 1) * HOP_SECONDS + 1e-6).all()


@pytest.mark.parametrize("seed", range(60))
def test_the_matcher_finds_as_many_pairs_as_mir_eval(seed):
    rng = np.random.default_rng(seed)
    # on a grid of a millisecond, 0.3 ms apart: mir_eval rounds distances, so none may lie at the tolerance itself
    played = rng.integers(0, 2000, int(rng.integers(1, 60))) / 1000
    heard = rng.integers(0, 2000, int(rng.integers(1, 60))) / 1000 + 0.0003
    played_pitches, heard_pitches = (60 + rng.integers(0, 1 + seed % 6, len(side)) for side in (played, heard))
    pairs = match(played, played_pitches, heard, heard_pitches)
    reference = mir_eval.transcription.match_notes(
        np.stack([played, played + 1], 1), mir_eval.util.midi_to_hz(played_pitches),
        np.stack([heard, heard + 1], 1), mir_eval.util.midi_to_hz(heard_pitches), offset_ratio=None)  # fmt: skip
    assert len(pairs) == len(reference)
    assert len({a for a, _ in pairs}) == len({b for _, b in pairs}) == len(pairs), "a note was used twice"
    for a, b in pairs:
        assert played_pitches[a] == heard_pitches[b]
        assert abs(played[a] - heard[b]) <= 0.05


def test_the_matcher_pairs_nothing_with_nothing():
    none, some = np.zeros(0), np.array([1.0])
    assert match(none, none, some, some) == match(some, some, none, none) == match(none, none, none, none) == []
