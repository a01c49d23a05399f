"""The benchmark of bars in time says what a stream of a known arranger does."""

import json

from benchmarks import arranger_bars


def test_bars_along_with_a_host_are_counted_and_timed(arranger_folder, tmp_path, capsys):
    words = ["--bars", "6", "--model", str(arranger_folder / "plain_arranger"), "--results", str(tmp_path)]
    assert arranger_bars.main(words) == 0
    rows = {row["case"]: row for row in map(json.loads, (tmp_path / "arranger_bars.jsonl").read_text().splitlines())}
    assert set(rows) == {"plan along with a host", "follow along with a host", "a file, its beat found"}
    for case in ("plan along with a host", "follow along with a host"):
        assert rows[case]["bars"] == 6, "all but the first, and the one that comes after"
        assert rows[case]["notes"] > 20
        assert rows[case]["late_events"] == 0
        assert rows[case]["off_the_grid_samples"] <= 1.0
        assert rows[case]["committed_before_p50_ms"] <= 160
    assert "follow along with a host" in capsys.readouterr().out


def test_a_model_that_is_not_there_is_said_to_be_missing(tmp_path, capsys):
    assert arranger_bars.main(["--model", str(tmp_path / "nowhere"), "--results", str(tmp_path)]) == 2
    assert "nowhere" in capsys.readouterr().err
