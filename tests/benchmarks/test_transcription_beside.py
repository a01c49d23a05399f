"""The transcriber beside Basic Pitch on a real violin and on renders, and what talks to it: on a bit of the take and made renders."""

import shutil
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks import instrument_groups, real_violin, transcription_speech, transcription_trials
from benchmarks.real_violin import TRAINED, excerpts, part_of
from benchmarks.record import read_rows
from benchmarks.transcription_curve import pairs_of
from benchmarks.transcription_speech import PROGRAM, TEXT, VOICES, say
from models.sound.renders import SAMPLE_RATE, Render
from server.audio.file import read_audio, write_audio
from server.errors import BacklineError
from server.evaluation import Notes, reference_notes
from server.live_routes import TAKE
from server.midi.file import read_midi, write_midi

SECONDS = 3.0
FIGURES = {"onset_f1", "note_f1"}


def copy_take(path: Path, seconds: float = SECONDS) -> None:
    """Write the beginning of the bundled take as `path` and its notes beside it."""
    samples, rate = read_audio(TAKE)
    write_audio(path, samples[:, : round(seconds * rate)], rate)
    events = [event for event in read_midi(TAKE.with_suffix(".mid"), rate) if event.sample < seconds * rate]
    write_midi(path.with_suffix(".mid"), events, rate, path.stem)


