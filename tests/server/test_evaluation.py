"""The scores of `evaluate` are mir_eval's, on notes made by hand and at random, and hold where a side is empty."""

import mido
import mir_eval
import numpy as np
import pytest

from models.events import NoteOff, NoteOn
from server.errors import BacklineError
from server.evaluation import Notes, find_pairs, mean_row, notes_of, reference_notes, score
from server.run_file import Take
from server.scheduler import Emission

EMPTY = Notes(np.zeros((0, 2)), np.zeros(0), np.zeros(0), np.zeros(0))
PLAYED = [
    (0.5, 1.0, 60, 80),
    (0.5, 1.5, 64, 60),
    (1.2, 1.4, 60, 90),
    (2.0, 3.0, 48, 40),
]  # onset, offset, pitch, velocity


def notes(rows: list[tuple[float, ...]], late: float = 0.0) -> Notes:
    """Return notes from rows, each out `late` seconds after its onset."""
    array = np.array(rows, float)
    return Notes(array[:, :2], array[:, 2], array[:, 3], array[:, 0] + late)


def moved(seconds: float) -> list[tuple[float, ...]]:
    return [(onset + seconds, offset + seconds, *rest) for onset, offset, *rest in PLAYED]


def by_mir_eval(reference: Notes, heard: Notes) -> dict[str, float]:
    hertz = mir_eval.util.midi_to_hz
    sides = reference.intervals, hertz(reference.pitches), heard.intervals, hertz(heard.pitches)
    louder = (*sides[:2], reference.velocities, *sides[2:], heard.velocities)
    return {
        "onset_f1": mir_eval.transcription.precision_recall_f1_overlap(*sides, offset_ratio=None)[2],
        "note_f1": mir_eval.transcription.precision_recall_f1_overlap(*sides)[2],
        "velocity_f1": mir_eval.transcription_velocity.precision_recall_f1_overlap(*louder, offset_ratio=None)[2],
    }


def test_what_was_played_scores_one():
    row = score(notes(PLAYED), notes(PLAYED), 0.0)
    for name in ("onset_f1", "live_f1", "note_f1", "velocity_f1", "onset_f1_20_centred"):
        assert row[name] == 1
    assert row["onset_error_ms"] == 0


@pytest.mark.parametrize("heard", [
    PLAYED[1:],
    [*PLAYED, (2.5, 2.6, 72, 30), (2.7, 2.8, 72, 30)],
    [(0.54, 1.0, 60, 80), (0.44, 1.5, 64, 60), (1.2, 1.9, 60, 90), (2.0, 2.9, 48, 127)],
    [(0.5, 1.0, 61, 80), (0.5, 1.0, 64, 5), (1.24, 1.42, 60, 90), (1.21, 1.4, 60, 90)],
], ids=["one missing", "two too many", "moved", "wrong"])  # fmt: skip
def test_scores_of_hand_made_notes_are_mir_evals(heard):
    row, expected = score(notes(PLAYED), notes(heard), 0.0), by_mir_eval(notes(PLAYED), notes(heard))
    assert {name: row[name] for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(20))
def test_scores_of_random_notes_are_mir_evals(seed):
    rng = np.random.default_rng(seed)
    sides = []
    for count in rng.integers(1, 60, 2):
        onset = np.sort(rng.uniform(0, 4, count))
        rows = np.stack(
            [onset, onset + rng.uniform(0.05, 1, count), rng.integers(60, 63, count), rng.integers(1, 128, count)]
        )
        sides.append(notes(rows.T.tolist()))
    row, expected = score(*sides, 0.0), by_mir_eval(*sides)
    assert {name: row[name] for name in expected} == pytest.approx(expected)


def test_one_missing_of_four_scores_six_sevenths():
    assert score(notes(PLAYED), notes(PLAYED[1:]), 0.0)["onset_f1"] == pytest.approx(6 / 7)


