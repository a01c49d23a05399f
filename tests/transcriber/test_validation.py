"""The scores that choose a checkpoint: the matcher against mir_eval, and a network that knows the notes scores 1."""

import mir_eval
import numpy as np
import pytest
import torch

from models.transcriber.config import TranscriberConfig
from models.transcriber.targets import Score
from models.transcriber.validation import Excerpt, decode_notes, decode_onsets, hear, match, validate

CONFIG = TranscriberConfig()
HEADS = len(CONFIG.look_ahead)
HOPS = 400
NOTES = np.array(
    [(0.2, 0.9, 60, 90), (0.21, 0.5, 64, 40), (0.9, 1.4, 60, 100), (1.1, 1.5, 21, 20), (1.2, 2.6, 108, 127)], float
)  # onset, offset (seconds), pitch, velocity
PEDAL = np.array([(0.5, 1.3), (2.0, 2.5)])


class Knowing:
    """Says at every head what is played, late by its look-ahead."""

    config = CONFIG

    def __init__(self, outputs: dict[str, np.ndarray]) -> None:
        self._outputs = {name: torch.from_numpy(value[None]) for name, value in outputs.items()}

    def __call__(self, audio: torch.Tensor) -> dict[str, torch.Tensor]:
        return self._outputs


def score_of(notes: np.ndarray, pedal: np.ndarray = PEDAL) -> Score:
    rate = CONFIG.sample_rate
    return Score((notes * [rate, rate, 1, 1]).round(), (pedal * rate).round(), np.zeros((0, 2)))


def excerpt(notes: np.ndarray = NOTES, pedal: np.ndarray = PEDAL) -> Excerpt:
    return Excerpt(np.zeros(HOPS * CONFIG.hop, np.float32), score_of(notes, pedal))


@pytest.fixture(scope="module")
def knowing(told):
    """A function (notes, pedal) -> a network that knows them."""
    return lambda notes=NOTES, pedal=PEDAL: Knowing(told(score_of(notes, pedal), HOPS))


def test_a_network_that_knows_the_notes_scores_one_at_every_head(knowing):
    figures = validate(knowing(), [excerpt()])
    for name in ("onset_f1", "note_f1", "live_f1", "low_recall"):
        assert figures[name] == [1.0] * HEADS, name
    assert figures["error_ms"] == pytest.approx([0.0] * HEADS, abs=0.05)
    assert figures["spread_ms"] == pytest.approx([0.0] * HEADS, abs=0.05)
    assert min(figures["pedal_f1"]) > 0.98  # a span's edges fall into frames


def test_a_note_counts_as_live_where_it_is_known_15_ms_after_its_heads_look_ahead(knowing):
    early = NOTES - [0.020, 0.020, 0, 0]  # said 20 ms after it was played, and placed there
    assert validate(knowing(NOTES), [excerpt(early)])["live_f1"] == [0.0] * HEADS
    assert validate(knowing(NOTES), [excerpt(NOTES - [0.002, 0, 0, 0])])["live_f1"] == [1.0] * HEADS


def test_a_network_that_knows_other_notes_scores_what_it_hits(knowing):
    missing_one, wrong_octave = NOTES[1:], NOTES.copy()
    wrong_octave[:, 2] = [72, 64, 72, 21, 108]
    assert validate(knowing(missing_one), [excerpt()])["onset_f1"] == pytest.approx([2 * 4 / 9] * HEADS, abs=1e-4)
    assert validate(knowing(wrong_octave), [excerpt()])["onset_f1"] == pytest.approx([2 * 3 / 10] * HEADS, abs=1e-4)
    without_low = np.delete(NOTES, 3, axis=0)
    assert validate(knowing(without_low), [excerpt()])["low_recall"] == [0.0] * HEADS
    cut_short = NOTES.copy()
    cut_short[4, 1] = 1.9  # half of its length
    figures = validate(knowing(cut_short), [excerpt()])
    assert figures["onset_f1"] == [1.0] * HEADS
    assert figures["note_f1"] == [0.8] * HEADS


def test_velocity_is_scored_by_how_well_louder_and_softer_are_told_apart(knowing):
    many = np.array([(0.1 + 0.1 * n, 0.15 + 0.1 * n, 40 + n, 40 + 3 * (n * 7 % 24)) for n in range(24)])
    louder, upside_down = many.copy(), many.copy()
    louder[:, 3] += 10
    upside_down[:, 3] = 127 - many[:, 3]
    for said, correlation in ((many, 1.0), (louder, 1.0), (upside_down, -1.0)):
        assert validate(knowing(said), [excerpt(many)])["velocity"] == pytest.approx([correlation] * HEADS, abs=1e-3)


def test_a_pedal_that_is_never_heard_scores_nothing(knowing):
    assert validate(knowing(NOTES, PEDAL[:0]), [excerpt()])["pedal_f1"] == [0.0] * HEADS


def test_notes_of_all_excerpts_count_together(knowing):
    figures = validate(knowing(), [excerpt(), excerpt(NOTES[:0])])
    assert figures["onset_f1"] == pytest.approx([2 * 5 / 15] * HEADS, abs=1e-4)


def test_where_nobody_plays_and_nothing_is_heard_the_score_is_zero_and_not_an_error(knowing):
    figures = validate(knowing(NOTES[:0], PEDAL[:0]), [excerpt(NOTES[:0], PEDAL[:0])])
    assert figures["onset_f1"] == figures["error_ms"] == figures["note_f1"] == figures["pedal_f1"] == [0.0] * HEADS


@pytest.mark.parametrize("head", range(HEADS))
def test_decoded_notes_are_those_that_were_said(knowing, head):
    outputs = hear(knowing(), np.zeros(1, np.float32))
    onsets = decode_onsets(outputs, head, 0.5, CONFIG)
    found = decode_notes(outputs, onsets, head, 0.5, CONFIG)
    expected = NOTES[np.lexsort((NOTES[:, 0], NOTES[:, 2]))]
    assert np.allclose(found[:, [0, 2, 3]], expected[:, [0, 2, 3]], atol=1e-4)
    assert np.abs(found[:, 1] - expected[:, 1]).max() <= CONFIG.frame / CONFIG.sample_rate
    waited = (onsets[:, 1] - expected[:, 0]) * CONFIG.sample_rate - CONFIG.look_ahead[head]
    assert waited.min() > 0
    assert waited.max() <= CONFIG.hop + 1e-6, "a hop is awaited, not a frame"


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
