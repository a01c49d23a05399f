"""Rows of figures: what a benchmark found, on which machine, with which versions, at which commit.

A row is a flat dictionary. `case` names what was measured and is the same in every run, so that two runs can be
compared; figures carry their unit at the end of their name. Needs NumPy only: machines with a GPU are often bare.
"""

import json
import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeAlias  # Any: rows are JSON

import numpy as np

from benchmarks.pacing import real_time
from server.metrics import NAMES, PERCENTILES

Row: TypeAlias = dict[str, Any]
ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
CIRCUMSTANCES = ("benchmark", "date", "commit", "dirty", "machine", "versions")
COMPARED = ("_us", "_ms", "_mb", "_samples", "_share")  # figures of which less is better
FIXED = ("budget_us", "block_us", "period_us")  # what the figures are held against
PACKAGES = ("numpy", "onnxruntime", "onnxruntime-gpu", "torch", "backline")
SAID_ONCE = ("scheduling",)  # in the title of a table where all rows agree
WIDEST = 170  # columns of a table that is not shown on a terminal


def percentiles(values_us: Iterable[float], unit: str = "us", prefix: str = "") -> Row:
    """Return count, the first value apart (it meets cold caches), and p50 p95 p99 p99.9 max of the others.

    A percentile is always a value that was seen: over fewer than 1000 values p99.9 is the maximum.
    """
    values = np.asarray(list(values_us), np.float64)
    if not values.size:
        return {}
    rest = values[1:] if values.size > 1 else values
    figures = np.percentile(rest, PERCENTILES, method="higher")
    row: Row = {f"{prefix}count": int(rest.size), f"{prefix}first_{unit}": round(float(values[0]), 1)}
    return row | {f"{prefix}{name}_{unit}": round(float(v), 1) for name, v in zip(NAMES, figures, strict=True)}


def circumstances() -> Row:
    """Return the machine, the versions, the commit and the date: what a figure means nothing without."""
    commit = _git("rev-parse", "HEAD") or "none"
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit,
        "dirty": commit == "none" or bool(_git("status", "--porcelain", "--", ":!benchmarks/results")),
        "machine": machine(),
        "versions": {"python": platform.python_version()}
        | {name: _version(name) for name in PACKAGES if _version(name)},
    }


def machine() -> Row:
    """Return what this machine is, and how busy it was with other things."""
    with real_time() as scheduling:
        rights = scheduling == "fifo"
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "real_time_rights": rights,
        "load_average": round(os.getloadavg()[0], 2),
    }


def write_rows(name: str, rows: Sequence[Row], folder: Path = RESULTS) -> Path:
    """Append rows to folder/NAME.jsonl, each with its circumstances, and return the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path, around = folder / f"{name}.jsonl", {"benchmark": name} | circumstances()
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(around | row) + "\n" for row in rows)
    return path


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a file, or of all files of a folder, oldest first."""
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    return [
        json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines() if line.strip()
    ]


def newest(rows: Iterable[Row]) -> list[Row]:
    """Return the last row of every case, in the order the cases were first seen."""
    return list({(row.get("benchmark"), row["case"]): row for row in rows}.values())


def compare(rows: Sequence[Row], against: Sequence[Row]) -> list[Row]:
    """Return one row per case that both have: new / old of every figure. Under 1 is better than before."""
    before = {row["case"]: row for row in newest(against)}
    return [{"case": row["case"]} | _ratios(row, before[row["case"]]) for row in rows if row["case"] in before]


def figures(row: Row) -> Row:
    """Return a row without its circumstances."""
    return {key: value for key, value in row.items() if key not in CIRCUMSTANCES}


def print_table(rows: Sequence[Row], title: str = "") -> None:
    """Print rows as a table: by rich where it is there, else in plain columns."""
    names = list(dict.fromkeys(name for row in rows for name in figures(row)))
    shared = {
        name: rows[0][name]
        for name in SAID_ONCE
        if rows and all(row.get(name) == rows[0].get(name, "") for row in rows)
    }
    names = [name for name in names if name not in shared]
    title = ", ".join([title, *(f"{name} {value}" for name, value in shared.items())])
    cells = [[_text(row.get(name, "")) for name in names] for row in rows]
    try:
        from rich.console import Console
        from rich.table import Table
    except ImportError:
        widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
        print(title)
        for line in (names, *cells):
            print("  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True)))
        return
    table = Table(title=title, title_justify="left")
    for place, name in enumerate(names):
        table.add_column(name.replace("_", " "), justify="left" if place == 0 else "right", no_wrap=place == 0)
    for line in cells:
        table.add_row(*line)
    console = Console()
    (console if console.is_terminal else Console(width=WIDEST)).print(table)


def _ratios(row: Row, before: Row) -> Row:
    return {
        name: round(value / before[name], 3)
        for name, value in row.items()
        if name.endswith(COMPARED) and name not in FIXED and isinstance(value, int | float) and before.get(name)
    }


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _git(*words: str) -> str:
    try:
        answer = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""
