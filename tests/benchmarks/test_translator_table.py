"""The table of translators counts what is right, whoever is asked, and leaves out who was never taught it."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks import translator_table
from benchmarks.record import read_rows
from benchmarks.translator_systems import System, model_system, symbol_of
from benchmarks.translator_table import Heard, listened, markdown, played
from models.translator.notes import DYNAMICS
from models.translator.published.features import frames_of
from models.translator.published.listening import Symbol
from server.errors import BacklineError

RATE = 22050
FLUTE, CELLO = Symbol(5, 0, 1), Symbol(3, 9, 4)


def tone(pitch: float, level: float = 0.2) -> np.ndarray:
    time = np.arange(RATE) / RATE
    return (level * np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * time)).astype(np.float32)


def chord(pitches: tuple[int, ...]) -> np.ndarray:
    """Harmonics that die away, as of strings that are struck."""
    fading = np.exp(-np.arange(RATE) / RATE).astype(np.float32)
    return sum(tone(p + 12 * np.log2(k), 0.2 * 0.5**k) * fading for p in pitches for k in range(1, 7))


HEARD = [
    Heard("one", ("flute",), tone(72), (FLUTE,)),
    Heard("one", ("flute",), tone(74), (Symbol(5, 2, 1),)),
    Heard("two", ("flute", "cello"), tone(72) + tone(57), (FLUTE, CELLO)),
]


def test_sources_may_be_told_in_any_order_and_who_is_not_told_is_wrong():
    answers = iter([[FLUTE], [], [CELLO, FLUTE]])
    rows = list(listened(System("one", lambda instruments: lambda audio, rate: next(answers)), HEARD))
    assert [row["case"] for row in rows] == ["one: one", "two: one"]
    assert [rows[0][name] for name in ("octave", "pitch", "dynamics")] == [0.5, 0.5, 0.5]
    assert [rows[1][name] for name in ("octave", "pitch", "dynamics", "loose_pitch")] == [1, 1, 1, 1]


def test_who_was_never_taught_a_mixture_has_no_row_for_it():
    system = System("one", lambda instruments: (lambda a, r: [FLUTE]) if len(instruments) == 1 else None)
    assert [row["case"] for row in listened(system, HEARD)] == ["one: one"]
    assert list(played(system, HEARD)) == []


def test_who_plays_the_very_note_is_at_no_distance():
    spectra = {FLUTE: frames_of(tone(72)).magnitudes, Symbol(5, 2, 1): frames_of(tone(74)).magnitudes}
    (right,) = played(System("right", lambda _: None, lambda instrument, symbol: spectra[symbol]), HEARD)
    (wrong,) = played(System("wrong", lambda _: None, lambda instrument, symbol: spectra[FLUTE]), HEARD)
    assert right["sounds"] == 2
    assert right["lsd_db"] < 3  # one spectrum stands for all frames
    assert wrong["lsd_db"] > 1.5 * right["lsd_db"]
    assert wrong["isd"] > right["isd"] + 1


def test_the_table_has_a_line_for_each_system_and_means_over_seeds():
    rows = [
        {"case": f"one: published, seed {seed}", "octave": 0.5, "pitch": share, "dynamics": 0.25}
        for seed, share in ((1, 0.4), (2, 0.6))
    ]
    rows += [{"case": "one: translator", "octave": 1.0, "pitch": 1.0, "dynamics": 0.5}]
    rows += [{"case": "play: published, seed 1", "isd_median": 1.0, "lsd_db": 6.0}]
    assert markdown(rows).splitlines() == [
        "| | one | other | two | three | ISD, median note | LSD (dB) |",
        "|---|---:|---:|---:|---:|---:|---:|",
        "| published | 50.0 / 50.0 / 25.0 |  |  |  | 1.00 | 6.00 |",
        "| translator | 100.0 / 100.0 / 50.0 |  |  |  |  |  |",
    ]


def test_a_midi_pitch_is_an_octave_and_a_pitch_class():
    assert symbol_of(60, 2.4) == Symbol(4, 0, 2)
    assert symbol_of(21, 0.0) == Symbol(0, 9, 0)


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    """Notes of two instruments in files, in all cells of half an octave, as a user's own table."""
    folder = tmp_path / "data"
    folder.mkdir()
    lines = ["file,instrument,pitch,dynamic"]
    for instrument, lowest in (("flute", 79), ("cello", 42)):
        for pitch in range(lowest, lowest + 6):
            for loud, dynamic in enumerate(DYNAMICS):
                name = f"{instrument}_{pitch}_{dynamic}.wav"
                soundfile.write(folder / name, tone(pitch, 0.02 * 2**loud), RATE)
                lines.append(f"{name},{instrument},{pitch},{dynamic}")
    (folder / "notes.csv").write_text("\n".join(lines))
    return folder


def test_one_command_trains_all_and_writes_a_row_for_each_case(collection, tmp_path, capsys):
    (tmp_path / "work").mkdir()
    noise = np.random.default_rng(1).standard_normal((4, 4 * 32000))
    np.save(tmp_path / "work" / "no_music.npy", noise.astype(np.float16))  # made once, kept; a minute's work
    words = ["--data", str(collection), "--folder", str(tmp_path / "work"), "--minutes", "0.002", "--seeds", "1"]
    words += [
        "--no-other",
        "--mixtures",
        "8",
        "--sets",
        "flute",
        "cello",
        "flute+cello",
        "--results",
        str(tmp_path / "results"),
    ]
    assert translator_table.main(words) == 0
    printed = capsys.readouterr().out
    rows = read_rows(tmp_path / "results" / "translator_table.jsonl")
    cases = {row["case"] for row in rows}
    for name in ("baseline", "published", "ours"):
        assert {f"one: {name}, seed 1", f"two: {name}, seed 1"} <= cases
        assert f"| {name} |" in printed
    assert "two: separation, seed 1" in cases
    assert "one: separation, seed 1" not in cases
    assert "play: published, seed 1" in cases
    (frames,) = (row for row in rows if row["case"] == "frames flute+cello: published, seed 1")
    assert {"signal", "symbols_from_signal", "divergence", "strict_pitch", "loose_symbols_dynamics"} <= set(frames)
    assert frames["loose_pitch"] >= frames["strict_pitch"]
    assert all(row["core_minutes"] == 0.002 for row in rows)
    kept = {path.parent.name for path in (tmp_path / "work").glob("published*/published.safetensors")}
    assert kept == {f"published_{name}_0_002_1" for name in ("flute", "cello", "flute_cello")}


def test_what_holds_no_notes_is_named(tmp_path, capsys):
    assert translator_table.main(["--data", str(tmp_path), "--folder", str(tmp_path / "work")]) == 2
    assert "holds no notes" in capsys.readouterr().err


def test_a_model_of_ours_is_asked_by_the_path_of_run():
    """The transcriber stands for any model that hears notes; it plays none."""
    system = model_system("transcriber")
    said = [system.hears(("flute",))(chord(pitches), RATE) for pitches in ((69,), (60, 67))]
    assert {12 * (s.octave + 1) + s.pitch_class for s in said[0][:1]} == {69}
    assert {12 * (s.octave + 1) + s.pitch_class for s in said[1][:2]} == {60, 67}
    assert (system.plays, system.trained) == (None, False)
    with pytest.raises(BacklineError, match="nobody"):
        model_system("nobody")
