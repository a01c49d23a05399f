"""The picture of a comparison: accuracy over measured lateness, one line a stream of the transcriber, a point or line a peer."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.record import Row

DRAWN = {"live": ("live: placed right and left in time (head + 15 ms)", "live_f1", "C0", "o"),
         "commit": ("commit: placed right, leaves at its latency", "onset_f1", "C1", "s")}  # fmt: skip
"""Stream -> its label, the figure drawn, colour and marker."""


def draw(rows: Sequence[Row], path: Path) -> None:
    """Draw rows of transcription_curve into an image at `path`."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 5.6), layout="constrained")
    for kind, (label, figure_name, colour, marker) in DRAWN.items():
        line = sorted((row for row in rows if row["kind"] == kind and "lateness_p50_ms" in row), key=_median)
        _points(axes, line, figure_name, label, colour, marker)
        for row in line:
            head = row["case"].rpartition(", ")[2].removesuffix(" ms")
            axes.annotate(
                head, (_median(row), row[figure_name]), (3, 5), textcoords="offset points", fontsize=7, color=colour
            )
    live = sorted((row for row in rows if row["kind"] == "live" and "lateness_p50_ms" in row), key=_median)
    axes.plot(
        [_median(row) for row in live],
        [row["onset_f1"] for row in live],
        "C0:",
        label="live: placed right, in time or not",
    )
    others = [row for row in rows if row["kind"] == "peer"]
    for place, row in enumerate(others):
        name, colour = row["case"].rpartition(": ")[2], f"C{place + 2}"
        if "lateness_p50_ms" in row:
            _points(axes, [row], "onset_f1", name, colour, "^")
        else:
            axes.axhline(
                row["onset_f1"], color=colour, linestyle="--", linewidth=1.2, label=f"{name}: after the whole file"
            )
    axes.set_xlabel("when a note left after its true onset, ms (median; whisker to p95)")
    axes.set_ylabel("F1 of notes, onset within 50 ms")
    axes.set_xlim(left=0)
    axes.set_ylim(0, 1)
    axes.grid(alpha=0.3)
    figure.legend(fontsize=8, loc="outside lower center", ncols=2)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def _median(row: Row) -> float:
    return float(row["lateness_p50_ms"])


def _points(axes, line: Sequence[Row], name: str, label: str, colour: str, marker: str) -> None:  # type: ignore[no-untyped-def]
    late = [[0.0] * len(line), [row["lateness_p95_ms"] - _median(row) for row in line]]
    axes.errorbar([_median(row) for row in line], [row[name] for row in line], xerr=late, label=label, color=colour,
                  marker=marker, markersize=5, capsize=2, elinewidth=0.8)  # fmt: skip
