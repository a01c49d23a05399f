"""The figures of the performer's table: pitch, tonalness, nearness and instrument of sounds that are known, kept by content."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks import performer_classifier, performer_programs
from benchmarks.listening_phrases import write_score
from benchmarks.performer_classifier import FOLDERS, WINDOW, find_classifier, side_of
from benchmarks.performer_kept import digest, kept
from benchmarks.performer_pitch import pitch_figures, single_pitches
from benchmarks.performer_programs import Player
from benchmarks.performer_table import listened, main, markdown, named, over_seeds
from benchmarks.record import read_rows
from benchmarks.render_scores import RATE, load_sound, read_recording, score_rendering
from server.errors import BacklineError
from server.evaluation import reference_notes

SECONDS = 4.0
SCALE = np.array([(0.1 + 0.4 * n, 0.48 + 0.4 * n, 62 + 2 * n, 80) for n in range(9)])
THIRDS = np.array([(on, off, pitch + 4, velocity) for on, off, pitch, velocity in SCALE])  # above it


def tone(pitch: float, seconds: float, partials: int = 8) -> np.ndarray:
    """Return a tone with so many partials, each half as strong as the one before."""
    time = np.arange(round(seconds * RATE)) / RATE
    hertz = 440 * 2 ** ((pitch - 69) / 12)
    return 0.2 * sum(0.5**n * np.sin(2 * np.pi * (n + 1) * hertz * time) for n in range(partials))


def sung(notes: np.ndarray, up: float = 0.0, partials: int = 8) -> np.ndarray:
    """Return the sound of a score, moved by so many semitones."""
    sound = np.zeros(round(SECONDS * RATE))
    for onset, offset, pitch, _ in notes:
        part = tone(pitch + up, offset - onset, partials)
        sound[round(onset * RATE) :][: len(part)] += part
    return sound


@pytest.fixture
def played(tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    """A function (samples, notes=SCALE) -> the sound and the score as files."""

    def write(samples: np.ndarray, notes: np.ndarray = SCALE) -> tuple[Path, Path]:
        soundfile.write(tmp_path / "scale.wav", samples, RATE, subtype="FLOAT")
        write_score(tmp_path / "scale.mid", notes)
        return tmp_path / "scale.wav", tmp_path / "scale.mid"

    return write


def noise(seconds: float = SECONDS) -> np.ndarray:
    return 0.1 * np.random.default_rng(0).standard_normal(round(seconds * RATE))


# Pitch and tonalness


def test_a_scale_sounds_its_own_pitches_and_its_power_is_harmonic(played):
    figures = pitch_figures(*played(sung(SCALE)))
    assert figures["pitch"] > 0.98
    assert figures["harmonics_db"] > 25


def test_noise_in_between_lowers_the_tonalness(played):
    none, soft, loud = (pitch_figures(*played(sung(SCALE) + share * noise()))["harmonics_db"] for share in (0, 0.1, 1))
    assert loud + 15 < soft < none - 3


def test_a_semitone_higher_is_wrong_and_a_quarter_of_one_is_not(played):
    assert pitch_figures(*played(sung(SCALE, 1.0)))["pitch"] < 0.02
    assert pitch_figures(*played(sung(SCALE, 0.25)))["pitch"] > 0.9


def test_an_octave_higher_is_wrong(played):
    assert pitch_figures(*played(sung(SCALE, 12.0)))["pitch"] < 0.1


def test_noise_has_no_pitch_and_the_tonalness_that_the_text_says(played):
    figures = pitch_figures(*played(noise()))
    assert figures["pitch"] < 0.2
    assert -5 < figures["harmonics_db"] < 3


def test_only_frames_with_one_voice_count(played):
    _, score = played(sung(SCALE), np.concatenate([SCALE[:1], SCALE[5:6], THIRDS[5:6]]))
    pitches = single_pitches(reference_notes(score), round(SECONDS * RATE / 512))
    assert set(pitches[np.isfinite(pitches)]) == {62}
    counted = np.flatnonzero(np.isfinite(pitches)) * 512 / RATE
    assert counted.min() >= 0.1 + 512 / RATE
    assert counted.max() <= 0.48 - 512 / RATE


def test_a_score_of_chords_alone_gives_no_figure(played):
    assert pitch_figures(*played(sung(SCALE), np.concatenate([SCALE, THIRDS]))) == {}


# Nearness


def test_a_recording_is_near_to_itself_and_noise_is_not(played):
    sound, _ = played(sung(SCALE))
    recording, own = read_recording(sound), load_sound(sound)
    same = score_rendering(recording, own)
    assert (same.mel_db, same.tonality_db, same.shift_ms) == (0, 0, 0)
    assert min(same.envelope, same.timbre, same.chroma, same.onset) > 0.999
    other = score_rendering(recording, noise().astype(np.float32))
    assert other.mel_db > 6
    assert other.tonality_db > 20
    assert other.chroma < 0.9


# The classifier of instruments


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Notes and movements of made instruments that differ by how many partials they have; the double bass is noise."""
    data = tmp_path_factory.mktemp("recordings")
    for partials, (instrument, place) in enumerate(FOLDERS.items(), 1):
        (data / place).mkdir(parents=True)
        if instrument == "violin":
            for name in ("john-garner_bwv1002_mov6", "john-garner_bwv1002_mov8"):
                soundfile.write(data / place / f"{name}.wav", sung(SCALE, 0, 1), RATE)
            continue
        for name in ("C4", "Cs4", "D4", "Ds4", "E4", "F4", "Fs4", "G4"):
            pitch = 60 + ("C4", "Cs4", "D4", "Ds4", "E4", "F4", "Fs4", "G4").index(name)
            sound = noise(0.6) if instrument == "double bass" else tone(pitch, 0.6, 2 * partials)
            soundfile.write(data / place / f"{instrument}_{name}_1.wav", sound, RATE)
    return data


