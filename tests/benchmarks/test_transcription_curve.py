"""The comparison of transcribers: its figures on notes made by hand, its material, and its commands on a bit of the take."""

import json
import stat
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import transcription_curve, transcription_trials
from benchmarks.curve_picture import draw
from benchmarks.record import read_rows
from benchmarks.transcription_curve import grouped, measure, pairs_of
from benchmarks.transcription_material import GAPS_MS, events_of, restrikes, ten_minutes
from benchmarks.transcription_programs import Program, find_peers, missing_peers, moved_back, nearest_head, peer_program
from benchmarks.transcription_scores import (
    FRAME_SECONDS,
    NOBODY,
    UNHELD,
    Part,
    above,
    figures,
    frame_f1,
    held,
    mean,
    pedal_f1,
    reference_part,
    spread_ms,
)
from benchmarks.transcription_signals import NOISES
from benchmarks.transcription_trials import drift_f1, restrike_recall
from models.events import ControlChange, NoteOff, NoteOn
from models.sound.performance import Performance
from server.audio.file import read_audio, write_audio
from server.cli import main
from server.commands.bench import MARK
from server.errors import BacklineError
from server.evaluation import Notes
from server.live_routes import TAKE
from server.midi.file import read_midi, write_midi
from server.model_store import find_model

CLIP_SECONDS = 3.0


def notes(*rows: tuple[float, ...], late: float = 0.0) -> Notes:
    """Return notes of onset, offset, pitch and velocity, each out `late` seconds after its onset."""
    array = np.array(rows, float).reshape(-1, 4)
    return Notes(array[:, :2], array[:, 2], array[:, 3], array[:, 0] + late)


def part(*rows: tuple[float, ...], late: float = 0.0, pedal: tuple[tuple[float, float], ...] = ()) -> Part:
    return Part(notes(*rows, late=late), np.array(pedal, float).reshape(-1, 2))


