"""One command trains and judges who draws drums; strokes are read from sound, and a song's bars are drawn for a voice."""

from pathlib import Path

import numpy as np
import pretty_midi
import pytest
import soundfile

from benchmarks import drummer_mel_table, drummer_voice2song
from benchmarks.drummer_mel_systems import read_songs
from benchmarks.drummer_mel_table import markdown, over_seeds
from benchmarks.drummer_onsets import strokes
from benchmarks.drummer_scores import GROOVE, Beats, part_f1, rock_beat
from benchmarks.record import read_rows
from models.drummer.manifest import SAMPLE_RATE
from models.drummer.published.config import SMALL
from models.drummer.published.data import write_pieces
from models.drummer.published.rendered import Rendered, play_kit

BEATS = Beats(0.3 + 0.5 * np.arange(25), np.arange(25) % 4 + 1)
SECONDS = 13.0
TRAINED = ("as published", "live")


def rock() -> np.ndarray:
    hits = rock_beat(BEATS)
    return play_kit(np.column_stack([hits.times, hits.parts, np.full(len(hits.times), 100)]), SECONDS)


def rock_at(rate: int) -> np.ndarray:
    import soxr

    return np.asarray(soxr.resample(rock(), SAMPLE_RATE, rate), np.float32)


def low_notes(rate: int = SAMPLE_RATE, seconds: float = SECONDS) -> np.ndarray:
    time = np.arange(round(seconds * rate)) / rate
    return (0.3 * np.sin(2 * np.pi * 55 * time) * np.exp(-((time - 0.3) % 0.5) / 0.2)).astype(np.float32)


def test_strokes_of_our_kit_are_heard_where_they_were_struck():
    true, heard = rock_beat(BEATS), strokes(rock(), SAMPLE_RATE)
    assert all(part_f1(true, heard, part) > 0.95 for part in GROOVE)
    assert len(strokes(np.zeros(SAMPLE_RATE, np.float32), SAMPLE_RATE).times) == 0


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    """A folder with one song to judge with: a plain beat and a low note on every beat."""
    folder = tmp_path / "judge"
    for part in ("ref", "audio", "drums"):
        (folder / part).mkdir(parents=True)
    lines = [f"{time:.4f}\t{number}" for time, number in zip(BEATS.times, BEATS.numbers, strict=True)]
    (folder / "one.beats").write_text("\n".join(lines))
    hits, track = rock_beat(BEATS), pretty_midi.Instrument(0, True)
    track.notes = [pretty_midi.Note(90, int(p), t, t + 0.05) for t, p in zip(hits.times, hits.parts, strict=True)]
    midi = pretty_midi.PrettyMIDI()
    midi.instruments.append(track)
    midi.write(str(folder / "ref" / "one.mid"))
    soundfile.write(folder / "drums" / "one.flac", rock(), SAMPLE_RATE)
    soundfile.write(folder / "audio" / "one.flac", low_notes(), SAMPLE_RATE)
    return folder


def test_one_command_trains_all_and_writes_a_row_for_each(songs: Path, tmp_path: Path, capsys):
    pair = Rendered("a", "train", {"bass": low_notes(), "drums": rock()})
    for stage in ("separated", "clean"):
        write_pieces([pair], "bass2drums", tmp_path / "work" / stage, SMALL)
    words = ["--data", str(songs), "--folder", str(tmp_path / "work"), "--minutes", "0.001", "--seeds", "1"]
    words += ["--kinds", *TRAINED]
    assert drummer_mel_table.main([*words, "--results", str(tmp_path)]) == 0
    rows = {row["case"]: row for row in read_rows(tmp_path / "drummer_mel_table.jsonl")}
    assert rows["all 1: real drums"]["frechet"] == 0
    assert rows["all 1: rock beat in our kit"]["groove_cosine_notes"] == 1
    assert rows["all 1: their strokes in our kit"]["kick_f1"] > 0.95
    assert rows["all 1: drummer"]["kick_f1_notes"] > 0.3
    for name in TRAINED:
        row = rows[f"all 1: {name}, 0.001 min, seed 1"]
        assert row["frechet"] > rows["all 1: rock beat in our kit"]["frechet"]
        assert row["steps"] >= 2, "one in each stage"
        assert f"one: {name}, 0.001 min, seed 1" in rows
        assert rows[f"all 1: {name}, 0.001 min, 1 seeds"]["frechet_most"] == row["frechet"]
    assert "| as published, 0.001 min, 1 seeds |" in capsys.readouterr().out


def test_over_seeds_a_figure_has_its_mean_and_what_it_lies_between():
    rows = [
        {"case": f"all 3: live, seed {seed}", "core_minutes": 1, "steps": 10, "frechet": float(seed)}
        for seed in (1, 2, 6)
    ]
    (whole,) = over_seeds([*rows, {"case": "all 3: drummer", "frechet": 2.0}])
    assert (whole["case"], whole["frechet"], whole["frechet_least"], whole["frechet_most"]) == (
        "all 3: live, 3 seeds",
        3,
        1,
        6,
    )
    assert markdown([*rows, whole]).splitlines()[2].startswith("| live, 3 seeds | 3.0 (1.0 to 6.0) |")


def test_what_is_missing_is_named(songs: Path, tmp_path: Path, capsys):
    assert drummer_mel_table.main(["--data", str(tmp_path), "--folder", str(tmp_path)]) == 2
    assert "holds no NAME.beats" in capsys.readouterr().err
    assert drummer_mel_table.main(["--data", str(songs), "--folder", str(tmp_path / "none"), "--model", ""]) == 2
    assert "nothing to train on" in capsys.readouterr().err
    (songs / "drums" / "one.flac").unlink()
    with pytest.raises(Exception, match=r"drums holds no one\.flac or \.wav"):
        read_songs(songs)


def test_bars_begin_where_the_song_says():
    kept = drummer_voice2song.bar_lines(rock_at(drummer_voice2song.RATE))
    np.testing.assert_allclose(np.diff(kept), 2.0, atol=0.01)
    assert kept[0] % 1.0 == pytest.approx(0.3, abs=0.03), "the plain beat's first or third beat: both have its kick"
    assert drummer_voice2song.bar_lines(np.zeros(9000, np.float32)) == []


def test_a_song_for_a_voice_is_judged_beside_the_voice_and_another_song(tmp_path: Path):
    def song(name: str, split: str) -> Rendered:
        return Rendered(name, split, {"vocals": low_notes(), "mixture": low_notes() + rock()})

    songs = [song("taught", "train"), song("aside", "validation")]
    write_pieces(songs, "voice2song", tmp_path / "clean", SMALL)
    rows = list(drummer_voice2song.measure(tmp_path, 0.001, 1, songs))
    assert [row["case"] for row in rows] == [
        "aside: voice alone", "aside: another song", "aside: network, seed 1, by windows", "aside: network, seed 1, by bars",
    ]  # fmt: skip
    assert rows[1]["frechet"] < 1, "the same song again"
    assert rows[1]["low_f1"] == 1
    assert rows[2]["frechet"] > rows[0]["frechet"] > 1
