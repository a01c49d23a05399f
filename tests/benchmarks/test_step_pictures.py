"""The pictures of steps are drawn of whatever rows there are, and the one of a GPU says when there is none."""

import json
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from benchmarks.record import Row, read_rows
from benchmarks.step_pictures import NO_GPU, draw_all, draw_break_even, draw_scaling

SIZES = (1, 2, 4)


def rows_of(provider: str, microseconds: float, growth: float) -> list[Row]:
    """Return what `batches` writes of one graph: a call takes `microseconds`, and `growth` more a stream."""
    return [
        {
            "benchmark": "batches", "case": f"probe, {provider}, {streams} a call", "date": "2026-01-01", "graph": "probe",
            "provider": provider, "streams": streams, "weights": 900, "p50_us": microseconds + growth * streams,
            "budget_share": 0.1 * streams, "against_apart": 1 / streams,
        }
        for streams in SIZES
    ]  # fmt: skip


def texts(draw, rows: list[Row]) -> tuple[str, list[str]]:
    """Return the title of the first panel and what is written in it."""
    figure = Figure()
    draw(rows, figure)
    axes = figure.axes[0]
    return axes.get_title(), [text.get_text() for text in axes.texts]


def test_without_a_gpu_the_picture_says_so_and_shows_the_cpu():
    assert texts(draw_break_even, rows_of("cpu", 100.0, 50.0)) == (NO_GPU, ["150", "200", "300"])


def test_with_a_gpu_it_shows_how_much_faster_that_is():
    title, said = texts(draw_break_even, [*rows_of("cpu", 0.0, 100.0), *rows_of("cuda", 200.0, 0.0)])
    assert title == "From break-even on, framed, the GPU is faster"
    assert said == ["0.5x", "1x", "2x"]


def test_scaling_has_a_line_a_graph_and_provider():
    figure = Figure()
    draw_scaling([*rows_of("cpu", 0.0, 100.0), *rows_of("cuda", 200.0, 0.0)], figure)
    assert [text.get_text() for text in figure.axes[1].get_legend().get_texts()] == ["probe, cpu", "probe, cuda"]


@pytest.mark.parametrize("some", [True, False])
def test_pictures_are_files_of_what_there_are_rows_for(some: bool, tmp_path: Path):
    lines = [json.dumps(row) + "\n" for row in (rows_of("cpu", 100.0, 50.0) if some else [])]
    (tmp_path / "batches.jsonl").write_text("".join(lines))
    assert len(read_rows(tmp_path)) == 3 * some
    drawn = draw_all(tmp_path / "pictures", tmp_path)
    assert [path.name for path in drawn] == (["streams_a_call.png", "gpu_break_even.png"] if some else [])
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)