PLAYED = ((0.5, 1.0, 60, 80), (1.0, 1.5, 64, 70), (1.5, 2.0, 38, 60), (2.0, 2.5, 36, 60))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first seconds of the bundled take as a folder of audio/ and ref/."""
    folder = tmp_path_factory.mktemp("clip")
    samples, rate = read_audio(TAKE)
    for name in ("audio", "ref"):
        (folder / name).mkdir()
    write_audio(folder / "audio" / "take.flac", samples[:, : round(CLIP_SECONDS * rate)], rate)
    events = [event for event in read_midi(TAKE.with_suffix(".mid"), rate) if event.sample < CLIP_SECONDS * rate]
    write_midi(folder / "ref" / "take.mid", events, rate, "take")
    return folder


@pytest.fixture
def fake_peers(tmp_path: Path) -> Path:
    """A Python that says it has aubionotes 9, hears a note 60 ms late in every file, and counts how often it was run."""
    path = tmp_path / "python"
    path.write_text(
        f"#!{sys.executable}\n"
        "import json, sys, pathlib\n"
        "if len(sys.argv) == 2:\n"
        "    print('loading'); print(json.dumps({'aubionotes': '9'})); sys.exit()\n"
        f"with open({str(tmp_path / 'runs')!r}, 'a') as runs: runs.write('x')\n"
        "for file in sys.argv[4:]:\n"
        "    heard = {'notes': [[0.56, 1.0, 60, 80, 0.57]], 'whole_file': False}\n"
        "    pathlib.Path(sys.argv[3], pathlib.Path(file).stem + '.json').write_text(json.dumps(heard))\n"
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_a_live_note_counts_until_the_heads_look_ahead_and_15_ms_have_gone_by():
    reference = part(*PLAYED)
    assert figures(reference, part(*PLAYED, late=0.034), 3.0, head_ms=20.0)["live_f1"] == 1
    row = figures(reference, part(*PLAYED, late=0.036), 3.0, head_ms=20.0)
    assert row["live_f1"] == 0
    assert row["onset_f1"] == 1
    assert [row[f"lateness_p{q}_ms"] for q in (5, 50, 95)] == pytest.approx([36, 36, 36])


def test_false_notes_are_counted_by_the_minute_and_low_ones_by_what_was_played():
    row = figures(part(*PLAYED), part(*PLAYED[:3], (2.2, 2.3, 90, 50), (2.4, 2.5, 91, 50)), 30.0, 20.0)
    assert row["false_a_minute"] == pytest.approx(4)
    assert (row["low_notes"], row["low_found"]) == (2, 1)


def test_notes_are_chosen_by_pitch_and_by_when_they_begin():
    chosen = above(notes(*PLAYED), 38, start=1.0, end=2.0)
    assert chosen.pitches.tolist() == [64, 38]
    assert chosen.intervals[:, 0].tolist() == [1.0, 1.5]


def test_a_mean_leaves_out_pieces_without_a_figure_and_pools_low_notes():
    row = mean([{"a": 1.0, "low_notes": 1, "low_found": 1}, {"a": 0.5, "b": 3.0, "low_notes": 3, "low_found": 0}])
    assert (row["a"], row["b"], row["low_recall"]) == (0.75, 3.0, 0.25)


def test_who_heard_nothing_has_no_lateness():
    row = figures(part(*PLAYED), Part(NOBODY, UNHELD), 3.0, 20.0)
    assert row["onset_f1"] == row["frame_f1"] == 0
    assert not [name for name in row if name.endswith("_ms")]


def test_spread_is_the_median_over_pitches_that_were_struck_often_enough():
    late, pitches = np.arange(30.0), np.array([60.0] * 10 + [61.0] * 10 + [62.0] * 7 + [63.0] * 3)
    late[10:20] *= 3
    assert spread_ms(late, pitches) == pytest.approx((0.9 * 9 + 0.9 * 27) / 2)
    assert spread_ms(late[20:], pitches[20:]) is None


def test_frames_are_those_in_which_a_pitch_sounds():
    ten = notes((0.0, 10 * FRAME_SECONDS, 60, 80))
    assert frame_f1(ten, notes((0.0, 5 * FRAME_SECONDS, 60, 80))) == pytest.approx(10 / 15)
    assert frame_f1(ten, notes((0.0, 10 * FRAME_SECONDS, 61, 80))) == 0
    assert frame_f1(NOBODY, NOBODY) == 1


@pytest.mark.parametrize(
    ("heard", "expected"),
    [([(1.0, 2.0)], 1.0), ([(1.5, 2.5)], 0.5), ([(0.5, 2.5)], 2 / 3), ([], 0.0), ([(1.0, 1.5), (1.5, 2.0)], 1.0)],
)
def test_the_pedal_is_scored_in_frames(heard: list[tuple[float, float]], expected: float):
    spans = np.array(heard, float).reshape(-1, 2)
    assert pedal_f1(np.array([(1.0, 2.0)]), spans, 4.0) == pytest.approx(expected)


def test_nobody_pressing_the_pedal_agrees_with_nobody_hearing_it():
    assert pedal_f1(UNHELD, UNHELD, 4.0) == 1


def test_a_held_note_ends_with_the_pedal_or_when_it_is_struck_again():
    side = part((0.0, 0.5, 60, 80), (0.2, 0.4, 64, 80), (1.5, 1.6, 64, 80), (2.5, 2.7, 60, 80), pedal=((0.3, 2.0),))
    assert held(side).intervals[:, 1].tolist() == [2.0, 1.5, 2.0, 2.7]


def test_both_sides_are_held_where_the_reference_has_a_pedal_and_neither_where_not():
    dry, pressed = part((0.0, 0.5, 60, 80)), part((0.0, 0.5, 60, 80), pedal=((0.1, 3.0),))
    assert figures(dry, pressed, 3.0, 20.0)["note_f1"] == 1
    assert figures(pressed, dry, 3.0, 20.0)["note_f1"] == 0
    assert figures(pressed, pressed, 3.0, 20.0)["note_f1"] == 1


def test_restrike_recall_counts_pitches_struck_twice_and_heard_twice():
    played = notes(*((t, t + 0.03, p, 80) for t, p in ((1.0, 60), (1.06, 60), (3.0, 60), (4.0, 64), (4.2, 64))))
    assert restrike_recall(played, played) == (1.0, 2)
    one_for_two = notes((1.0, 1.03, 60, 80), (3.0, 3.1, 60, 80), (4.0, 4.1, 64, 80), (4.2, 4.3, 64, 80))
    assert restrike_recall(played, one_for_two) == (0.5, 2)
    second_alone = notes((1.06, 1.1, 60, 80), (4.0, 4.1, 64, 80), (4.2, 4.3, 64, 80))
    assert restrike_recall(played, second_alone) == (0.5, 2)
    late = Notes(played.intervals + 0.04, played.pitches, played.velocities, played.out)
    assert restrike_recall(played, late) == (1.0, 2)


def test_drift_is_seen_by_the_minute():
    played = part((10.0, 11.0, 60, 80), (550.0, 551.0, 60, 80), (580.0, 581.0, 62, 80))
    assert drift_f1(played, part((10.0, 11.0, 60, 80), (550.2, 551.0, 60, 80), (580.0, 581.0, 62, 80))) == {
        1: 1.0,
        10: 0.5,
    }


def test_the_pedal_of_a_reference_survives_its_file(tmp_path: Path):
    performance = Performance(np.array([(0.5, 0.7, 60, 80), (1.0, 1.2, 62, 90)]), np.array([(0.4, 1.5)]))
    events = events_of(performance)
    assert [type(event) for event in events[:2]] == [ControlChange, NoteOn]
    write_midi(tmp_path / "one.mid", events, 1_000_000, "one")
    found = reference_part(tmp_path / "one.mid")
    assert np.allclose(found.pedal, performance.pedal, atol=5e-4)
    assert np.allclose(found.notes.intervals, performance.notes[:, :2], atol=5e-4)


def test_where_there_is_no_reference_nobody_plays(tmp_path: Path):
    assert len(reference_part(tmp_path / "none.mid").notes.pitches) == 0


def test_restrikes_hold_every_gap_with_and_without_pedal():
    made = {name: performance for name, performance, _ in restrikes()}
    assert set(made) == {f"{gap}ms_{how}" for gap in GAPS_MS for how in ("keys", "pedal")}
    for name, performance in made.items():
        onsets = performance.notes[:, 0].reshape(-1, 2)
        assert np.allclose(np.diff(onsets), int(name.split("ms")[0]) / 1000)
        assert len(performance.pedal) == (len(onsets) if name.endswith("pedal") else 0)
        assert (performance.notes[::2, 1] < performance.notes[1::2, 0]).all()
        assert len(np.unique(performance.notes[:, 2])) >= 10


def test_the_tenth_minute_is_the_first_again(tmp_path: Path):
    events = [event for i in range(150) for event in (NoteOn(i, 40 + i % 40, 80), NoteOff(i + 0.5, 40 + i % 40))]
    write_midi(tmp_path / "piece.mid", events, 1, "piece")
    whole = ten_minutes([(tmp_path / "piece.mid", None)], np.random.default_rng(0))
    first, last = (whole.notes[(whole.notes[:, 0] // 60) == minute] for minute in (0, 9))
    assert np.allclose(first, last - [540, 540, 0, 0])
    assert (np.diff(whole.notes[:, 0]) >= 0).all()


@pytest.mark.parametrize("name", NOISES)
def test_a_noise_is_finite_in_range_and_follows_from_its_seed(name: str):
    one, again = (NOISES[name](8000, 16_000, np.random.default_rng(3)) for _ in range(2))
    assert one.shape == (8000,)
    assert one.dtype == np.float32
    assert np.abs(one).max() <= 1
    assert (one == again).all()
    assert (np.abs(one).max() > 0.05) == (name != "silence")


def test_both_layouts_are_read_and_names_begin_with_their_group(tmp_path: Path, clip: Path):
    for name in ("flute_1.wav", "flute_1.mid", "flute02.wav", "flute02.mid", "bass-1.wav", "bass-1.mid", "alone.wav"):
        (tmp_path / name).touch()
    assert {group: len(pairs) for group, pairs in grouped(pairs_of(tmp_path)).items()} == {"bass": 1, "flute": 2}
    assert [audio.name for audio, _ in pairs_of(clip)] == ["take.flac"]
    with pytest.raises(BacklineError, match="holds no pairs"):
        pairs_of(clip / "ref")


def test_heads_are_those_of_the_manifest():
    manifest = find_model("transcriber").manifest
    for head in manifest.heads:
        assert nearest_head(manifest, head.look_ahead_ms + 0.4) == head


def test_what_a_peer_heard_is_kept_and_its_own_delay_can_be_taken_out(tmp_path: Path, clip: Path, fake_peers: Path):
    midi = tmp_path / "one.mid"
    write_midi(midi, events_of(Performance(np.array([(0.5, 1.0, 60, 80)]), UNHELD)), 1_000_000, "one")
    pairs = [(clip / "audio" / "take.flac", midi)]
    assert find_peers(fake_peers) == {"aubionotes": "9"}
    for _ in range(2):
        program = peer_program(fake_peers, "aubionotes", "9", [pairs[0][0]], tmp_path / "cache")
    assert (tmp_path / "runs").read_text() == "x"
    assert measure(program, pairs, "data")["onset_f1"] == 0
    row = measure(moved_back(program, pairs), pairs, "data")
    assert row["case"] == "data: aubionotes 9, placed 60 ms earlier"
    assert row["onset_f1"] == 1
    assert row["lateness_p50_ms"] == pytest.approx(70, abs=1)
    assert "live_f1" not in row


def test_a_whole_file_is_no_latency(clip: Path):
    heard = reference_part(clip / "ref" / "take.mid")
    row = measure(Program("offline", lambda _: heard, whole_file=True), pairs_of(clip), "clip")
    assert row["onset_f1"] == 1
    assert not {"live_f1", "lateness_p50_ms", "spread_ms"} & set(row)


def test_missing_peers_are_named(tmp_path: Path):
    assert find_peers(None) == {}
    assert missing_peers({}, None) == [
        "no row for Basic Pitch: no --peers-python was given",
        "no row for aubionotes: no --peers-python was given",
    ]
    assert missing_peers({"basic_pitch": "0.4.0"}, Path("python")) == ["no row for aubionotes: python does not have it"]
    with pytest.raises(BacklineError, match="cannot run"):
        find_peers(tmp_path / "none")


def test_the_command_scores_heads_and_says_what_is_left_out(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    default = float(find_model("transcriber").manifest.heads[3].look_ahead_ms)
    words = ["--data", clip, "--heads", default, "--results", tmp_path, "--picture", tmp_path / "curve.png"]
    assert transcription_curve.main([str(word) for word in words]) == 0
    shown = capsys.readouterr()
    rows = read_rows(tmp_path / "transcription_curve.jsonl")
    assert [row["kind"] for row in rows] == ["live", "commit"]
    assert all(row["onset_f1"] > 0.8 and row["pieces"] == 1 and "lateness_p95_ms" in row for row in rows)
    assert f"| {clip.name}, 1 pieces |" in shown.out
    assert f"| live, {default:g} ms | {rows[0]['onset_f1']:.3f} |" in shown.out
    assert "no row for the published network: no --published was given" in shown.err
    assert "no row for Basic Pitch" in shown.err
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_a_picture_is_drawn_of_lines_points_and_whole_files(tmp_path: Path):
    late = {"lateness_p50_ms": 30.0, "lateness_p95_ms": 40.0}
    rows = [
        {"case": f"d: {kind}, 20 ms", "kind": kind, "onset_f1": 0.8, "live_f1": 0.7, **late}
        for kind in ("live", "commit")
    ]
    rows += [
        {"case": "d: a", "kind": "peer", "onset_f1": 0.6},
        {"case": "d: b", "kind": "peer", "onset_f1": 0.2, **late},
    ]
    draw(rows, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 10_000


def test_the_trials_score_what_the_material_holds(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "dry").symlink_to(clip)
    (tmp_path / "noise" / "audio").mkdir(parents=True)
    write_audio(tmp_path / "noise" / "audio" / "silence.flac", np.zeros((1, 16_000), np.float32), 16_000)
    assert transcription_trials.main(["--material", str(tmp_path), "--results", str(tmp_path)]) == 0
    head = nearest_head(find_model("transcriber").manifest, 20.0)
    rows = {row["case"].removeprefix(f"live, {head.look_ahead_ms:g} ms: "): row for row in read_rows(tmp_path)}
    assert set(rows) == {"pedal, dry", "lateness, dry", "noise, silence"}
    assert rows["noise, silence"]["false_a_minute"] == 0
    assert rows["lateness, dry"]["notes"] > 5
    assert "no row for aubionotes" in capsys.readouterr().err


@pytest.mark.parametrize(("command", "option"), [(transcription_curve, "--data"), (transcription_trials, "--material")])
def test_a_folder_without_material_is_refused_in_a_sentence(command, option: str, tmp_path: Path, capsys):
    assert command.main([option, str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert str(tmp_path) in error
    assert error.count("\n") == 1


def test_bench_hands_on_what_stands_after_two_dashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd):
    (tmp_path / MARK).parent.mkdir()
    (tmp_path / MARK).touch()
    (tmp_path / "benchmarks" / "transcription_curve.py").write_text("import json, sys; print(json.dumps(sys.argv[1:]))")
    monkeypatch.chdir(tmp_path)
    assert main(["bench", "transcription_curve", "--", "--data", "here", "--heads", "20"]) == 0
    assert json.loads(capfd.readouterr().out) == ["--data", "here", "--heads", "20"]
