"""The front end's measures: what is right scores 1, what is not does not, and a model's ear is run over songs."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from benchmarks import arranger_front_end
from benchmarks.arranger_front_end import beat_f1, chord_scores, harte, judge, read_chords
from benchmarks.arranger_hearing import Activations, find
from benchmarks.record import read_rows
from models.arranger.chords import Chord
from models.arranger.config import BANDS, CHORD, FRAME_RATE, HOP, SAMPLE_RATE
from models.arranger.ear_network import EarConfig, EarNetwork
from models.arranger.hearing import told

BEATS = 1.0 + 0.6 * np.arange(40)
CHORDS = [Chord(9, "m", 9)] * 16 + [Chord(5, "", 9)] * 24


@pytest.fixture
def activations() -> Activations:
    """What an ear would say that is right about BEATS and CHORDS."""
    frames = np.arange(round(told(np.array(26.0 * SAMPLE_RATE))))
    places = told(BEATS * SAMPLE_RATE)
    near = np.exp(-0.5 * (frames[:, None] - places) ** 2)
    beat = np.stack([near.max(1), near[:, ::4].max(1)], 1) * 0.9
    numbers = np.clip(np.searchsorted(places, frames, "right") - 1, 0, len(BEATS) - 1)
    rows = np.stack([chord.row() for chord in CHORDS])[numbers]
    return Activations(beat, np.clip(rows, 0.03, 0.97))


def reference(name: str = "song") -> arranger_front_end.Reference:
    spans = np.array([[1.0, BEATS[16]], [BEATS[16], BEATS[-1]]])
    down = np.arange(40) % 4 == 0
    return arranger_front_end.Reference(name, np.zeros(0, np.float32), BEATS, down, (spans, ["A:min7", "F:maj/3"]))


def test_true_activations_score_one(activations):
    row = judge(reference(), find(activations))
    assert row.pop("case") == "song"
    assert 2.0 < row.pop("locked_after_seconds") < 6.0
    assert min(value for name, value in row.items() if not name.endswith("told")) > 0.97
    assert min(row["beat_f1_told"], row["downbeat_f1_told"]) > 0.9  # a beat at either end


def test_what_is_told_in_time_is_where_it_was(activations):
    found = find(activations)
    away = np.abs(found.told[found.told > 8.0][:, None] - BEATS).min(1)
    assert np.percentile(away[:-1], 90) < 0.03


def test_silence_has_no_beats():
    nothing = np.zeros((1000, CHORD), np.float32)
    row = judge(reference(), find(Activations(np.zeros((1000, 2)), nothing)))
    assert row["locked_after_seconds"] is None
    assert row["beat_f1_told"] == row["downbeat_f1_decided"] == row["chord_root_file"] == 0


def test_beats_half_a_beat_late_are_wrong_and_the_first_seconds_do_not_count():
    assert beat_f1(BEATS, BEATS) == 1
    assert beat_f1(BEATS, BEATS[5:]) > 0.97
    assert beat_f1(BEATS, BEATS + 0.3) == 0


def test_chords_count_by_their_length_and_only_major_and_minor_are_told_apart():
    spans = np.array([[0.0, 6.0], [6.0, 8.0]])
    assert chord_scores(spans, ["C:maj7", "A:min"], np.array([0.0, 6.0, 8.0]), ["C:maj", "A:maj"]) == (1.0, 0.75)
    assert chord_scores(spans, ["C:maj", "N"], np.array([0.0, 8.0]), ["C:maj"]) == (0.75, 0.75)


def test_decided_chords_have_their_names_in_data_sets():
    told_as = {"": "C:maj", "m7b5": "C:hdim7", "sus4": "C:sus4", "m": "C:min"}
    assert {kind: harte(Chord(0, kind, 0).row()) for kind in told_as} == told_as
    assert harte(Chord(12, "", 12).row()) == "N"


def test_chords_of_a_song_are_transposed(tmp_path: Path):
    (tmp_path / "chord_midi.txt").write_text("0.0\t1.0\tN\n1.0\t2.5\tBb:min7/b3\n")
    spans, names = read_chords(tmp_path / "chord_midi.txt", 3)
    assert names == ["N", "C#:min7/b3"]
    np.testing.assert_array_equal(spans, [[0, 1], [1, 2.5]])


def test_an_ear_is_run_over_real_songs(tmp_path: Path, torch_step):
    (tmp_path / "mix").mkdir()
    rng = np.random.default_rng(1)
    soundfile.write(tmp_path / "mix" / "one.wav", 0.1 * rng.standard_normal(8 * 8000), 8000)
    lines = [f"{time:.3f}\t{number % 4 + 1}" for number, time in enumerate(0.5 * np.arange(16))]
    (tmp_path / "one.beats").write_text("\n".join(lines))
    torch.manual_seed(0)
    network = EarNetwork(EarConfig(bands=4, channels=6, context=8, reduced=2, colours=3, chords=8)).eval()
    rows = arranger_front_end.measure(torch_step(network, ("spectrum",)), arranger_front_end.real(tmp_path), "real")
    assert [row["case"] for row in rows] == ["real one", "mean of 1 real"]
    assert "chord_root_file" not in rows[0]
    assert 0 <= rows[1]["beat_f1_decided"] <= 1


def test_the_ear_hears_all_of_the_audio(torch_step):
    network = EarNetwork(EarConfig(bands=4, channels=6, context=8, reduced=2, colours=3, chords=8)).eval()
    heard = arranger_front_end.hear(torch_step(network, ("spectrum",)), np.zeros(SAMPLE_RATE, np.float32))
    assert heard.beat.shape == (int(told(np.array(float(SAMPLE_RATE)))) + 1, 2)
    assert len(heard.chord) == len(heard.beat) > FRAME_RATE
    assert HOP * FRAME_RATE == SAMPLE_RATE
    assert BANDS == 176


@pytest.mark.parametrize(
    ("words", "says"),
    [([], "nothing to listen to"), (["--real", "nowhere", "--model", "drummer"], "model 'drummer' has no graph 'ear'")],
)
def test_what_cannot_be_measured_is_said(words, says, capsys, tmp_path):
    assert arranger_front_end.main([*words, "--results", str(tmp_path)]) == 2
    assert says in capsys.readouterr().err
    assert not list(tmp_path.iterdir()) or not read_rows(tmp_path)