@pytest.fixture
def fake_peers(tmp_path: Path) -> Path:
    """A Python that says it has Basic Pitch 9, which hears nothing."""
    path = tmp_path / "python"
    path.write_text(
        f"#!{sys.executable}\n"
        "import json, sys, pathlib\n"
        "if len(sys.argv) == 2:\n"
        "    print(json.dumps({'basic_pitch': '9'})); sys.exit()\n"
        "for file in sys.argv[4:]:\n"
        "    heard = json.dumps({'notes': [], 'whole_file': True})\n"
        "    pathlib.Path(sys.argv[3], pathlib.Path(file).stem + '.json').write_text(heard)\n"
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


class TinyPlan:
    """Half a second of a tone an index, of two groups in turn; it counts how often it was asked to play."""

    def __init__(self) -> None:
        self.played = 0

    def group(self, index: int) -> str:
        return ("bass", "voice")[index % 2]

    def player(self) -> Callable[[int], Render]:
        def play(index: int) -> Render:
            self.played += 1
            tone = np.sin(0.1 * np.arange(SAMPLE_RATE // 2))
            notes = np.array([(800 * (index + 1), 6000, 60 + index, 80)], np.int32)
            return Render(np.round(16_000 * tone).astype(np.int16), notes, group=self.group(index))

        return play


def test_an_excerpt_has_a_time_of_its_own_and_its_notes_end_with_it():
    whole = np.array([(19.9, 21.0, 60), (20.5, 21.0, 61), (49.4, 55.0, 62), (49.6, 49.8, 63), (51.0, 52.0, 64)])
    part = part_of(Notes(whole[:, :2], whole[:, 2], np.full(5, 80.0), np.zeros(5)), 20.0)
    assert part.pitches.tolist() == [61, 62]
    assert part.intervals == pytest.approx(np.array([(0.5, 1.0), (29.4, 30.0)]))


def test_a_recording_is_cut_as_far_as_it_is_long_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(real_violin, "STARTS", (0.5, 2.0))
    monkeypatch.setattr(real_violin, "EXCERPT_SECONDS", 2.0)
    copy_take(tmp_path / "one.wav")
    (tmp_path / "cut").mkdir()
    (excerpt,) = excerpts(pairs_of(tmp_path), tmp_path / "cut")
    whole, rate = read_audio(tmp_path / "one.wav")
    samples, _ = read_audio(excerpt.path)
    assert np.allclose(samples, whole[:, round(0.5 * rate) : round(2.5 * rate)], atol=1e-6)
    assert (excerpt.recording, excerpt.start) == ("one", 0.5)


def test_movements_that_were_trained_on_stand_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(real_violin, "STARTS", (0.0, 0.5))
    monkeypatch.setattr(real_violin, "EXCERPT_SECONDS", 1.5)
    copy_take(tmp_path / f"{TRAINED[0]}.wav", 1.6)
    copy_take(tmp_path / "somebody.wav")
    words = ["--data", str(tmp_path), "--set", "instrument=piano", "--results", str(tmp_path)]
    assert real_violin.main(words) == 0
    rows = {row["case"]: row for row in read_rows(tmp_path)}
    assert {case: row["pieces"] for case, row in rows.items()} == {
        f"{TRAINED[0]}, from 0 s": 1, "somebody, from 0 s": 1, "somebody, from 0.5 s": 1,
        TRAINED[0]: 1, "somebody": 2, "all": 3, "never trained on": 2,
    }  # fmt: skip
    single = [rows[f"somebody, from {start} s"]["onset_f1"] for start in ("0", "0.5")]
    assert (
        rows["never trained on"]["onset_f1"] == rows["somebody"]["onset_f1"] == pytest.approx(np.mean(single), abs=1e-4)
    )
    assert min(single) > 0.5
    assert "basic_pitch_onset_f1" not in rows["all"]
    shown = capsys.readouterr()
    assert "never trained on" in shown.out
    assert "no figures of Basic Pitch: no --peers-python was given" in shown.err


def test_recordings_that_are_too_short_are_refused_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    copy_take(tmp_path / "short.wav")
    assert real_violin.main(["--data", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"backline bench real_violin: {tmp_path} holds no recording of 50 s, as the first excerpt needs\n"
    )


def test_a_render_is_written_with_its_notes_and_not_made_again(tmp_path: Path):
    plan = TinyPlan()
    for _ in range(2):
        pairs = list(instrument_groups.make(plan, range(3), tmp_path))
    assert plan.played == 3
    assert [audio.name for audio, _ in pairs] == ["bass_0.wav", "voice_0.wav", "bass_1.wav"]
    for index, (audio, midi) in enumerate(pairs):
        samples, rate = soundfile.read(audio)
        assert rate == SAMPLE_RATE
        assert np.allclose(32_768 * samples, plan.player()(index).audio, atol=0.05)
        notes = reference_notes(midi)
        assert notes.pitches.tolist() == [60 + index]
        assert notes.intervals * SAMPLE_RATE == pytest.approx(np.array([(800 * (index + 1), 6000)]), abs=8)


def test_groups_are_scored_beside_basic_pitch(tmp_path: Path, fake_peers: Path):
    folder, results = tmp_path / "folder", tmp_path / "results"
    folder.mkdir()
    for name in ("piano_0", "piano_1"):
        copy_take(folder / f"{name}.wav")
    words = ["--folder", folder, "--peers-python", fake_peers, "--results", results]
    assert instrument_groups.main([str(word) for word in words]) == 0
    rows = {row["case"]: row for row in read_rows(results)}
    assert {case: row["pieces"] for case, row in rows.items()} == {"piano": 2, "all": 2}
    assert rows["piano"]["onset_f1"] > 0.7
    assert {row[f"basic_pitch_{name}"] for row in rows.values() for name in FIGURES} == {0.0}


def test_where_there_is_nothing_to_hear_a_sentence_says_so(capsys: pytest.CaptureFixture[str]):
    assert instrument_groups.main([]) == 2
    assert capsys.readouterr().err.startswith("backline bench instrument_groups: there is nothing to hear: give --data")


@pytest.mark.skipif(shutil.which(PROGRAM) is None, reason="espeak-ng is not installed")
def test_two_voices_talk_and_notes_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(transcription_speech, "MINUTE", 2.0)
    monkeypatch.setattr(transcription_speech, "TEXT", TEXT[:80])
    words = ["--material", str(tmp_path), "--trials", "speech", "--results", str(tmp_path)]
    assert transcription_trials.main(words) == 0
    made = {path.stem: path for path in (tmp_path / "speech" / "audio").iterdir()}
    assert set(made) == set(VOICES)
    man, woman = (read_audio(made[name])[0] for name in VOICES)
    assert man.shape == woman.shape == (1, 96_000)
    assert min(np.abs(man).max(), np.abs(woman).max()) > 0.1
    assert not np.array_equal(man, woman)
    rows = [row["case"].partition(": ")[2] for row in read_rows(tmp_path) if "false_a_minute" in row]
    assert sorted(rows) == ["speech, man", "speech, woman"]


def test_without_espeak_a_sentence_says_so_and_what_is_there_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BacklineError, match="needs espeak-ng, which is not installed"):
        say(tmp_path / "audio")
    assert not (tmp_path / "audio").exists()
    (tmp_path / "audio").mkdir()
    for name in VOICES:
        (tmp_path / "audio" / f"{name}.flac").touch()
    say(tmp_path / "audio")
