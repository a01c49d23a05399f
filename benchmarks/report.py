"""The README's tables and picture, made from the newest rows of benchmarks/results.

PYTHONPATH=. python benchmarks/report.py             prints the tables as markdown
PYTHONPATH=. python benchmarks/report.py --pictures  also draws steps, streams a call and GPU against CPU beside the results
PYTHONPATH=. python benchmarks/report.py --picture   also draws benchmarks/results/latency.png (needs matplotlib)
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.record import RESULTS, Row, newest, read_rows
from benchmarks.step_pictures import draw_all

BESIDE = "pieces onset_f1 basic_pitch_onset_f1 note_f1 basic_pitch_note_f1"
SPREAD = "p50_us p95_us p99_us p99.9_us max_us"
COLUMNS = {
    "step_time": ("One step of a model", f"count first_us {SPREAD} budget_share"),
    "batches": (
        "Streams that share a call",
        "count p50_us p99_us per_stream_us against_apart budget_share shared moved_us",
    ),
    "step_conditions": ("One step when the machine has other work", f"count first_us {SPREAD} against_alone"),
    "step_compiled": ("One step, by torch's compiler", f"count first_us {SPREAD} budget_share compile_seconds problem"),
    "step_time_gpu": ("One step on a GPU", f"count first_us {SPREAD} budget_share difference"),
    "spine_overhead": ("The server without a model, 256 samples at 48 kHz", f"count {SPREAD} hop_p50_us"),
    "osc_round_trip": ("Round trips over the wire", f"count {SPREAD}"),
    "host_to_event": (
        "From the host's audio to the note",
        f"latency_samples notes wrong late_events {SPREAD} block_us",
    ),
    "streams": ("Streams at once in one engine", f"count {SPREAD} processor_share late_events stale_samples"),
    "streams_long": (
        "Transcribers at 64 samples, every block of every stream",
        "seconds blocks held_blocks late_blocks late_in_gaps late_outside seconds_with_late_outside latest_ms lost_blocks hanging "
        "engine_share client_share gaps_a_minute longest_gap_ms",
    ),
    "streams_search": (
        "The most streams that one core carries with no block late",
        "most_streams tried seconds blocks late_in_gaps latest_ms engine_share client_share gaps_a_minute",
    ),
    "soak": (
        "Eight mixed streams under chaos",
        "times seconds streams blocks note_ons hanging doubled stray lost_events late_blocks late_in_gaps lost_blocks lost_in_gaps "
        "answered_p50_ms answered_max_ms on_time_p50_ms on_time_max_ms missed_max attached_max_ms server_early_mb server_last_mb "
        "engines_early_mb engines_last_mb",
    ),
    "memory": ("Memory", "resident_mb own_mb per_stream_mb growth_mb"),
    "jack_latency": (
        "Through JACK, with the bundled take",
        "callbacks callback_p50_us callback_p99_us late_blocks late_events xruns xruns_in_gaps period_us",
    ),
    "hiccup": ("The machine's own gaps", "gaps p50_gap_ms longest_gap_ms gaps_a_minute"),
    "phase_convergence": (
        "Samples from spectrograms, hop by hop",
        "convergence_db beside_db beside_fast_db latency_samples count p50_us p95_us budget_share",
    ),
    "resampler_delay": ("What a streaming resampler holds back, to 16 kHz", "held_back_ms"),
    "startup": ("Starting, and an engine's death", "count first_ms p50_ms max_ms"),
    "transcription_curve": (
        "Notes right, and how late",
        "onset_f1 onset_f1_20_centred note_f1 velocity_f1 frame_f1 live_f1 lateness_p5_ms lateness_p50_ms lateness_p95_ms "
        "spread_ms low_recall false_a_minute",
    ),
    "transcription_trials": (
        "Where the transcriber breaks",
        "pedal_f1 lateness_p5_ms lateness_p50_ms lateness_p95_ms spread_ms recall false_a_minute minute_1_f1 minute_10_f1",
    ),
    "instrument_groups": ("Notes of other instruments", BESIDE),
    "real_violin": ("Notes of a real violin", BESIDE),
}
"""Benchmark -> its title and the figures shown, in this order."""

DRAWN = ("spine_overhead", "osc_round_trip", "host_to_event", "streams")
SHOWN = SPREAD.split()


def tables(folder: Path = RESULTS) -> str:
    """Return a markdown section per benchmark that has rows, each with the machine, the date and the command."""
    rows = newest(read_rows(folder)) if folder.is_dir() else []
    sections = [_section(name, [row for row in rows if row["benchmark"] == name]) for name in COLUMNS]
    return "\n".join(section for section in sections if section)


def draw(path: Path, folder: Path = RESULTS) -> None:
    """Draw how the percentiles of streams and round trips spread, on a logarithmic scale, into an image at `path`."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = [row for row in newest(read_rows(folder)) if row["benchmark"] in DRAWN and "p50_us" in row]
    rows = [row for row in rows if not row["case"].startswith("part")]
    figure, axes = pyplot.subplots(figsize=(9, 0.28 * len(rows) + 1.5))
    for line, row in enumerate(reversed(rows)):
        values = [row[name] for name in SHOWN]
        axes.plot(values, [line] * len(values), color="0.7", zorder=1)
        axes.scatter(values, [line] * len(values), c=range(len(values)), cmap="viridis", s=18, zorder=2)
    axes.set_yticks(range(len(rows)), [f"{r['benchmark']}: {r['case']}" for r in reversed(rows)], fontsize=7)
    axes.set_xscale("log")
    axes.set_xlabel(f"microseconds: {', '.join(name.removesuffix('_us') for name in SHOWN)} from left to right")
    axes.grid(axis="x", alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=150, bbox_inches="tight")
    pyplot.close(figure)


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="The README's tables from the newest results.")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR")
    parser.add_argument("--picture", type=Path, nargs="?", const=RESULTS / "latency.png", metavar="FILE")
    parser.add_argument("--pictures", type=Path, nargs="?", const=RESULTS, metavar="DIR")
    chosen = parser.parse_args(words)
    print(tables(chosen.results))
    if chosen.picture is not None:
        draw(chosen.picture, chosen.results)
    if chosen.pictures is not None:
        for path in draw_all(chosen.pictures, chosen.results):
            print(f"wrote {path}")
    return 0


def _section(name: str, rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    title, wanted = COLUMNS[name]
    columns = [column for column in wanted.split() if any(column in row for row in rows)]
    lines = [f"### {title}", "", f"`{_command(name)}`, {_circumstances(rows[-1])}", ""]
    lines += ["| case | " + " | ".join(column.replace("_", " ") for column in columns) + " |"]
    lines += ["|---|" + "---:|" * len(columns)]
    for row in rows:
        lines.append(f"| {row['case']} | " + " | ".join(_cell(row.get(column, "")) for column in columns) + " |")
    return "\n".join([*lines, ""])


def _command(name: str) -> str:
    return "make bench-gpu" if name == "step_time_gpu" else f"backline bench {name}"


def _circumstances(row: Row) -> str:
    machine, versions = row["machine"], row["versions"]
    rights = "real-time rights" if machine["real_time_rights"] else "no real-time rights"
    commit = row["commit"][:9] + (" with changes" if row["dirty"] else "")
    hardware = f"{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}, {rights}"
    circumstances = f"load average {machine['load_average']}, Python {versions['python']}, {row['date'][:10]}"
    return f"{hardware}, {circumstances}, commit {commit}"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:g}"
    return str(value)


if __name__ == "__main__":
    raise SystemExit(main())