@pytest.fixture(scope="module")
def trained(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that keeps the classifier of `recordings`, learnt from few windows."""
    folder = tmp_path_factory.mktemp("kept")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(performer_classifier, "WINDOWS", {"train": 24, "held out": 8})
        find_classifier(recordings, folder)
    return folder


def test_instruments_are_told_apart_and_the_classifier_is_kept(recordings, trained, tmp_path, monkeypatch):
    monkeypatch.setattr(performer_classifier, "train", lambda found: pytest.fail("it was trained again"))
    classifier = find_classifier(recordings, trained)
    assert classifier.held_out.mean() > 0.7
    assert classifier.held_out[classifier.instruments.index("double bass")] == 1
    hiss, line = (tmp_path / name for name in ("hiss.wav", "line.wav"))
    soundfile.write(hiss, noise(), RATE)
    soundfile.write(line, sung(SCALE, 0, 1), RATE)
    assert classifier.probability(hiss, "double bass") > 0.8 > 0.2 > classifier.probability(hiss, "violin")
    assert classifier.probability(line, "violin") > 0.5 > 0.2 > classifier.probability(line, "double bass")


def test_silence_sounds_like_nothing(recordings, trained, tmp_path):
    soundfile.write(tmp_path / "silence.wav", np.zeros(WINDOW), RATE)
    windows = find_classifier(recordings, trained).probability(tmp_path / "silence.wav", "cello")
    assert 0 <= windows <= 1


def test_what_is_held_out_is_never_learnt_from():
    assert side_of("violin", Path("john-garner_bwv1002_mov6.mp3")) == "train"
    assert side_of("violin", Path("john-garner_bwv1002_mov8.mp3")) == "held out"
    sides = {name: side_of("cello", Path(f"cello_{name}_05_forte.mp3")) for name in ("C2", "Cs2", "D2", "Ds2", "D3")}
    assert sides == {"C2": "train", "Cs2": "train", "D2": "held out", "Ds2": "train", "D3": "held out"}


def test_a_folder_without_recordings_is_named(tmp_path):
    with pytest.raises(BacklineError, match="holds no recordings in perf_violin_bach, notes_philharmonia/cello"):
        find_classifier(tmp_path, tmp_path)


# What is kept


def test_a_file_counts_by_its_bytes(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"a")
    two.write_bytes(b"a")
    before = digest(one, "x")
    assert before == digest(two, "x") != digest(one, "y")
    one.write_bytes(b"bc")
    assert digest(one, "x") != before


def test_a_row_is_made_once(tmp_path):
    made = []
    rows = [kept(tmp_path / "deep", "key", lambda: made.append(1) or {"mel_db": 1.5}) for _ in range(2)]
    assert rows == [{"mel_db": 1.5}] * 2
    assert len(made) == 1


def test_a_changed_model_or_score_is_rendered_anew(tmp_path, played):
    _, score = played(sung(SCALE))
    made = []

    def player(key: str) -> Player:
        def plays(score: Path, rendering: Path, seconds: float) -> None:
            made.append(key)
            soundfile.write(rendering, np.zeros(10), RATE)

        return Player("folder/ours", plays, key)

    first = player("a").rendering(score, 2.0, tmp_path)
    assert player("a").rendering(score, 2.0, tmp_path) == first
    assert first.parent == tmp_path
    assert player("b").rendering(score, 2.0, tmp_path) != first
    write_score(score, SCALE[:3])
    assert player("a").rendering(score, 2.0, tmp_path) != first
    assert made == ["a", "b", "a"]
    assert not list(tmp_path.glob("*.part*"))


# Rows


def test_rows_are_named_behind_an_equals_sign(tmp_path):
    assert named("performer") == ("performer", "")
    assert named("runs/a.onnx=ours, seed 1") == ("runs/a.onnx", "ours, seed 1")
    odd = tmp_path / "rate=3.onnx"
    odd.touch()
    assert named(str(odd)) == (str(odd), "")
    assert named(f"{odd}=ours") == (str(odd), "ours")


def test_seeds_are_summed_up_where_names_agree():
    rows = [{"case": f"piece: ours, seed {seed}", "mel_db": 5.0 + seed, "pitch": 0.5} for seed in (1, 2, 3)]
    rows += [{"case": "piece: ours 12", "mel_db": 1.0}, {"case": "piece: theirs seed 1", "mel_db": 2.0}]
    (whole,) = over_seeds(rows)
    assert whole["case"] == "piece: ours, 3 seeds"
    assert (whole["mel_db"], whole["mel_db_least"], whole["mel_db_most"]) == (7.0, 6.0, 8.0)
    table = markdown("piece", [*rows, whole]).splitlines()
    assert table[0] == "| piece | mel dB | pitch |"
    assert table[-1] == "| ours, 3 seeds | 7.00 (6.00 to 8.00) | 0.50 (0.50 to 0.50) |"
    assert table[-2] == "| theirs seed 1 | 2.00 |  |"


def test_the_table_of_two_names_is_made_once_and_then_read(played, tmp_path, recordings, trained, monkeypatch, capsys):
    played(sung(SCALE))
    performer = str(shutil.copy(_bundled(), tmp_path / "mine.onnx"))
    words = ["--data", str(tmp_path), "--fonts", "--results", str(tmp_path / "results"), "--renders", str(trained)]
    words += [
        "--seeds",
        "--data-notes",
        str(recordings),
        "--model",
        f"{performer}=ours, seed 1",
        "performer=ours, seed 2",
    ]
    assert main(words) == 0
    first = capsys.readouterr()
    assert "no row for the published network" in first.err
    rows = {row["case"]: row for row in read_rows(tmp_path / "results")}
    assert set(rows) == {f"scale: {name}" for name in ("recording", "ours, seed 1", "ours, seed 2", "ours, 2 seeds")}
    one, two, whole = (rows[f"scale: {name}"] for name in ("ours, seed 1", "ours, seed 2", "ours, 2 seeds"))
    assert one["mel_db"] == two["mel_db"] == whole["mel_db"] == whole["mel_db_most"]
    assert {"transcriber_f1", "pitch", "harmonics_db", "instrument"} <= set(rows["scale: recording"])
    assert one["pitch"] > 0.8
    assert "mel_db" not in rows["scale: recording"]
    monkeypatch.setattr("server.cli.main", lambda words: pytest.fail("it was rendered again"))
    monkeypatch.setattr("benchmarks.performer_ears.score_rendering", lambda *given: pytest.fail("it was scored again"))
    assert main(words) == 0
    assert capsys.readouterr().out == first.out


def test_a_model_that_is_not_there_is_left_out_with_a_sentence(played, tmp_path, capsys):
    played(sung(SCALE))
    assert main(["--data", str(tmp_path), "--fonts", "--results", str(tmp_path / "r"), "--model", "nobody=x"]) == 0
    assert "no row for nobody: there is no model 'nobody'" in capsys.readouterr().err


def test_ears_that_say_nothing_leave_no_figure(played, tmp_path):
    sound, score = played(sung(SCALE))
    assert listened(sound, score, [], tmp_path) == {}
    assert performer_programs.find_fonts(("nowhere.sf2",)) == {"nowhere.sf2": None}


def _bundled() -> Path:
    from models.registry import bundled_files

    return bundled_files()["performer"]
