"""The arranger's table: what a human wrote is right, another song is not, and trainings go on and are scored once."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import arranger_table
from benchmarks.arranger_table import HUMAN, OTHER, OWN, first_versions, human, main, markdown, measure, rate, table
from models.arranger import training
from models.arranger.material import write_packed
from models.arranger.network import ArrangerNetwork
from models.arranger.sizes import ArrangerConfig
from models.arranger.validation import tasks_of, truth
from tests.arranger.made_songs import made_material

NAMES = ["001", "002", "003", "004"]
SMALL = {
    "inner": 16, "audio": 16, "symbols": 12, "chords": 12, "context": 16, "cell": 4, "hidden": 24, "notes": 16, "embedding": 12,
}  # fmt: skip


def test_what_the_human_wrote_is_right():
    material = made_material(NAMES)
    rows = human(material, [0, 1], 4)
    assert [(row["mode"], row["melody"]) for row in rows] == [
        ("follow", "without"), ("follow", "with melody"), ("plan", "without"), ("plan", "with melody"),
    ]  # fmt: skip
    for row in rows:
        assert (row["onset_f1"], row["bass_f1"], row["density"]) == (1, 1, 1)
        assert (row["notes_distance"], row["range_distance"]) == (0, 0)
        assert row["chord_tones"] > 0.6
        assert row["groove"] == pytest.approx(1)


def test_another_songs_arrangement_is_not_right():
    material = made_material(NAMES)
    tasks = [task for task in tasks_of(material, [0], 4) if not task.plan and not task.melody]
    others = [truth(material, task._replace(piece=1)) for task in tasks]
    (row,) = rate(material, tasks, others)
    assert row["onset_f1"] < 0.5
    assert row["groove"] > 0.9


def test_every_way_of_writing_is_measured():
    material = made_material(NAMES)
    rows = measure(material, ArrangerNetwork(ArrangerConfig("prior", **SMALL)), [0, 1], 2)
    assert len({(row["mode"], row["melody"], row["sound"]) for row in rows}) == len(rows) == 8
    assert {row["sound"] for row in rows} == {OWN, OTHER}


def test_a_song_counts_once_by_its_longest_section():
    material = made_material(NAMES)
    names = ("001_0_0", "001_1_0", "002_0_0", "002_0_1")
    longer = type(material)(
        names, material.starts, np.add(material.bars, [0, 9, 0, 1]), *(getattr(material, name) for name in
        ("heard", "chords", "true_chords", "notes", "line", "bass"))
    )  # fmt: skip
    assert first_versions(longer, ["001", "002"]) == [0, 3]


def test_seeds_are_put_together():
    made = {"melody": "without", **dict.fromkeys(arranger_table.COLUMNS, 0.5)}
    rows = [
        made | {"variant": "prior", "seed": seed, "mode": mode, "sound": sound, "onset_f1": f1 / 10}
        for seed, f1s in ((1, (4, 2, 1, 1)), (2, (6, 4, 1, 3)))
        for (mode, sound), f1 in zip(
            [("follow", OWN), ("plan", OWN), ("follow", OTHER), ("plan", OTHER)], f1s, strict=True
        )
    ]
    (row,) = table(rows)
    assert (row["onset_f1"], row["onset_f1_spread"], row["other_f1"]) == (0.4, 0.2, 0.15)
    assert (row["follow_f1"], row["plan_f1"]) == (0.5, 0.3)
    assert markdown([row]).splitlines()[2].startswith("| prior | 0.400 | 0.200 | 0.500 | 0.300 | 0.150 |")


def test_it_trains_measures_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    write_packed(made_material(NAMES), tmp_path / "packed")
    monkeypatch.setattr(
        arranger_table, "read_split", lambda: {"train": NAMES[:1], "validation": NAMES[1:2], "test": NAMES[2:]}
    )
    monkeypatch.setattr(arranger_table, "sized", lambda variant: ArrangerConfig(variant, **SMALL))
    monkeypatch.setattr(training, "VALIDATION_BARS", 1)
    words = ["--data", str(tmp_path / "packed"), "--work", str(tmp_path / "work"), "--minutes", "0.001", "--seeds", "1"]
    words += ["--variants", "supervised", "chord_only", "--bars", "2", "--results", str(tmp_path / "results")]
    assert main(words) == 0
    rows = [json.loads(line) for line in (tmp_path / "results" / "arranger_table.jsonl").read_text().splitlines()]
    assert {row["variant"] for row in rows if "variant" in row} == {HUMAN, "supervised", "chord_only"}
    assert "| chord_only |" in capsys.readouterr().out
    kept = tmp_path / "work" / "supervised_1" / "scores.json"
    before = kept.stat().st_mtime_ns
    assert main(words) == 0
    assert kept.stat().st_mtime_ns == before


def test_too_few_songs_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write_packed(made_material(NAMES), tmp_path / "packed")
    assert main(["--data", str(tmp_path / "packed"), "--work", str(tmp_path / "work")]) == 2
    assert "at least 2 are needed" in capsys.readouterr().err
