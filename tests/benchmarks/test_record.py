"""Rows, percentiles and comparisons of the benchmarks."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.record import compare, newest, percentiles, print_table, read_rows, write_rows
from benchmarks.report import tables


def test_the_first_value_stands_apart_and_the_others_make_the_percentiles():
    row = percentiles([900.0, *range(1, 101)])
    assert row == {
        "count": 100,
        "first_us": 900.0,
        "p50_us": 51.0,
        "p95_us": 96.0,
        "p99_us": 100.0,
        "p99.9_us": 100.0,
        "max_us": 100.0,
    }


def test_over_few_values_the_highest_percentile_is_the_maximum():
    values = np.random.default_rng(0).uniform(0, 100, 500)
    row = percentiles(values)
    assert row["p99.9_us"] == row["max_us"] == round(float(values[1:].max()), 1)


def test_percentiles_of_nothing_are_nothing_and_of_one_value_that_value():
    assert percentiles([]) == {}
    assert percentiles([7.0], "ms")["p50_ms"] == 7.0


def test_rows_are_appended_each_with_where_it_was_measured(tmp_path: Path):
    write_rows("example", [{"case": "a", "p50_us": 1.0}], tmp_path)
    path = write_rows("example", [{"case": "a", "p50_us": 2.0}, {"case": "b", "p50_us": 3.0}], tmp_path)
    rows = read_rows(path)
    assert [row["p50_us"] for row in rows] == [1.0, 2.0, 3.0]
    assert {"benchmark", "date", "commit", "dirty", "machine", "versions"} <= set(rows[0])
    assert {"cpu", "cores", "kernel", "real_time_rights"} <= set(rows[0]["machine"])
    assert [row["p50_us"] for row in newest(read_rows(tmp_path))] == [2.0, 3.0]


def test_a_comparison_holds_the_newest_earlier_row_of_each_case_against_the_new_one():
    earlier = [
        {"case": "a", "p50_us": 100.0},
        {"case": "a", "p50_us": 50.0, "budget_us": 9.0},
        {"case": "gone", "p50_us": 1.0},
    ]
    ratios = compare(
        [{"case": "a", "p50_us": 25.0, "count": 3, "max_us": 1.0, "budget_us": 9.0}, {"case": "new", "p50_us": 1.0}],
        earlier,
    )
    assert ratios == [{"case": "a", "p50_us": 0.5}]


@pytest.mark.parametrize(
    "rows", [[{"case": "a"}], [{"case": "a", "p50_us": 1.5, "scheduling": "fifo"}, {"case": "b", "max_us": 2}]]
)
def test_a_table_of_any_rows_can_be_printed(rows: list[dict[str, object]], capsys: pytest.CaptureFixture[str]):
    print_table(rows, "title")
    assert "title" in capsys.readouterr().out


def test_the_report_shows_the_newest_row_of_every_case_as_markdown(tmp_path: Path):
    for value in (111.0, 222.0):
        write_rows(
            "osc_round_trip", [{"case": "echo", "count": 9, **{f"{n}_us": value for n in ("p50", "max")}}], tmp_path
        )
    text = tables(tmp_path)
    assert "| echo | 9 | 222 | 222 |" in text
    assert "111" not in text.split("|---|")[1]
    assert "backline bench osc_round_trip" in text


def test_a_results_file_is_one_json_object_a_line(tmp_path: Path):
    path = write_rows("example", [{"case": "a"}, {"case": "b"}], tmp_path)
    assert [json.loads(line)["case"] for line in path.read_text().splitlines()] == ["a", "b"]