def test_a_constant_error_is_stated_and_taken_out_of_the_centred_score():
    row = score(notes(PLAYED), notes(moved(0.04)), 0.0)
    assert row["onset_error_ms"] == pytest.approx(40)
    assert row["onset_f1"] == row["onset_f1_20_centred"] == 1
    scattered = [PLAYED[0], *moved(0.04)[1:]]
    assert score(notes(PLAYED), notes(scattered), 0.0)["onset_f1_20_centred"] == pytest.approx(0.75)


def test_a_live_note_counts_until_a_hop_after_its_heads_look_ahead():
    assert score(notes(PLAYED), notes(PLAYED, late=0.046), 32.0)["live_f1"] == 1
    row = score(notes(PLAYED), notes(PLAYED, late=0.048), 32.0)
    assert row["live_f1"] == 0
    assert row["onset_f1"] == 1
    assert row["lateness_p50_ms"] == row["lateness_p95_ms"] == pytest.approx(48)


@pytest.mark.parametrize(("reference", "heard", "expected"), [
    (EMPTY, EMPTY, 1.0), (EMPTY, notes(PLAYED), 0.0), (notes(PLAYED), EMPTY, 0.0),
], ids=["both", "reference", "heard"])  # fmt: skip
def test_an_empty_side_scores_nothing_and_two_agree(reference, heard, expected):
    row = score(reference, heard, 32.0)
    for name in ("onset_f1", "live_f1", "note_f1", "velocity_f1", "onset_f1_20_centred"):
        assert row[name] == expected
    assert np.isfinite(list(row.values())).all()
    assert (row["reference_notes"], row["heard_notes"]) == (len(reference.pitches), len(heard.pitches))


def test_a_takes_notes_are_its_pairs_and_know_when_they_had_left():
    events = [(NoteOn(480, 60, 80), 1000, 1024), (NoteOn(500, 64, 40), 1020, 1024), (NoteOff(960, 60), 1480, 1536),
              (NoteOff(970, 90), 1480, 1536), (NoteOn(960, 64, 50), 1480, 1536), (NoteOff(1920, 64), 2440, 2560)]  # fmt: skip
    take = Take(1000, [(Emission(due, event.sample, event), end) for event, due, end in events])
    found = notes_of(take)
    assert found.intervals.tolist() == [[0.48, 0.96], [0.5, 0.96], [0.96, 1.92]]
    assert found.pitches.tolist() == [60, 64, 64]
    assert found.velocities.tolist() == [80, 40, 50]
    assert found.out.tolist() == [1.024, 1.024, 1.536]


def test_reference_notes_are_those_of_the_midi_file(tmp_path):
    track = mido.MidiTrack([mido.Message("note_on", note=60, velocity=80, time=480),  # at 120 quarters a minute
                            mido.Message("note_on", note=64, velocity=70, time=240),
                            mido.Message("note_off", note=60, time=240), mido.Message("note_off", note=64, time=480)])  # fmt: skip
    mido.MidiFile(ticks_per_beat=480, tracks=[track]).save(tmp_path / "piece.mid")
    found = reference_notes(tmp_path / "piece.mid")
    assert np.allclose(found.intervals, [(0.5, 1.0), (0.75, 1.5)], atol=1e-5)
    assert found.pitches.tolist() == [60, 64]
    assert found.velocities.tolist() == [80, 70]


def test_the_mean_is_over_pieces():
    assert mean_row([{"onset_f1": 0.5}, {"onset_f1": 1.0}, {"onset_f1": 0.5}]) == {"onset_f1": 0.6667}


def test_pairs_are_recordings_with_notes_of_their_name(tmp_path):
    for name in ("audio/one.flac", "audio/two.wav", "audio/alone.wav", "ref/one.mid", "ref/two.mid", "ref/other.mid"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [(audio.name, midi.name) for audio, midi in find_pairs(tmp_path)] == [
        ("one.flac", "one.mid"),
        ("two.wav", "two.mid"),
    ]
    with pytest.raises(BacklineError, match="holds no pairs of audio"):
        find_pairs(tmp_path / "audio")
