"""Pictures of steps: how their times spread, how they scale with the streams of a call, and where a GPU breaks even.

All from the newest rows of benchmarks/results. The last one needs rows of a GPU: until there are any it shows the CPU's times at
the same places and says so.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any  # Any: matplotlib's own values

from benchmarks.record import RESULTS, Row, newest, read_rows

SHOWN = ("p50_us", "p95_us", "p99_us", "p99.9_us", "max_us")
NO_GPU = "no GPU at hand: the CPU's own times. `make bench-gpu` on a machine with one, then draw again"
WARM_CASES = ("opening a session", "first step")  # of other size than steps: they have a table

Place = tuple[int, int]
"""(weights of a graph, streams a call)."""


def draw_all(folder: Path, results: Path = RESULTS) -> list[Path]:
    """Draw what there are rows for into `folder`; return the files."""
    rows = newest(read_rows(results))
    folder.mkdir(parents=True, exist_ok=True)
    named = {
        "step_spread.png": (draw_spread, [row for row in rows if row["benchmark"] in ("step_time", "step_conditions")]),
        "streams_a_call.png": (draw_scaling, [row for row in rows if row["benchmark"] == "batches"]),
        "gpu_break_even.png": (draw_break_even, [row for row in rows if "weights" in row and "p50_us" in row]),
    }
    return [_drawn(folder / name, draw, some) for name, (draw, some) in named.items() if some]


def draw_spread(rows: Sequence[Row], figure: Any) -> None:
    """Draw a line per case from p50 to the maximum, a panel per benchmark."""
    rows = [row for row in rows if "p50_us" in row and not row["case"].endswith(("1 kHz", *WARM_CASES))]
    kinds = sorted({row["benchmark"] for row in rows}, reverse=True)
    counts = [sum(row["benchmark"] == kind for row in rows) for kind in kinds]
    figure.set_size_inches(10, 0.2 * len(rows) + 2)
    panels = figure.subplots(len(kinds), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": counts})[:, 0]
    for kind, axes in zip(kinds, panels, strict=True):
        some = [row for row in rows if row["benchmark"] == kind][::-1]
        for line, row in enumerate(some):
            values = [row[name] for name in SHOWN]
            axes.plot(values, [line] * len(values), color="0.75", zorder=1)
            axes.scatter(values, [line] * len(values), c=range(len(values)), cmap="viridis", s=16, zorder=2)
            if "budget_us" in row:
                axes.plot(row["budget_us"], line, "|", color="tab:red", markersize=9)
        axes.set_yticks(range(len(some)), [row["case"].removesuffix(", own pace") for row in some], fontsize=6.5)
        axes.set_ylim(-0.7, len(some) - 0.3)
        axes.set_title(kind.replace("_", " "), fontsize=9, loc="left")
        axes.set_xscale("log")
        axes.grid(axis="x", alpha=0.3)
    said = ", ".join(name.removesuffix("_us") for name in SHOWN)
    panels[-1].set_xlabel(f"microseconds of a step: {said} from left to right; red: the budget")


def draw_scaling(rows: Sequence[Row], figure: Any) -> None:
    """Draw, over the streams of a call, what it takes of its budget, and its time over that of so many calls of one."""
    figure.set_size_inches(11, 4.2)
    left, right = figure.subplots(1, 2)
    series: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        series[row["graph"], row["provider"]].append(row)
    for (graph, provider), some in series.items():
        some.sort(key=lambda row: row["streams"])
        streams, dashes = [row["streams"] for row in some], "-" if provider == "cpu" else "--"
        left.plot(streams, [row["budget_share"] for row in some], dashes, marker="o", label=f"{graph}, {provider}")
        right.plot(streams, [row["against_apart"] for row in some], dashes, marker="o", label=f"{graph}, {provider}")
    left.axhline(1.0, color="tab:red", linewidth=1)
    left.set_yscale("log")
    left.set_ylabel("share of the budget that a tick of all streams takes")
    right.axhline(1.0, color="0.5", linewidth=1)
    right.set_ylim(bottom=0)
    right.set_ylabel("one call of all / so many calls of one")
    for axes in (left, right):
        axes.set_xscale("log", base=2)
        ticks = sorted({row["streams"] for row in rows})
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.set_xlabel("streams a call")
        axes.grid(alpha=0.3)
    right.legend(fontsize=7)


def draw_break_even(rows: Sequence[Row], figure: Any) -> None:
    """Draw CPU time / GPU time over graphs by their weights and streams a call, framed where it is over 1; or the CPU's times alone."""
    import numpy as np
    from matplotlib.colors import LogNorm

    times = _times(rows)
    both = {place: times["cpu"][place] / times["cuda"][place] for place in times["cpu"] if place in times["cuda"]}
    shown = both or times["cpu"]
    columns = sorted({weights for weights, _ in shown})
    lines = sorted({streams for _, streams in shown})
    values = np.array([[shown.get((weights, streams), np.nan) for weights in columns] for streams in lines])
    reach = max(2.0, float(np.nanmax(values)), float(1 / np.nanmin(values)))
    norm = LogNorm(1 / reach, reach) if both else LogNorm(float(np.nanmin(values)), float(np.nanmax(values)))
    figure.set_size_inches(1.6 + 1.5 * len(columns), 4.6)
    axes = figure.subplots()
    picture = axes.imshow(values, norm=norm, cmap="RdBu" if both else "Greys", origin="lower", aspect="auto")
    for (line, column), value in np.ndenumerate(values):
        if np.isnan(value):
            continue
        dark = abs(float(norm(value)) - 0.5) > 0.35 if both else norm(value) > 0.55
        text = f"{value:.2g}x" if both else f"{value:.0f}"
        axes.text(column, line, text, ha="center", va="center", fontsize=8, color="w" if dark else "k")
        if both and value >= 1.0:
            axes.add_patch(_frame(column, line))
    names = {row["weights"]: row["graph"] for row in rows}
    axes.set_xticks(range(len(columns)), [f"{names[each]}\n{each / 1000:,.0f} k" for each in columns], fontsize=8)
    axes.set_yticks(range(len(lines)), [str(each) for each in lines])
    axes.set_xlabel("graph and its weights")
    axes.set_ylabel("streams a call")
    figure.colorbar(
        picture, label="CPU time / GPU time of a call" if both else "microseconds of a call on the CPU, p50"
    )
    axes.set_title("From break-even on, framed, the GPU is faster" if both else NO_GPU, fontsize=9)


def _frame(column: int, line: int) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.48, line - 0.48), 0.96, 0.96, fill=False, edgecolor="k", linewidth=1.2)


def _times(rows: Sequence[Row]) -> dict[str, dict[Place, float]]:
    """Return the median time of a call by provider and place; those of one run with a GPU in it before others."""
    times: dict[str, dict[Place, float]] = {"cpu": {}, "cuda": {}}
    with_gpu = {row["date"] for row in rows if row["provider"] == "cuda"}
    for row in sorted(rows, key=lambda row: row["date"] in with_gpu):
        place = (row["weights"], row["streams"])
        known = times[row["provider"]].get(place) if row["date"] in with_gpu and row["provider"] == "cuda" else None
        times[row["provider"]][place] = min(row["p50_us"], known) if known else row["p50_us"]
    return times


def _drawn(path: Path, draw: Callable[[Sequence[Row], Any], None], rows: Sequence[Row]) -> Path:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure = pyplot.figure()
    draw(rows, figure)
    figure.tight_layout()
    figure.savefig(path, dpi=130, bbox_inches="tight")
    pyplot.close(figure)
    return path
