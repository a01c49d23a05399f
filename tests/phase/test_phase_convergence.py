"""The benchmark gives whole rows. What it measures is not asserted here."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks import phase_convergence
from benchmarks.record import read_rows


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(phase_convergence, "ITERATIONS", 2)
    monkeypatch.setattr(phase_convergence, "LEAST_SECONDS", 1.0)
    kept = dict(list(phase_convergence.BLIND.items())[:2])
    monkeypatch.setattr(phase_convergence, "BLIND", kept)


def test_there_is_a_row_for_each_spectrogram_and_method(tmp_path: Path):
    pytest.importorskip("soxr")
    sound = np.random.default_rng(0).standard_normal(44_100) * 0.1
    soundfile.write(tmp_path / "short.wav", sound, 44_100)
    words = ["--seconds", "0.02", "--results", str(tmp_path), "--audio", str(tmp_path / "short.wav")]
    assert phase_convergence.main(words) == 0
    rows = {row["case"]: row for row in read_rows(tmp_path / "phase_convergence.jsonl")}
    blind, informed = len(phase_convergence.BLIND), len(phase_convergence.INFORMED)
    assert len(rows) == 3 * (2 + blind) + informed
    assert all(np.isfinite(row["convergence_db"]) for row in rows.values())
    assert {"p50_us", "p95_us", "beside_db", "latency_samples"} <= set(rows["bowed line, peak gradient"])
    assert {"p50_us", "beside_fast_db"} <= set(rows["drawn, informed, reach 256"])
    assert "short, peak gradient" in rows


def test_a_file_that_is_none_gets_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    pytest.importorskip("soxr")
    path = tmp_path / "none.wav"
    assert phase_convergence.main(["--seconds", "0.02", "--results", str(tmp_path), "--audio", str(path)]) == 2
    assert capsys.readouterr().err.startswith(f"backline bench phase_convergence: cannot read {path}")


def test_the_line_is_what_its_hints_say():
    frames, (sound, hints) = phase_convergence.FRAMES, phase_convergence.bowed_line(1.5)
    assert len(hints) == frames.count(len(sound))
    stream = phase_convergence.INFORMED["informed, reach 256"]()
    samples = phase_convergence.run_stream(stream, [None] * len(hints), hints)
    expected = sound[-stream.latency :][: len(samples)]
    assert np.sum((samples - expected) ** 2) < 0.01 * np.sum(expected**2)
