"""The drummer's measures: what is right scores 1, what is not does not, and a row stands for each player of a song."""

from pathlib import Path

import numpy as np
import pretty_midi
import pytest
import torch

from benchmarks import drummer_table
from benchmarks.drummer_programs import others_bass, placed
from benchmarks.drummer_scores import KICK, SNARE, TIME, Beats, bars_of, folded, read_beats, rock_beat, score
from benchmarks.record import read_rows
from models.drummer.config import DrummerConfig
from models.drummer.network import DrummerNetwork
from models.layers.checkpoint import write_tensors

BEATS = Beats(0.3 + 0.5 * np.arange(33), np.arange(33) % 4 + 1)


def test_true_drums_score_one():
    true = rock_beat(BEATS)
    scores = score(true, true, BEATS).to_json()
    assert scores == dict.fromkeys(scores, 1.0) | {"grid_expected": 0.48}


def test_drums_half_a_bar_late_miss_what_is_not_the_same_there():
    true = folded((time, note) for time in BEATS.times for note in (36, 42))
    kicks = folded((time, 36) for time in BEATS.times[::4])
    scores = score(kicks, kicks.shifted(1.0), BEATS)
    assert scores.kick_f1 == 0
    assert scores.groove_cosine == 0
    assert score(true, kicks, BEATS).groove_cosine == pytest.approx(1 / np.sqrt(8), abs=1e-6)


def test_a_bar_holds_its_own_onsets_and_an_early_one_belongs_to_the_next():
    hits = folded([(0.3, 36), (2.27, 38), (2.3, 46), (0.55, 45)])
    bars = bars_of(BEATS, hits)
    assert len(bars) == 8
    assert np.argwhere(bars[0]).tolist() == [[0, 0]]
    assert np.argwhere(bars[1]).tolist() == [[0, 1], [0, 2]]


def test_empty_bars_on_both_sides_agree():
    nothing = folded([])
    assert score(nothing, nothing, BEATS).groove_cosine == 1
    assert score(nothing, rock_beat(BEATS), BEATS).groove_cosine == 0
    assert score(nothing, rock_beat(BEATS), BEATS).kick_f1 == 0


def test_general_midi_folds_to_parts():
    hits = folded([(1.0, 35), (2.0, 40), (3.0, 51), (4.0, 49), (5.0, 56)])
    assert hits.parts.tolist() == [KICK, SNARE, TIME, TIME]


def test_beats_that_are_none_are_refused(tmp_path: Path):
    for text in ("", "1.0 1\n0.5 2\n", "one two\n"):
        (tmp_path / "x.beats").write_text(text)
        with pytest.raises(ValueError, match=r"x\.beats"):
            read_beats(tmp_path / "x.beats")


def test_notes_lie_on_the_beats_and_repeat_on_another_grid():
    notes = placed(np.array([[0.3, 0.8, 40, 0.5], [1.05, np.inf, 43, 0.6], [1.3, np.inf, 45, 0.7]]), BEATS)
    np.testing.assert_allclose(notes[:, 0], [0, 1.5, 2])
    np.testing.assert_allclose(notes[:, 1], [1, 0.5, 0.5])
    np.testing.assert_allclose(others_bass(notes, BEATS)[:6, 0], [0, 1.5, 2, 4, 5.5, 6])


def test_a_folder_of_songs_gives_a_row_for_each_player_and_their_means(tmp_path: Path):
    for index, name in enumerate(("one", "two")):
        _write_song(tmp_path, name, index)
    torch.manual_seed(1)
    network = DrummerNetwork(DrummerConfig(hidden=16, summary=8))
    write_tensors(tmp_path / "net.safetensors", network.state_dict(), {"config": network.config.to_json()})
    words = ["--data", str(tmp_path), "--checkpoint", str(tmp_path / "net.safetensors"), "--results", str(tmp_path)]
    assert drummer_table.main(words) == 0
    rows = {row["case"]: row for row in read_rows(tmp_path / "drummer_table.jsonl")}
    assert len(rows) == 3 * 4
    assert rows["one: rock beat"]["groove_cosine"] == 1
    assert rows["mean of 2: drummer"]["grid_share"] == 1
    assert rows["mean of 2: drummer"]["songs_above_rock"] == 0
    assert rows["two: another song's drums"]["kick_f1"] == 1


def test_an_unknown_setting_is_named(tmp_path: Path, capsys):
    words = ["--data", str(tmp_path), "--checkpoint", "none", "--set", "groove=1"]
    assert drummer_table.main(words) == 2
    assert "there is no setting 'groove'; allowed: style, density" in capsys.readouterr().err


def _write_song(folder: Path, name: str, index: int) -> None:
    (folder / "ref").mkdir(exist_ok=True)
    (folder / "audio").mkdir(exist_ok=True)
    lines = [f"{time:.4f}\t{number}" for time, number in zip(BEATS.times, BEATS.numbers, strict=True)]
    (folder / f"{name}.beats").write_text("\n".join(lines))
    hits = rock_beat(BEATS)
    drums, bass = pretty_midi.Instrument(0, True), pretty_midi.Instrument(33)
    drums.notes = [pretty_midi.Note(90, int(p), t, t + 0.05) for t, p in zip(hits.times, hits.parts, strict=True)]
    bass.notes = [pretty_midi.Note(80, 30 + index, t, t + 0.2) for t in BEATS.times[::2]]
    for path, track in ((folder / "ref" / f"{name}.mid", drums), (folder / "audio" / f"{name}.mid", bass)):
        midi = pretty_midi.PrettyMIDI()
        midi.instruments.append(track)
        midi.write(str(path))
