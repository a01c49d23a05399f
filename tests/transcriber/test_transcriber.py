"""The trained transcriber as it ships: the same notes on every way, quiet where nobody plays, useful where somebody does."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from models.block import Samples
from models.events import NoteOn
from server.audio.file import read_audio, write_audio
from server.cli import main
from server.evaluation import notes_of, reference_notes, score
from server.live_routes import TAKE
from server.model_store import find_model, open_stream
from server.run_file import Take, log_line, run_stream

SECONDS = 5


@pytest.fixture(scope="module")
def take_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    samples, rate = read_audio(TAKE)
    path = tmp_path_factory.mktemp("take") / "take.wav"
    write_audio(path, samples[:, 2 * rate : (2 + SECONDS) * rate], rate)
    return path


def transcribe(samples: Samples, rate: int, block: int = 512, **settings: str | float) -> Take:
    return run_stream(open_stream(find_model("transcriber"), settings, rate), samples, block=block)


@pytest.mark.parametrize(
    "settings",
    [["--set", "stream=commit"], ["--set", "stream=live"], ["--set", "stream=commit", "--set", "look_ahead_ms=0"]],
)
def test_the_notes_do_not_depend_on_the_block_nor_on_the_way(
    take_file: Path, tmp_path: Path, settings: list[str]
) -> None:
    blocks = (1, 63, 64, 441, 512, 8193) if settings[-1] == "stream=commit" else (63, 8193)
    files = []
    for block in blocks:
        files.append(tmp_path / f"{block}.mid")
        assert main(["run", "transcriber", str(take_file), "-o", str(files[-1]), "--block", str(block), *settings]) == 0
    files.append(tmp_path / "osc.mid")
    words = [
        "live",
        "transcriber",
        "--input",
        str(take_file),
        "--output",
        str(files[-1]),
        "--pace",
        "free",
        "--block",
        "200",
        *settings,
    ]
    assert main(words) == 0
    assert len({file.read_bytes() for file in files}) == 1
    assert files[0].stat().st_size > 200


@pytest.mark.parametrize("stream", ["commit", "live"])
def test_a_log_never_knows_more_than_was_heard(take_file: Path, stream: str) -> None:
    samples, rate = read_audio(take_file)
    whole = transcribe(samples, rate, stream=stream)
    for heard_seconds in (0.9, 2.345):
        part = transcribe(samples[:, : int(heard_seconds * rate)], rate, stream=stream)
        lines = [
            [log_line(e, end, rate) for e, end in t.emissions if end <= heard_seconds * rate] for t in (whole, part)
        ]
        assert lines[0] == lines[1]
        assert lines[0]


def test_three_rates_of_one_take_give_the_same_notes(take_file: Path) -> None:
    samples, rate = read_audio(take_file)
    heard = []
    for other in (44_100, 48_000, 96_000):
        resampled = soxr.resample(samples[0], rate, other, quality="VHQ").astype(np.float32)
        heard.append(notes_of(transcribe(resampled[None], other)))
    for one, two in ((0, 1), (1, 2), (0, 2)):
        assert score(heard[one], heard[two], 1e6)["onset_f1"] >= 0.98
    for take in heard:
        assert len(take.pitches) >= 20


def test_a_piano_note_is_logged_at_its_onset_and_leaves_at_the_declared_latency(take_file: Path) -> None:
    samples, rate = read_audio(take_file)
    stream = open_stream(find_model("transcriber"), {}, rate)
    take = run_stream(stream, samples, block=1)
    notes = [e for e, _ in take.emissions if isinstance(e.event, NoteOn)]
    assert notes
    assert {e.due - e.place for e in notes} == {stream.declared}
    assert stream.scheduler.late == 0


@pytest.mark.parametrize("sound", ["silence", "noise", "hum", "loud noise", "clipped hum"])
def test_a_minute_without_music_gives_at_most_two_notes(sound: str) -> None:
    rate, seconds = 16_000, 60
    time = np.arange(seconds * rate) / rate
    noise = np.random.default_rng(3).normal(0, 1, time.size)
    hum = sum(np.sin(2 * np.pi * 50 * k * time + k) / k for k in (1, 2, 3, 4, 5))
    signal = {"silence": 0 * time, "noise": 0.003 * noise, "hum": 0.01 * hum, "loud noise": 0.1 * noise,
              "clipped hum": np.clip(0.5 * hum, -0.3, 0.3)}[sound]  # fmt: skip
    take = transcribe(signal[None].astype(np.float32), rate)
    assert sum(isinstance(e.event, NoteOn) for e, _ in take.emissions) <= 2


def test_the_bundled_take_is_heard_well() -> None:
    samples, rate = read_audio(TAKE)
    row = score(reference_notes(TAKE.with_suffix(".mid")), notes_of(transcribe(samples, rate)), 60.0)
    assert row["onset_f1"] > 0.85
    assert abs(row["onset_error_ms"]) < 10


def test_evaluate_scores_a_folder(take_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "audio").mkdir()
    (tmp_path / "ref").mkdir()
    samples, rate = soundfile.read(TAKE)
    soundfile.write(tmp_path / "audio" / "take.wav", samples[: 12 * rate], rate)
    (tmp_path / "ref" / "take.mid").write_bytes((TAKE.with_suffix(".mid")).read_bytes())
    assert main(["evaluate", "transcriber", "--data", str(tmp_path), "--json", str(tmp_path / "scores.json")]) == 0
    rows = json.loads((tmp_path / "scores.json").read_text())
    assert 0.2 < rows["MEAN"]["onset_f1"] < 0.7  # a third of the take was played
    assert "take" in capsys.readouterr().out
